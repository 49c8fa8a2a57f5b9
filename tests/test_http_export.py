"""Posting to an HTTP backend: what each answer means, and that no answer takes more than its bound."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
import trustme
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from alloytrio.errors import DecodeError, PermanentExportError, RetryableExportError
from alloytrio.grpc.client import describe
from alloytrio.http_export import MAX_ANSWER_BYTES, HttpAnswer, HttpBackend, retry_after, words
from alloytrio.tls import TlsClientConfig, TlsNames, client_context
from alloytrio.urls import base_url, check_url, origin
from alloytrio.wire.status import partial_success, status_message
from tests.http_backend import Answer
from tests.http_backend import HttpBackend as Server

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answer(status: int, body: bytes = b"", **headers: str) -> HttpAnswer:
    """An answer; header names with underscores."""
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, True)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retryable(status: int) -> None:
    """These four statuses, and the specification names no other, are tried again."""
    assert isinstance(HttpBackend(connections=1).export_error(answer(status), NOW), RetryableExportError)


@pytest.mark.parametrize(
    ("status", "whole"), [(400, False), (413, False), (500, False), (401, True), (403, True), (404, True), (301, True)]
)
def test_permanent(status: int, whole: bool) -> None:
    """All others are not; those that have nothing to do with the batch are not answered by cutting it."""
    error = HttpBackend(connections=1).export_error(answer(status), NOW)
    assert isinstance(error, PermanentExportError)
    assert error.whole is whole


@pytest.mark.parametrize(
    ("status", "value", "wait"),
    [(429, "7", 7.0), (503, "Thu, 01 Jan 2026 00:01:00 GMT", 60.0), (502, "7", None), (429, "soon", None),
     (429, "0", None), (503, "Thu, 01 Jan 2020 00:00:00 GMT", None), (429, "9" * 5000, None), (429, "-1", None)],
)  # fmt: skip
def test_retry_after(status: int, value: str, wait: float | None) -> None:
    """Seconds and dates are understood, with 429 and 503 only; nonsense is ignored."""
    assert retry_after(answer(status, retry_after=value), NOW) == wait


def test_words() -> None:
    """An error holds the backend's words on one line, from a Status or a text, and not without end."""
    status = Status(code=3, message="bad ids").SerializeToString()
    assert words(answer(400, status, content_type="application/x-protobuf")) == "bad ids"
    assert words(answer(400, b"\xff\xff", content_type="application/x-protobuf")).startswith("an answer that is no")
    assert words(answer(400, b"a\r\nb\x1b[31m\n")) == "a b [31m"
    assert len(words(answer(400, b"x" * 9999))) == 1024


def test_small_messages() -> None:
    """Answers are read as protobuf itself writes them, and refused where they are cut."""
    response = ExportTraceServiceResponse()
    assert partial_success(response.SerializeToString()) == (0, "")
    response.partial_success.rejected_spans, response.partial_success.error_message = 5, "late"
    encoded = response.SerializeToString()
    assert partial_success(encoded) == (5, "late")
    with pytest.raises(DecodeError):
        partial_success(encoded[:-1])
    with pytest.raises(DecodeError):
        status_message(b"\x12\x05ab")


@pytest.mark.parametrize(
    "url", ["tempo:4318", "ftp://x", "http://", "http://u:secret@x", "http://x:99999", "http://x/a b"]
)
def test_bad_urls(url: str) -> None:
    """What is no URL is refused without being repeated: it may hold a password."""
    with pytest.raises(ValueError, match="URL") as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def test_urls() -> None:
    """Paths are appended with one slash; the origin always has a port."""
    assert base_url(check_url("http://x:1/otlp/")) == "http://x:1/otlp"
    assert [origin(each) for each in ("http://x/otlp", "https://x", "http://[::1]:9")] == [
        "http://x:80", "https://x:443", "http://[::1]:9",
    ]  # fmt: skip


async def test_endless_answer() -> None:
    """A backend that never stops answering is read up to the bound, and then let go of."""
    with Server(Answer(endless=True), Answer(500, endless=True)) as server, trio.fail_after(20):
        backend = HttpBackend(connections=1)
        taken = await backend.post(server.url, b"x", {})
        assert (len(taken.body), taken.complete) == (MAX_ANSWER_BYTES, False)
        with pytest.raises(PermanentExportError):
            await backend.post(server.url, b"x", {})
        await backend.close()


async def test_nobody_there() -> None:
    """A refused connection is retryable, and certainly nothing was stored."""
    with Server() as server:
        url = server.url
    backend = HttpBackend(connections=1)
    with pytest.raises(RetryableExportError) as caught:
        await backend.post(url, b"x", {})
    assert not caught.value.unknown_outcome
    await backend.close()


def alert(name: str) -> ssl.SSLError:
    """The error for an alert that came in."""
    error = ssl.SSLError(1, "alert")
    error.reason = name
    return error


NAMES = TlsNames("ca_file ca.pem", "cert_file me.pem")


@pytest.mark.parametrize(
    ("error", "names", "words"),
    [
        (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), NAMES,
         "the server does not accept our certificate: certificate required (shown: cert_file me.pem)"),
        (alert("TLSV1_ALERT_UNKNOWN_CA"), NAMES,
         "the server does not accept our certificate: unknown ca (shown: cert_file me.pem)"),
        (alert("TLSV1_ALERT_PROTOCOL_VERSION"), NAMES, "TLS: TLSV1_ALERT_PROTOCOL_VERSION"),
        (alert("WRONG_VERSION_NUMBER"), NAMES, "TLS: WRONG_VERSION_NUMBER"),
        (ConnectionResetError(104, "Connection reset by peer"), NAMES,
         "connection reset by peer; perhaps the server wants another client certificate (shown: cert_file me.pem)"),
        (ConnectionResetError(104, "Connection reset by peer"), None, "connection reset by peer"),
        (trio.BrokenResourceError(), None, "the connection broke"),
        (ConnectionRefusedError(111, "Connection refused"), NAMES, "connection refused"),
    ],
)  # fmt: skip
def test_what_broke_a_connection(error: Exception, names: TlsNames | None, words: str) -> None:
    """A server that refuses our certificate is named as such, with the file; a lost one says that it may be so."""
    assert describe(error, names) == words


async def test_tls_errors_name_the_cause(tmp_path: Path) -> None:
    """A server that another authority signed is not talked to; the error says so, and whom we trust."""
    authority, other = trustme.CA(), trustme.CA()
    ca = tmp_path / "ca.pem"
    other.cert_pem.write_to_path(ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    config = TlsClientConfig(ca_file=str(ca))
    with Server(tls=context) as server:
        backend = HttpBackend(connections=1, tls=client_context(config, alpn=["http/1.1"]), tls_names=config.names())
        with pytest.raises(RetryableExportError) as caught:
            await backend.post(server.url, b"x", {})
        await backend.close()
    assert "certificate" in str(caught.value)
    assert str(ca) in str(caught.value)
    assert server.received == []
