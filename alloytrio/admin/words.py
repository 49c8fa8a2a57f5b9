"""How numbers, sizes and times are written on the page: short, with their unit, always equally wide.

Pure functions; the exact value goes into the title beside them.
"""

import json
import math
from collections.abc import Sequence

_SI = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "seconds": 1.0}
_BYTES = ("By", "bytes")  # UCUM's name, and Prometheus'
_BEYOND = 1e18  # no size or time of anything that is measured; written with its exponent
NARROW_SPACE = "\u202f"
NONE = "–"


def count(value: float) -> str:
    """1234567 → ``1.23 M``, 1234 → ``1,234``, 0 → ``0``."""
    if value < 10_000:
        return f"{value:,.0f}".replace(",", NARROW_SPACE)
    for size, unit in _SI:
        if value >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{value:.0f}"


def rate(per_second: float | None, unit: str) -> str:
    """12345.6, ``"spans"`` → ``12.3 k spans/s``; below one a second it says so: ``0.25 spans/s``; None → ``–``."""
    if per_second is None:
        return NONE
    if 0 < per_second < 0.01:
        return f"<0.01 {unit}/s"
    for size, prefix in _SI:
        if per_second >= size:
            return f"{_three_digits(per_second / size)} {prefix} {unit}/s"
    return f"{_three_digits(per_second) if per_second else 0} {unit}/s"


def size(value: float) -> str:
    """1536 → ``1.50 KiB``, 12 → ``12 B``."""
    for unit_bytes, unit in _BINARY:
        if value >= unit_bytes:
            return f"{_three_digits(value / unit_bytes)} {unit}"
    return f"{value:.0f} B"


def duration(seconds: float) -> str:
    """0.00012 → ``120 µs``, 1.5 → ``1.50 s``, 125 → ``2 min 5 s``, 90000 → ``1 d 1 h``."""
    if seconds < 1e-3:
        return f"{_three_digits(seconds * 1e6)} µs"
    if seconds < 1:
        return f"{_three_digits(seconds * 1e3)} ms"
    if seconds < 60:
        return f"{_three_digits(seconds)} s"
    whole = int(seconds)
    for big, big_unit, small, small_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= big:
            rest = whole % big // small
            return f"{whole // big} {big_unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{whole} s"


def rough(seconds: float) -> str:
    """The larger unit alone, for a guess: 125 → ``2 min``, 90000 → ``1 d``."""
    return f"{seconds:.0f} s" if 1 <= seconds < 60 else " ".join(duration(seconds).split(" ")[:2])


def duration_ns(nanoseconds: int) -> str:
    """The same for nanoseconds."""
    return duration(nanoseconds / 1e9)


def percent(fraction: float) -> str:
    """0.031 → ``3.1 %``, 0.5 → ``50 %``."""
    value = fraction * 100
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.1f} %"


def value(number: float) -> str:
    """A metric's value: as many digits as one can read. 324600.5 → ``325 k``; what is no number is said to be none."""
    if not math.isfinite(number):
        return "not a number" if math.isnan(number) else "-∞" if number < 0 else "∞"
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number):,}".replace(",", NARROW_SPACE)
    if 1e4 <= abs(number) < 1e12:
        return ("-" if number < 0 else "") + count(abs(number))
    return f"{number:.4g}"


def measure(number: float, unit: str) -> str:
    """A metric's value with its unit: 92274688, ``"By"`` or ``"bytes"`` → ``88.0 MiB``; 0.25, ``"s"`` → ``250 ms``."""
    if not math.isfinite(number):
        return value(number)
    sign, magnitude = ("-" if number < 0 else ""), abs(number)
    if unit in _BYTES and magnitude < _BEYOND:
        return sign + size(magnitude)
    if unit in _SECONDS and magnitude < _BEYOND:
        return sign + duration(magnitude * _SECONDS[unit]) if magnitude else "0 s"
    if unit in ("1", "ratio"):
        return value(number)
    return f"{value(number)} {unit.strip('{}')}".rstrip()


def plural(number: float, one: str, many: str = "") -> str:
    """1, ``"line"`` → ``1 line``; 2 → ``2 lines``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def shown(value: object) -> str:
    """Any value as one reads it: texts as they are, what is made of parts as JSON, bytes as hex."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex(" ")
    return json.dumps(value, ensure_ascii=False, default=str)


def sparkline(values: Sequence[float], width: int, height: int) -> str:
    """Points for an SVG polyline: the values from left to right, the largest at the top, 0 at the bottom."""
    if len(values) < 2:
        return ""
    top = max(values) or 1.0
    step = width / (len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{height - 1 - (height - 2) * max(0.0, each) / top:.1f}"
        for index, each in enumerate(values)
    )


def _three_digits(number: float) -> str:
    """Three significant digits without an exponent: 1.23, 12.3, 123."""
    if number >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"
