"""What the commands of the admin port print."""

import re

import pytest

from alloytrio.admin.client import AdminClient, printable
from alloytrio.admin.terminal import tap_line, top_screen
from alloytrio.errors import AlloyTrioError


def test_lines_of_a_tap() -> None:
    """Stages are on the line; what a peer sent cannot drive the terminal; colours only on one."""
    item: dict[str, object] = {
        "kind": "line",
        "level": "error",
        "text": "a\x1b[2Jb\n",
        "labels": {"container": "web"},
        "trace_id": "ab",
        "stages": [
            {"stage": "json", "changes": {"label level": "error"}},
            {"stage": "keep", "changes": {}},
            {"stage": "drop", "dropped": True},
        ],
    }
    expected = (
        "             error  a\\u001b[2Jb\\u000a | json: label level=error | drop: dropped container=web trace_id=ab"
    )
    assert tap_line(item, as_json=False, colour=False) == expected
    assert "\x1b[31merror \x1b[0m" in tap_line(item, as_json=False, colour=True)
    assert tap_line({"time_ms": 2**62}, as_json=False, colour=False)


@pytest.mark.parametrize("width", [30, 40, 80])
def test_lines_of_a_tap_are_cut(width: int) -> None:
    """On a terminal an item has one line; what is just as long is whole."""
    item: dict[str, object] = {"kind": "span", "level": "error", "text": "x" * 200}
    assert len(tap_line(item, as_json=False, colour=False, width=width)) == width
    assert tap_line(item, as_json=False, colour=False, width=width).endswith("x…")
    fitting = {**item, "text": "x" * (width - 20)}
    assert tap_line(fitting, as_json=False, colour=False, width=width) == f"{'':13}error  {'x' * (width - 20)}"


COMPONENTS: list[dict[str, object]] = [
    {
        "id": f"otelcol.exporter.otlphttp.backend{number}",
        "health": {"state": "healthy"},
        "outboxes": [{"queued_items": 5}],
    }
    for number in range(40)
]
COMPONENTS[30]["health"] = {"state": "unhealthy", "message": "connection refused " * 10}
RATES: list[dict[str, object]] = [
    {"to": COMPONENTS[0]["id"], "items_per_second": 117_000.0, "unit": unit} for unit in ("spans", "records")
]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 10), (140, 60)])
def test_top_fits_the_terminal(width: int, height: int) -> None:
    """No line is longer than the terminal is wide, no screen higher; what fails is on it, the others are counted."""
    screen = top_screen({"version": "1"}, COMPONENTS, RATES, colour=False, width=width, height=height)
    lines = screen.splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) < height
    assert "unhealthy" in screen
    assert "connection refused" in screen
    names = sum("backend" in line for line in lines)
    assert (f"… and {40 - names} more components" in screen) == (names < 40)
    assert max(map(len, top_screen({}, COMPONENTS, RATES, colour=False).splitlines())) > 140


def test_top_in_colours() -> None:
    """Colours take no columns."""
    plain, coloured = (
        top_screen({}, COMPONENTS, RATES, colour=colour, width=80, height=24) for colour in (False, True)
    )
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_top_survives_what_is_missing() -> None:
    """An answer of another version does not end it."""
    assert "COMPONENT" in top_screen({}, [{}], [{}], colour=True)


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "[::1", "a:b"])
def test_addresses_that_are_none(address: str) -> None:
    """A mistaken address is said to be one, as an error of ours."""
    with pytest.raises(AlloyTrioError):
        AdminClient(address).get("/-/ready")


def test_printable() -> None:
    """Controls and direction marks are shown."""
    assert printable("a\u202e\x07é") == "a\\u202e\\u0007é"
