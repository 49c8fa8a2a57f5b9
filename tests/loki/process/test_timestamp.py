"""stage.timestamp and Go's layouts against their tables."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.loki.process.golayout import compile_layout
from alloytrio.loki.process.stages import StageEntry
from tests.loki.process.support import NOW_NS, Bench, entry

SECOND = 1_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")


def ns(*parts: int, nanos: int = 0, zone: ZoneInfo | None = None) -> int:
    year, month, day, hour, minute, second = (*parts, *(0,) * (6 - len(parts)))
    return int(datetime(year, month, day, hour, minute, second, tzinfo=zone or UTC).timestamp()) * SECOND + nanos


@pytest.mark.parametrize(
    ("layout", "text", "instant"),
    [
        ("RFC3339", "2023-11-14T22:13:20Z", ns(2023, 11, 14, 22, 13, 20)),
        ("RFC3339", "2023-11-14T22:13:20.123456789+02:00", ns(2023, 11, 14, 20, 13, 20, nanos=123456789)),
        ("RFC3339Nano", "2023-11-14T22:13:20.5Z", ns(2023, 11, 14, 22, 13, 20, nanos=500000000)),
        ("RFC3339", "2023-11-14 22:13:20Z", None),
        ("RFC3339", "2023-02-30T22:13:20Z", None),
        ("ANSIC", "Tue Nov  4 22:13:20 2023", ns(2023, 11, 4, 22, 13, 20)),
        ("UnixDate", "Tue Nov 14 22:13:20 UTC 2023", ns(2023, 11, 14, 22, 13, 20)),
        ("RubyDate", "Tue Nov 14 22:13:20 -0730 2023", ns(2023, 11, 15, 5, 43, 20)),
        ("RFC822", "14 Nov 23 22:13 UTC", ns(2023, 11, 14, 22, 13)),
        ("RFC822Z", "14 Nov 69 22:13 +0100", ns(1969, 11, 14, 21, 13)),
        ("RFC850", "Tuesday, 14-Nov-23 22:13:20 UTC", ns(2023, 11, 14, 22, 13, 20)),
        ("RFC1123", "Tue, 14 Nov 2023 22:13:20 XYZ", ns(2023, 11, 14, 22, 13, 20)),
        ("RFC1123Z", "tue, 14 nov 2023 22:13:20 +0000", ns(2023, 11, 14, 22, 13, 20)),
        ("Unix", "1700000000", 1700000000 * SECOND),
        ("Unix", "1700000000.25", 1700000000 * SECOND + 250000000),
        ("Unix", "17e8", None),
        ("UnixMs", "1700000000123", 1700000000123 * 10**6),
        ("UnixUs", "1700000000123456", 1700000000123456 * 1000),
        ("UnixNs", "1700000000123456789", 1700000000123456789),
        ("UnixNs", "1.5", None),
        ("2006-01-02 15:04:05", "2023-11-14 22:13:20", ns(2023, 11, 14, 22, 13, 20)),
        ("2006-01-02 15:04:05", "2023-11-14 22:13:20,25", ns(2023, 11, 14, 22, 13, 20, nanos=250000000)),
        ("2006-01-02 15:04:05.000", "2023-11-14 22:13:20.123", ns(2023, 11, 14, 22, 13, 20, nanos=123000000)),
        ("2006-01-02 15:04:05.000", "2023-11-14 22:13:20.1", None),
        ("2006-01-02 15:04:05,999", "2023-11-14 22:13:20", ns(2023, 11, 14, 22, 13, 20)),
        ("1/2/06 3:04 PM", "3/9/23 1:05 pm", ns(2023, 3, 9, 13, 5)),
        ("1/2/06 3:04 PM", "3/9/23 12:05 AM", ns(2023, 3, 9, 0, 5)),
        ("1/2/06 3:04 PM", "3/9/23 13:05 PM", None),
        ("02/Jan/2006:15:04:05 -0700", "14/Nov/2023:22:13:20 +0000", ns(2023, 11, 14, 22, 13, 20)),
        ("2006-002", "2024-060", ns(2024, 2, 29)),
        ("January _2 2006", "march  7 2023", ns(2023, 3, 7)),
        ("20060102T150405Z0700", "20231114T221320Z", ns(2023, 11, 14, 22, 13, 20)),
        ("Jan _2 15:04:05", "Nov 14 22:13:20", ns(2023, 11, 14, 22, 13, 20)),
    ],
)
def test_layouts(layout: str, text: str, instant: int | None) -> None:
    """Times are read as Go reads them."""
    assert compile_layout(layout)(text, NOW_NS) == instant


def test_missing_year_around_new_year() -> None:
    """A time without a year is the one nearest to now."""
    parse = compile_layout("Jan _2 15:04:05")
    assert parse("Dec 31 23:00:00", ns(2024, 1, 1)) == ns(2023, 12, 31, 23)
    assert parse("Jan  1 01:00:00", ns(2023, 12, 31)) == ns(2024, 1, 1, 1)


def test_location() -> None:
    """A custom layout is read in the location; a named one is not; abbreviations count if the location has them."""
    custom = compile_layout("2006-01-02 15:04:05", BERLIN)
    assert custom("2023-07-01 12:00:00", NOW_NS) == ns(2023, 7, 1, 10)
    assert custom("2023-12-01 12:00:00", NOW_NS) == ns(2023, 12, 1, 11)
    assert compile_layout("ANSIC", BERLIN)("Sat Jul  1 12:00:00 2023", NOW_NS) == ns(2023, 7, 1, 12)
    named = compile_layout("2006-01-02 15:04:05 MST", BERLIN)
    assert named("2023-07-01 12:00:00 CEST", NOW_NS) == ns(2023, 7, 1, 10)
    assert named("2023-07-01 12:00:00 CET", NOW_NS) == ns(2023, 7, 1, 11)
    assert named("2023-07-01 12:00:00 EST", NOW_NS) == ns(2023, 7, 1, 12)


@pytest.mark.parametrize("layout", ["nothing", "2006 2006", "", "-"])
def test_layouts_refused(layout: str) -> None:
    """A layout that says nothing of a time, or one part twice, is an error."""
    with pytest.raises(ValueError, match="layout"):
        compile_layout(layout)


@given(st.integers(0, 4 * 10**18))
def test_round_trip(instant: int) -> None:
    """Every nanosecond that is written in RFC 3339 is read back."""
    when = datetime.fromtimestamp(instant // SECOND, UTC)
    text = when.strftime("%Y-%m-%dT%H:%M:%S") + f".{instant % SECOND:09d}Z"
    assert compile_layout("RFC3339Nano")(text, NOW_NS) == instant


def stamps(values: Sequence[object], **table: object) -> list[int]:
    """The offsets in ns from NOW_NS that entries get whose value ``t`` is given."""
    bench = Bench({"timestamp": {"source": "t", "format": "UnixNs", **table}})
    subjects = [entry("x", extracted={} if value is None else {"t": value}) for value in values]
    return [each.ts_ns - NOW_NS for each in bench.run(*subjects)]


def test_timestamp() -> None:
    """The time is what the value says."""
    assert stamps([str(NOW_NS + 5), NOW_NS + 9]) == [5, 9]


def test_duplicates() -> None:
    """The same time again is one nanosecond later each time, or kept."""
    times = [NOW_NS + 5] * 3 + [NOW_NS + 9, NOW_NS + 5]
    assert stamps(times) == [5, 6, 7, 9, 5]
    assert stamps(times, action_on_duplicate_timestamp="keep") == [5, 5, 5, 9, 5]


def test_failures() -> None:
    """A time that cannot be read is 1 ns after the stream's last; without one before, or with skip, it stays."""
    assert stamps([None, NOW_NS + 5, "bad", None, NOW_NS + 20]) == [0, 5, 6, 7, 20]
    assert stamps([None, NOW_NS + 5, "bad"], action_on_failure="skip") == [0, 5, 0]


