"""What Prometheus' answer to a remote write request means. No I/O.

A 400 is about single samples, and in remote write 1.0 the first bad one rolls the whole request back. So the request
is cut until the bad one stands alone.

Source: Prometheus ``storage/remote/client.go`` (what is sent again) and ``write_handler.go`` (what is answered).
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from alloytrio.errors import ExportError, PermanentExportError, RetryableExportError

MAX_WORDS = 1024  # of the answer in our log, as in Prometheus
MAX_RETRY_AFTER = 3600.0  # seconds; a server that asks for more is not believed

_OUT_OF_ORDER = re.compile(r"out[ -]of[ -]order", re.IGNORECASE)
_WHOLE = (401, 403, 404, 405, 407, 415)  # nothing in the samples is to blame
_UNKNOWN = (502, 504)  # a proxy lost the answer of whoever is behind it
HINT = "start Prometheus with --web.enable-remote-write-receiver"


class OutOfOrderError(PermanentExportError):
    """A sample is older than one that the receiver has of the same series."""


def read_answer(
    status: int, body: str, *, retry_after: str, retry_429: bool, is_prometheus: bool, now: float
) -> ExportError | None:
    """The error that an answer stands for; None: all was taken.

    Args:
        status: of the answer.
        body: of the answer.
        retry_after: the header; empty for none.
        retry_429: whether a 429 is sent again.
        is_prometheus: the address is that of Prometheus' own receiver, which has to be switched on.
        now: wall clock, seconds, for a Retry-After that is a date.
    """
    if 200 <= status < 300:
        return None
    words = f"HTTP {status}: {' '.join(body.split())[:MAX_WORDS] or 'no message'}"
    if status >= 500 or status == 408 or (status == 429 and retry_429):
        seconds = parse_retry_after(retry_after, now)
        return RetryableExportError(words, retry_after=seconds, unknown_outcome=status in _UNKNOWN)
    if status == 404 and is_prometheus:
        return PermanentExportError(f"{words} ({HINT})", whole=True)
    if status == 400 and _OUT_OF_ORDER.search(body):
        return OutOfOrderError(words)
    return PermanentExportError(words, whole=status < 400 or status in _WHOLE)


def parse_retry_after(text: str, now: float) -> float | None:
    """Seconds of a ``Retry-After`` header, a number or a date; None if there is none, or nothing to wait for."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        seconds = float(text[:12])
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else None
