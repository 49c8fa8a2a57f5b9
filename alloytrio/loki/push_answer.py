"""What Loki's answer to a push means. No I/O.

Loki stores what it can and refuses the rest, so an answer that looks like a failure often is a partial success: a 400
or 429 that names streams or entries is about those only, the others are stored. Such a batch is never sent again as a
whole. A 400 that names nothing is about the request: some label string cannot be parsed, so the batch is cut until the
bad stream stands alone.

Source: Loki ``pkg/validation/validate.go``, ``pkg/ingester/stream.go``, ``pkg/distributor``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from alloytrio.errors import ExportError, PermanentExportError, RetryableExportError

INGESTION_BLOCKED = 260  # Loki's own: the request was thrown away on purpose
MAX_WORDS = 1024  # of Loki's answer in our log
MAX_RETRY_AFTER = 3600.0  # seconds; a server that asks for more is not believed

STREAM_LIMIT = "stream_limit"
STREAM_RATE_LIMIT = "per_stream_rate_limit"

_STREAM_LIMIT = re.compile(r"maximum active stream limit exceeded", re.IGNORECASE)
_STREAM_RATE_LIMIT = re.compile(r"per stream rate limit exceeded", re.IGNORECASE)
_TOTAL_IGNORED = re.compile(r"total ignored: (\d+) out of (\d+)", re.IGNORECASE)
# Of what Loki says about single streams and entries, a part that is always the same, and Loki's name for the reason.
_REASONS = (
    ("has timestamp too old", "greater_than_max_sample_age"),
    ("has timestamp too new", "too_far_in_future"),
    ("entry too far behind", "too_far_behind"),
    ("max entry size", "line_too_long"),
    ("label names; limit", "max_label_names_per_series"),
    ("has label name too long", "label_name_too_long"),
    ("has label value too long", "label_value_too_long"),
    ("has duplicate label name", "duplicate_label_names"),
    ("missing required labels", "missing_enforced_labels"),
    ("at least one label pair is required", "missing_labels"),
    ("structured metadata too large", "structured_metadata_too_large"),
    ("too many structured metadata", "structured_metadata_too_many"),
    ("structured metadata is not allowed", "disallowed_structured_metadata"),
    ("includes structured metadata", "disallowed_structured_metadata"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Loki has taken the batch.

    Args:
        ignored: entries that it threw away, by Loki's reason.
        words: why.
    """

    ignored: dict[str, int]
    words: str = ""


@dataclass(frozen=True, slots=True)
class StreamsRefused:
    """Loki has taken all but some streams, which may be sent again later.

    Args:
        reason: ``stream_limit`` or ``per_stream_rate_limit``.
        streams: the label sets that it names; there may be others.
        words: Loki's.
        retry_after: seconds, if Loki says.
    """

    reason: str
    streams: frozenset[frozenset[tuple[str, str]]]
    words: str
    retry_after: float | None


def read_answer(
    status: int, body: str, *, retry_after: str, entries: int, retry_429: bool, now: float
) -> Stored | StreamsRefused | ExportError:
    """What an answer means.

    Args:
        status: of the answer.
        body: of the answer; Loki's words are the first lines.
        retry_after: the header; empty for none.
        entries: that were sent.
        retry_429: whether a 429 is sent again.
        now: wall clock, seconds, for a Retry-After that is a date.
    """
    words = f"HTTP {status}: {body.strip()[:MAX_WORDS] or 'no message'}"
    seconds = parse_retry_after(retry_after, now)
    if status == INGESTION_BLOCKED:
        return Stored({"blocked_ingestion": entries}, words)
    if 200 <= status < 300:
        return Stored({})
    if status == 429:
        return _too_many(words, body, seconds, entries, retry_429)
    if status >= 500 or status == 408:
        return RetryableExportError(words, retry_after=seconds)
    if status == 400 and (ignored := ignored_entries(body, entries)):
        return Stored(ignored, words)
    # Nothing in the batch is to blame for an address, a method or credentials that are wrong.
    return PermanentExportError(words, whole=status < 400 or status in (401, 403, 404, 405, 407))


