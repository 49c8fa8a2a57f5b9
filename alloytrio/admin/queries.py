"""Query strings of the viewer pages and their API to the recorder's queries. Pure functions.

Errors: ``ValueError`` whose message can be shown to the person who wrote it.
"""

import re
from collections.abc import Mapping

from alloytrio.recorder.lines import LEVELS, LineQuery
from alloytrio.recorder.traces import TraceQuery
from alloytrio.values import parse_duration

MAX_LIMIT = 1_000
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")

Arguments = Mapping[str, str]


def trace_query(arguments: Arguments) -> TraceQuery:
    """From ``service``, ``name``, ``min_duration`` (such as ``200ms``), ``error=1`` and ``limit``."""
    written = arguments.get("min_duration", "").strip()
    return TraceQuery(
        service=arguments.get("service", ""),
        name=arguments.get("name", "").strip(),
        min_duration_ns=round(parse_duration(written) * 1e9) if written else 0,
        only_errors=arguments.get("error", "") in ("1", "true"),
        limit=limit(arguments, 100),
    )


def line_query(arguments: Arguments) -> LineQuery:
    """From ``text``, ``label`` (``name=value``), ``service``, ``level``, ``trace_id``, ``span_id`` and ``limit``."""
    level = arguments.get("level", "")
    if level and level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}")
    return LineQuery(
        text=arguments.get("text", "").strip(),
        labels=label_filter(arguments.get("label", "")),
        service=arguments.get("service", "").strip(),
        level=level,
        trace_id=hex_id(arguments.get("trace_id", ""), _TRACE_ID, "a trace id has 32 hex digits"),
        span_id=hex_id(arguments.get("span_id", ""), _SPAN_ID, "a span id has 16 hex digits"),
        limit=limit(arguments, 200),
    )


def label_filter(written: str) -> dict[str, str]:
    """``container=web`` → a filter; nothing → none."""
    if not written.strip():
        return {}
    name, equals, value = written.partition("=")
    if not equals or not name.strip():
        raise ValueError("a label is written as name=value")
    return {name.strip(): value.strip().strip('"')}


def trace_id(written: str) -> str:
    """32 hex digits in lower case."""
    return hex_id(written, _TRACE_ID, "a trace id has 32 hex digits")


def hex_id(written: str, form: re.Pattern[str], message: str) -> str:
    """The id in lower case; nothing stays nothing."""
    found = written.strip().lower()
    if found and not form.fullmatch(found):
        raise ValueError(message)
    return found


def limit(arguments: Arguments, default: int) -> int:
    """``limit``: 1 … 1000."""
    written = arguments.get("limit", "")
    if not written:
        return default
    return whole_number(written, 1, MAX_LIMIT, "limit")


def whole_number(written: str, least: int, most: int, name: str) -> int:
    """A number within bounds."""
    if written.isascii() and written.isdigit() and len(written) < 10 and least <= int(written) <= most:
        return int(written)
    raise ValueError(f"{name} must be {least} … {most}")
