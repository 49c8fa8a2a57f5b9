"""The sums in config/docs/scale.md: its table follows from the costs and the load that it states."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).resolve().parents[2] / "config" / "docs" / "scale.md").read_text()
PER_REQUEST = 0.2e-3  # seconds of CPU
PER_SPAN, PER_POINT, PER_LINE = 1.25e-6, 3.9e-6, 10e-6
SPANS, POINTS, LINES = 200, 2000 / 15, 100  # per host and second
REQUESTS = 20 / 5 + 20 / 15


def row(start: str) -> list[float]:
    """The numbers of the table's row that starts so: for 1, 100 and 10 000 hosts; 0 where there is a dash."""
    (line,) = (line for line in TEXT.splitlines() if line.startswith(f"| {start}"))
    cells = line.strip("| ").split(" | ")[1:]
    return [float(re.sub(r"[^0-9.]", "", cell.replace(" ", "").partition("cores")[0]) or 0) for cell in cells]


@pytest.mark.parametrize("at", [1, 2], ids=["100 hosts", "10 000 hosts"])
def test_gateways_cost_what_the_table_says(at: int) -> None:
    """CPU and number of gateways follow from two requests per agent and second and from the items in them."""
    hosts = (1, 100, 10_000)[at]
    cores = hosts * (2 * PER_REQUEST + SPANS * PER_SPAN + POINTS * PER_POINT)
    assert row("CPU of the gateways")[at] == pytest.approx(cores, rel=0.05)
    needed = -(-cores // 0.5) if cores > 0.5 else 1
    assert row("gateways, at half load")[at] == needed + 1
    assert row("spans per second in all")[at] == hosts * SPANS
    assert row("requests from agents per second")[at] == hosts * 2


def test_an_agent_costs_what_the_table_says() -> None:
    """CPU of an agent follows from its requests, spans, data points and lines."""
    cores = REQUESTS * PER_REQUEST + SPANS * PER_SPAN + POINTS * PER_POINT + LINES * PER_LINE
    assert row("CPU of an agent") == pytest.approx([cores] * 3, abs=0.0005)
    assert row("requests to the agent")[0] == pytest.approx(REQUESTS, abs=0.05)
