"""Times in the layouts of Go's ``time`` package, to the nanosecond.

A layout is the reference time ``Mon Jan 2 15:04:05 MST 2006`` written as the times to be read are. It is read once
into a regular expression and what each of its groups means. Source: Go ``time/format.go``.

Quirks kept: a fraction after the seconds is taken although the layout has none; two-digit years from 69 on are 19xx;
a zone abbreviation that the location does not know counts as UTC.
"""

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

NAMED_LAYOUTS = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
_UNIX_NS = {"Unix": 1_000_000_000, "UnixMs": 1_000_000, "UnixUs": 1_000, "UnixNs": 1}

_MONTHS = [name.lower() for name in calendar.month_name]
_SHORT_MONTHS = [name.lower() for name in calendar.month_abbr]
_SHORT_DAYS = [name.lower() for name in calendar.day_abbr]
_FRACTION = r"[.,](?P<fraction>\d{1,9})"
_ANY_OF = "|".join

# Longest first; each token and the expression for what it stands for. A group's name says what it is.
_TOKENS: list[tuple[str, str]] = [
    ("January", f"(?P<month_name>{_ANY_OF(_MONTHS[1:])})"),
    ("Jan", f"(?P<month_name>{_ANY_OF(_SHORT_MONTHS[1:])})"),
    ("Monday", f"(?:{_ANY_OF(name.lower() for name in calendar.day_name)})"),
    ("Mon", f"(?:{_ANY_OF(_SHORT_DAYS)})"),
    ("MST", r"(?P<abbreviation>[A-Z]{3,5}|[+-]\d\d(?:\d\d)?)"),
    ("_2006", r"_(?P<year>\d{4})"),
    ("2006", r"(?P<year>\d{4})"),
    ("-07:00:00", r"(?P<offset>[+-]\d\d:\d\d:\d\d)"),
    ("-07:00", r"(?P<offset>[+-]\d\d:\d\d)"),
    ("-0700", r"(?P<offset>[+-]\d\d\d\d)"),
    ("-07", r"(?P<offset>[+-]\d\d)"),
    ("Z07:00", r"(?P<offset>Z|[+-]\d\d:\d\d)"),
    ("Z0700", r"(?P<offset>Z|[+-]\d\d\d\d)"),
    ("Z07", r"(?P<offset>Z|[+-]\d\d)"),
    ("002", r"(?P<day_of_year>\d{3})"),
    ("01", r"(?P<month>\d\d)"),
    ("02", r"(?P<day>\d\d)"),
    ("03", r"(?P<hour12>\d\d)"),
    ("04", r"(?P<minute>\d\d)"),
    ("05", r"(?P<second>\d\d)"),
    ("06", r"(?P<short_year>\d\d)"),
    ("15", r"(?P<hour>\d\d)"),
    ("_2", r"(?P<day>[ \d]?\d)"),
    ("PM", r"(?P<half>AM|PM)"),
    ("pm", r"(?P<half>am|pm)"),
    ("1", r"(?P<month>\d{1,2})"),
    ("2", r"(?P<day>\d{1,2})"),
    ("3", r"(?P<hour12>\d{1,2})"),
    ("4", r"(?P<minute>\d{1,2})"),
    ("5", r"(?P<second>\d{1,2})"),
]
_LAYOUT_FRACTION = re.compile(r"[.,](0+|9+)(?!\d)")

TimeParser = Callable[[str, int], int | None]
"""``(text, now_ns)`` → nanoseconds since 1970; None if the text is no such time. ``now_ns`` gives a missing year."""


def compile_layout(layout: str, zone: ZoneInfo | None = None) -> TimeParser:
    """A function that reads times.

    Args:
        layout: a name of Go's or a layout, or ``Unix``, ``UnixMs``, ``UnixUs``, ``UnixNs``.
        zone: of times that do not say theirs; used only if ``layout`` is not a name. None: UTC.

    Raises:
        ValueError: the layout names nothing of a time, or something twice.
    """
    if layout in _UNIX_NS:
        return _unix_parser(_UNIX_NS[layout])
    if layout in NAMED_LAYOUTS:
        zone = None
    expression = _expression(NAMED_LAYOUTS.get(layout, layout))
    try:
        compiled = re.compile(expression, re.ASCII | re.IGNORECASE)
    except re.error as exc:
        raise ValueError(f"layout {layout!r} has one part of the time twice") from exc
    if not compiled.groupindex:
        raise ValueError(f"layout {layout!r} has no part of the reference time Mon Jan 2 15:04:05 MST 2006")

    def parse(text: str, now_ns: int) -> int | None:
        match = compiled.fullmatch(text)
        if match is None:
            return None
        try:
            return _instant({name: value for name, value in match.groupdict().items() if value}, zone, now_ns)
        except (ValueError, OverflowError):
            return None

    return parse


