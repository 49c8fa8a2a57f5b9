"""What an answer of a remote write receiver means."""

import pytest

from alloytrio.errors import ExportError, PermanentExportError, RetryableExportError
from alloytrio.prometheus.answer import OutOfOrderError, parse_retry_after, read_answer

NOW = 1_767_225_600.0


def answer(status: int, body: str = "", retry_after: str = "", *, retry_429: bool = True) -> ExportError | None:
    """The meaning of an answer of Prometheus' own receiver."""
    return read_answer(status, body, retry_after=retry_after, retry_429=retry_429, is_prometheus=True, now=NOW)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_taken(status: int) -> None:
    """All 2xx mean that everything was stored."""
    assert answer(status) is None


@pytest.mark.parametrize(
    ("status", "unknown"), [(500, False), (502, True), (503, False), (504, True), (429, False), (408, False)]
)
def test_sent_again(status: int, unknown: bool) -> None:
    """Failures of the server and "too busy" are sent again; a proxy may have lost the answer of a success."""
    error = answer(status, "why\n", "7")
    assert isinstance(error, RetryableExportError)
    assert (error.retry_after, error.unknown_outcome, str(error)) == (7.0, unknown, f"HTTP {status}: why")


@pytest.mark.parametrize(
    ("status", "whole"),
    [(400, False), (422, False), (413, False), (301, True), (401, True), (403, True), (404, True), (405, True),
     (415, True), (429, False)],
)  # fmt: skip
def test_refused(status: int, whole: bool) -> None:
    """Other answers are final; cutting the batch is useless where nothing in it is to blame."""
    error = answer(status, retry_429=False)
    assert isinstance(error, PermanentExportError)
    assert error.whole is whole


def test_receiver_is_off() -> None:
    """A 404 of Prometheus' own address says which flag is missing."""
    assert "--web.enable-remote-write-receiver" in str(answer(404, "404 page not found"))
    other = read_answer(404, "", retry_after="", retry_429=True, is_prometheus=False, now=NOW)
    assert "--web" not in str(other)


@pytest.mark.parametrize(
    "body",
    ["out of order sample\n", "Out-of-order samples are not allowed", "err: out of order exemplar"],
)
def test_out_of_order(body: str) -> None:
    """Samples that the receiver has newer ones of are told apart from other bad ones."""
    assert isinstance(answer(400, body), OutOfOrderError)
    assert not isinstance(answer(400, "out of bounds"), OutOfOrderError)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", None), ("-1", None), ("", None), ("soon", None), ("9" * 5000, 3600.0), ("٣", None),
     ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0), ("Thu, 01 Jan 2020 00:00:00 GMT", None)],
)  # fmt: skip
def test_retry_after(text: str, seconds: float | None) -> None:
    """Seconds and dates are understood, nonsense is ignored."""
    assert parse_retry_after(text, NOW) == seconds


def test_words() -> None:
    """The error holds the receiver's words on one line, and not without end."""
    assert str(answer(400, "a\nb" + "x" * 9999)).startswith("HTTP 400: a bxxx")
    assert len(str(answer(400, "x" * 9999))) < 1100
    assert str(answer(400)) == "HTTP 400: no message"