def test_streams_are_apart() -> None:
    """Duplicates and failures look at entries with the same labels only."""
    bench = Bench({"timestamp": {"source": "t", "format": "UnixNs"}})
    subjects = [entry("x", labels={"n": str(n % 2)}, extracted={"t": NOW_NS}) for n in range(4)]
    assert [each.ts_ns - NOW_NS for each in bench.run(*subjects)] == [0, 0, 1, 1]


def test_fallbacks() -> None:
    """Formats are tried in order."""
    bench = Bench({"timestamp": {"source": "t", "format": "RFC3339", "fallback_formats": ["Unix", "UnixNs"]}})
    [first, second] = bench.run(
        entry("x", extracted={"t": "1700000001"}), entry("x", extracted={"t": "2023-11-14T22:13:22Z"})
    )
    assert [first.ts_ns - NOW_NS, second.ts_ns - NOW_NS] == [SECOND, 2 * SECOND]


@pytest.mark.parametrize(
    "table",
    [
        {"source": "t", "format": "never"},
        {"source": "", "format": "Unix"},
        {"source": "t", "format": "Unix", "location": "Mars/Olympus"},
        {"source": "t", "format": "Unix", "fallback_formats": ["never"]},
        {"source": "t", "format": "Unix", "action_on_failure": "drop"},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        StageEntry.model_validate({"timestamp": table})