def _unix_parser(unit_ns: int) -> TimeParser:
    def parse(text: str, now_ns: int) -> int | None:
        whole, dot, fraction = text.partition(".")
        digits = whole.removeprefix("-").removeprefix("+")
        if not (digits.isascii() and digits.isdigit()) or (dot and unit_ns != _UNIX_NS["Unix"]):
            return None
        if dot and not (fraction.isascii() and fraction.isdigit()):
            return None
        nanos = int(fraction[:9].ljust(9, "0")) if dot else 0
        return int(whole) * unit_ns + (-nanos if whole.startswith("-") else nanos)

    return parse


def _expression(layout: str) -> str:
    """The regular expression of a layout."""
    out: list[str] = []
    at, after_second = 0, False
    while at < len(layout):
        fraction = _LAYOUT_FRACTION.match(layout, at)
        if fraction is not None and after_second:
            digits = len(fraction[1])
            out.append(rf"[.,](?P<fraction>\d{{{digits}}})" if fraction[1][0] == "0" else f"(?:{_FRACTION})?")
            at, after_second = fraction.end(), False
            continue
        if after_second:
            out.append(f"(?:{_FRACTION})?")
            after_second = False
        token = next(((name, part) for name, part in _TOKENS if layout.startswith(name, at)), None)
        if token is None:
            out.append(re.escape(layout[at]))
            at += 1
        else:
            out.append(token[1])
            at += len(token[0])
            after_second = token[0] in ("05", "5")
    if after_second:
        out.append(f"(?:{_FRACTION})?")
    return "".join(out)


def _instant(parts: dict[str, str], zone: ZoneInfo | None, now_ns: int) -> int:
    """Nanoseconds since 1970 of the parts of a time.

    Raises:
        ValueError: there is no such day or hour.
    """
    local = _local_time(parts, now_ns)
    offset = _offset(parts.get("offset"))
    if offset is None and "abbreviation" in parts:
        offset = _abbreviation_offset(parts["abbreviation"], local, zone)
    if offset is not None:
        seconds = calendar.timegm(local.timetuple()) - offset
    else:
        seconds = int(local.replace(tzinfo=zone or UTC).timestamp())
    return seconds * 1_000_000_000 + int(parts.get("fraction", "0").ljust(9, "0"))


def _local_time(parts: dict[str, str], now_ns: int) -> datetime:
    year = _year(parts)
    month = int(parts.get("month", "1"))
    if "month_name" in parts:
        name = parts["month_name"].lower()
        month = _MONTHS.index(name) if name in _MONTHS else _SHORT_MONTHS.index(name)
    hour = int(parts.get("hour", "0"))
    if "hour12" in parts:
        hour = int(parts["hour12"])
        if hour > 12:
            raise ValueError("hour of a half day above 12")
    if "half" in parts:
        hour = hour % 12 + (12 if parts["half"].lower() == "pm" else 0)
    if year is None:
        year = _likely_year(month, now_ns)
    if "day_of_year" in parts:
        day = datetime(year, 1, 1) + timedelta(days=int(parts["day_of_year"]) - 1)
        month, day_of_month = day.month, day.day
    else:
        day_of_month = int(parts.get("day", "1"))
    return datetime(year, month, day_of_month, hour, int(parts.get("minute", "0")), int(parts.get("second", "0")))


def _year(parts: dict[str, str]) -> int | None:
    if "year" in parts:
        return int(parts["year"])
    if "short_year" in parts:
        short = int(parts["short_year"])
        return short + (1900 if short >= 69 else 2000)
    return None


def _likely_year(month: int, now_ns: int) -> int:
    """The year of a time that does not say it: this one, but around New Year's the one next to it."""
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    if month == 12 and now.month == 1:
        return now.year - 1
    if month == 1 and now.month == 12:
        return now.year + 1
    return now.year


def _offset(text: str | None) -> int | None:
    """Seconds east of UTC; None if the time does not say."""
    if text is None:
        return None
    if text in ("Z", "z"):
        return 0
    digits = text[1:].replace(":", "").ljust(6, "0")
    seconds = int(digits[0:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6])
    return -seconds if text[0] == "-" else seconds


def _abbreviation_offset(name: str, local: datetime, zone: ZoneInfo | None) -> int:
    """Go knows an abbreviation only if the location uses it; ``GMT+3`` style numbers count as they stand."""
    if name[0] in "+-":
        return _offset(name) or 0
    if zone is not None:
        for candidate in (local, local + timedelta(days=182)):
            there = candidate.replace(tzinfo=zone)
            if there.tzname() == name.upper():
                return int((there.utcoffset() or timedelta()).total_seconds())
    return 0
