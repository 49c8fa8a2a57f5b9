"""Value types that configurations are written in: durations, sizes, secrets, headers, edges.

They are pydantic annotations, so a config model says ``timeout: Duration = 5.0`` and users write ``"5s"``.
Source: Go's ``time.ParseDuration`` and Alloy's size syntax (base 2 whatever the unit's spelling).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr

_DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|B|KB|KiB|K|MB|MiB|M|GB|GiB|G|TB|TiB|T)")
_SIZE_POWERS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_duration(text: str) -> float:
    """Seconds of a Go duration: ``"1m30s"`` → 90.0.

    Raises:
        ValueError: not a duration; the message shows the syntax.
    """
    if text == "0":
        return 0.0
    position, seconds = 0, 0.0
    while match := _DURATION_PART.match(text, position):
        seconds += float(match[1]) * _DURATION_UNITS[match[2]]
        position = match.end()
    if position == 0 or position != len(text):
        raise ValueError('not a duration: write a number with a unit (ns, us, ms, s, m, h), such as "5s" or "1m30s"')
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest Go duration for a number of seconds: 90.0 → ``"1m30s"``, 0.2 → ``"200ms"``."""
    if seconds == 0:
        return "0s"
    nanoseconds = round(seconds * 1e9)
    if nanoseconds < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("us", 1_000), ("ns", 1)):
            if nanoseconds >= size:
                return f"{nanoseconds / size:.10g}{unit}"
    hours, rest = divmod(nanoseconds, 3_600_000_000_000)
    minutes, rest = divmod(rest, 60_000_000_000)
    parts = [f"{hours}h"] if hours else []
    parts += [f"{minutes}m"] if minutes else []
    parts += [f"{rest / 1e9:.12g}s"] if rest else []
    return "".join(parts)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[::1]:port`` or ``:port`` (all interfaces).

    Raises:
        ValueError: not an address; the message shows the syntax.
    """
    host, colon, port = address.rpartition(":")
    bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535 or bare_ipv6:
        raise ValueError('not an address: write host:port, such as "127.0.0.1:4317"')
    return host.removeprefix("[").removesuffix("]"), int(port)


def _checked_address(address: str) -> str:
    split_address(address)
    return address


def parse_size(text: str) -> int:
    """Bytes of a size: ``"4MiB"`` → 4194304. KB and KiB both mean 1024, as in Alloy.

    Raises:
        ValueError: not a size; the message shows the syntax.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError('not a size: write a number with a unit (B, KiB, MiB, GiB), such as "4MiB"')
    return int(float(match[1]) * 1024 ** _SIZE_POWERS[match[2][:1]])


def format_size(size: int) -> str:
    """The shortest exact size: 4194304 → ``"4MiB"``."""
    for unit, power in (("GiB", 3), ("MiB", 2), ("KiB", 1)):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return f"{size}B"


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that could end a header line or a request.

    Raises:
        ValueError: names the header, not its value.
    """
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None:
            raise ValueError("a header name has characters that HTTP does not allow")
        if _HEADER_FORBIDDEN.search(value) is not None or not value.isascii():
            raise ValueError(f"the value of header {name} has characters that HTTP does not allow")


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value == 0:
        return value
    raise ValueError('a duration needs a unit, such as "5s"')


def _size(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_duration, json_schema_input_type=str), PlainSerializer(format_duration)]
"""Seconds, written as a Go duration."""

ListenAddress = Annotated[str, AfterValidator(_checked_address)]
"""``host:port`` to listen on."""

ByteSize = Annotated[int, BeforeValidator(_size, json_schema_input_type=str | int), PlainSerializer(format_size)]
"""Bytes, written as a size with a unit or as a plain number."""

Secret = SecretStr
"""A text that never shows in a log, an error, the page or the API."""


def _headers(value: dict[str, Secret]) -> dict[str, Secret]:
    check_headers({name: each.get_secret_value() for name, each in value.items()})
    return value


Headers = Annotated[dict[str, Secret], AfterValidator(_headers)]
"""Header names and values that may be sent with a request."""


class Kind(Enum):
    """What flows over an edge."""

    OTLP = "OpenTelemetry data"
    SAMPLES = "Prometheus samples"
    ENTRIES = "log entries"
    TARGETS = "targets"
    RULES = "relabel rules"
    AUTH = "credentials"


@dataclass(frozen=True, slots=True)
class EdgeTo:
    """Marks a string of a config model as the name of another component: ``Annotated[str, EdgeTo(Kind.OTLP)]``.

    Args:
        kind: what the named component must take (or, for TARGETS, RULES and AUTH, give).
        upstream: the named component gives to this one, instead of taking from it.
    """

    kind: Kind
    upstream: bool = False


OtlpEdge = Annotated[str, EdgeTo(Kind.OTLP)]
SamplesEdge = Annotated[str, EdgeTo(Kind.SAMPLES)]
EntriesEdge = Annotated[str, EdgeTo(Kind.ENTRIES)]
TargetsEdge = Annotated[str, EdgeTo(Kind.TARGETS, upstream=True)]
RulesEdge = Annotated[str, EdgeTo(Kind.RULES, upstream=True)]
AuthEdge = Annotated[str, EdgeTo(Kind.AUTH, upstream=True)]
