"""Numbers, sizes and times as the page writes them."""

import pytest

from alloytrio.admin import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (1234, "1\u202f234"),
        (9999, "9\u202f999"),
        (12345, "12.3 k"),
        (1.5e6, "1.50 M"),
        (2e9, "2.00 G"),
    ],
)
def test_count(value: float, text: str) -> None:
    """Small numbers are whole, large ones have three digits."""
    assert words.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 spans/s"),
        (0.004, "<0.01 spans/s"),
        (0.25, "0.25 spans/s"),
        (12.345, "12.3 spans/s"),
        (999.4, "999 spans/s"),
        (17_600, "17.6 k spans/s"),
    ],
)
def test_rate(value: float | None, text: str) -> None:
    """Rates have a unit, and say when they are small or not known."""
    assert words.rate(value, "spans") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (15 << 20, "15.0 MiB"), (3 << 40, "3.00 TiB")]
)
def test_size(value: float, text: str) -> None:
    """Sizes are powers of 1024 and say so."""
    assert words.size(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 µs"),
        (0.00012, "120 µs"),
        (0.0125, "12.5 ms"),
        (1.5, "1.50 s"),
        (59.96, "60.0 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """Durations have the two units that matter."""
    assert words.duration(seconds) == text
    assert words.duration_ns(round(seconds * 1e9)) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (0.031, "3.1 %"), (0.5, "50 %"), (1.25, "125 %")])
def test_percent(value: float, text: str) -> None:
    """More than one core is more than 100 %."""
    assert words.percent(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (92_274_688, "By", "88.0 MiB"),
        (0.25, "s", "250 ms"),
        (-0.25, "s", "-250 ms"),
        (0, "s", "0 s"),
        (90, "min", "1 h 30 min"),
        (12, "1", "12"),
        (3.14159, "{request}", "3.142 request"),
        (5, "", "5"),
    ],
)
def test_measure(value: float, unit: str, text: str) -> None:
    """A metric's unit decides how its value is written."""
    assert words.measure(value, unit) == text


def test_plural() -> None:
    """One is not many."""
    assert words.plural(1, "line") == "1 line"
    assert words.plural(2, "line") == "2 lines"
    assert words.plural(0, "series", "series") == "0 series"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (b"\x01\xff", "01 ff"),
        (["a", 1], '["a", 1]'),
        (None, "null"),
        (True, "true"),
        ({"é": 1}, '{"é": 1}'),
    ],
)
def test_shown(value: object, text: str) -> None:
    """Texts are shown as they are, everything else so that one can tell what it is."""
    assert words.shown(value) == text


def test_sparkline() -> None:
    """The largest value is at the top and zero at the bottom, from edge to edge; one point is no line."""
    assert words.sparkline([0, 5, 10], 120, 28) == "0.0,27.0 60.0,14.0 120.0,1.0"
    assert words.sparkline([0, 0], 120, 28) == "0.0,27.0 120.0,27.0"
    assert words.sparkline([1], 120, 28) == ""


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (float("nan"), "By", "not a number"),
        (float("inf"), "s", "∞"),
        (float("-inf"), "1", "-∞"),
        (324_600.5, "1", "325 k"),
        (-324_600.5, "{request}", "-325 k request"),
        (1e300, "1", "1e+300"),
        (1e300, "By", "1e+300 By"),
        (-1e300, "s", "-1e+300 s"),
    ],
)
def test_any_measure(number: float, unit: str, text: str) -> None:
    """A sender may send any number."""
    assert words.measure(number, unit) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "500 ms"), (59, "59 s"), (125, "2 min"), (90_000, "1 d")])
def test_rough_durations(seconds: float, text: str) -> None:
    """A guess has one unit."""
    assert words.rough(seconds) == text
