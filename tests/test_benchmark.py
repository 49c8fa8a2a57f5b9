"""The report of the benchmarks: what the generator measured stands in it, legibly."""

import pytest

from scripts.benchmark import COLUMNS, Row, calibrate, parse_collector, report
from scripts.scenarios import SCENARIOS


def row(**changes: object) -> Row:
    """A row as the generator gives it."""
    median = {column.key: 1234.5678 for column in COLUMNS}
    made = {"collector": "alloytrio", "runs": 3, "runs_failed": 0, "median": median, "duplicates": 0, "missing": 0}
    return {**made, **changes}  # type: ignore[typeddict-item]  # the caller names the keys


def test_report_holds_what_was_measured() -> None:
    """Machine, scenario and each collector's figures are in the report; a failed run shows."""
    rows = [row(), row(collector="other", runs_failed=3, median={}, missing=7_000)]
    lines = report([(SCENARIOS[0], rows)], [("machine", "2 cores")]).splitlines()
    assert "| machine | 2 cores |" in lines
    assert f"## {SCENARIOS[0].name}" in lines
    assert "| alloytrio | 3 | 1,235 | 1234.57 | 1234.6 | " in next(line for line in lines if "| alloytrio" in line)
    assert next(line for line in lines if "| other" in line).startswith("| other | 0 of 3 | – |")
    assert next(line for line in lines if "| other" in line).endswith("| 7,000 | 0 |")


def test_every_row_has_every_column() -> None:
    """The table is one that renders: all its lines have equally many cells."""
    lines = [line for line in report([(SCENARIOS[0], [row()])], []).splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in lines[1:]}) == 1


def test_a_collector_to_compare_with() -> None:
    """``--vs`` takes a name and a command with its arguments."""
    assert parse_collector("alloy=/bin/alloy run 'a b.alloy'") == ("alloy", ["/bin/alloy", "run", "a b.alloy"])
    with pytest.raises(SystemExit):
        parse_collector("alloy")


def test_calibration_is_a_time() -> None:
    """The fixed loop takes a measurable time."""
    assert calibrate() > 0