def _too_many(
    words: str, body: str, retry_after: float | None, entries: int, retry: bool
) -> Stored | StreamsRefused | ExportError:
    for reason, pattern in ((STREAM_LIMIT, _STREAM_LIMIT), (STREAM_RATE_LIMIT, _STREAM_RATE_LIMIT)):
        if pattern.search(body):
            return StreamsRefused(reason, frozenset(named_streams(body)), words, retry_after)
    if not retry:
        return Stored({"rate_limited": entries}, words)
    return RetryableExportError(words, retry_after=retry_after)


def ignored_entries(body: str, entries: int) -> dict[str, int]:
    """How many entries a 400 says were thrown away, by reason; empty if it names none: it is about the request."""
    ignored: dict[str, int] = {}
    for block in _blocks(body):
        text = block.lower()
        reason = next((name for part, name in _REASONS if part in text), "")
        totals = [int(match[1]) for match in _TOTAL_IGNORED.finditer(block)]
        if totals or reason:
            reason = reason or "ingester_error"
            ignored[reason] = ignored.get(reason, 0) + (sum(totals) or 1)
    left = entries
    for reason, count in ignored.items():
        ignored[reason] = min(count, left)
        left -= ignored[reason]
    return {reason: count for reason, count in ignored.items() if count}


def _blocks(body: str) -> list[str]:
    """A body cut behind each "total ignored", and into lines where it has none."""
    blocks: list[str] = []
    at = 0
    for match in _TOTAL_IGNORED.finditer(body):
        blocks.append(body[at : match.end()])
        at = match.end()
    return blocks + body[at:].split("\n")


def named_streams(body: str) -> Sequence[frozenset[tuple[str, str]]]:
    """The label sets that a text holds, without what Loki adds to them."""
    found: list[frozenset[tuple[str, str]]] = []
    at = body.find("{")
    while at >= 0:
        parsed = parse_labels(body, at)
        if parsed is None:
            at = body.find("{", at + 1)
            continue
        labels, end = parsed
        found.append(stream_key(labels))
        at = body.find("{", end)
    return found


def stream_key(labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    """A label set for comparing, without what Loki adds: its own name for the service, and the number of a shard."""
    return frozenset(
        (name, value) for name, value in labels.items() if name not in ("service_name", "__stream_shard__")
    )


_LABEL = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*', re.ASCII)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse_labels(text: str, start: int = 0) -> tuple[dict[str, str], int] | None:
    """A label string such as ``{a="b", c="d"}`` and the position behind it; None if there is none at ``start``."""
    labels: dict[str, str] = {}
    at = start + 1
    while match := _LABEL.match(text, at):
        labels[match[1]] = _ESCAPE.sub(_unescape, match[2])
        at = match.end()
        if text.startswith(",", at):
            at += 1
        elif text.startswith("}", at):
            return labels, at + 1
        else:
            return None
    return ({}, at + 1) if text[start:at] == "{" and text.startswith("}", at) else None


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code is None:
        return _CONTROL.get(match[4], match[4])
    if match[1] and int(code, 16) >= 0x80:  # a byte that is not UTF-8
        return bytes([int(code, 16)]).decode(errors="surrogateescape")
    return chr(min(int(code, 16), 0x10FFFF))


def parse_retry_after(text: str, now: float) -> float | None:
    """Seconds of a ``Retry-After`` header, a number or a date; None if there is none that can be read."""
    text = text.strip()
    if not text:
        return None
    if text.replace(".", "", 1).isdigit():
        return min(float(text), MAX_RETRY_AFTER)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - now, 0.0), MAX_RETRY_AFTER)
    except (ValueError, TypeError, IndexError):
        return None
