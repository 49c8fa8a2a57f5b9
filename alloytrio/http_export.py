"""Sends batches by OTLP/HTTP: one POST per batch, the answer read within a bound, its status made an error.

In: an encoded body. Out: nothing, or the answer's body for who wants to look into it.
Errors: ``RetryableExportError`` for network errors and 429, 502, 503, 504; ``PermanentExportError`` for all others.
Source: retry rules of the OTLP specification. Loki's and Prometheus' senders have rules of their own and take from here
only the words for a connection that failed (``connection_error``).

An answer is never inflated and never read beyond ``MAX_ANSWER_BYTES``: a broken backend may send without end.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx  # noqa: ASYNC127 - the client that we build on

from alloytrio.errors import DecodeError, ExportError, PermanentExportError, RetryableExportError
from alloytrio.grpc.client import describe
from alloytrio.http_body import RequestBody, read_at_most
from alloytrio.http_client import open_client
from alloytrio.tls import TlsNames
from alloytrio.wire.status import status_message

MAX_ANSWER_BYTES = 64 * 1024  # what the collector reads of an answer
IDLE_TIMEOUT = 90.0  # seconds until an unused connection is closed; Go's default, which the collector keeps
MAX_WORDS = 1024  # of a backend's answer in our errors
RETRYABLE = frozenset({429, 502, 503, 504})
_WITH_RETRY_AFTER = frozenset({429, 503})
# Refusals that have nothing to do with what is in the batch: halving it would only ask twice.
_WHOLE = frozenset({401, 403, 404, 405, 407, 415, 501})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a backend answered.

    Args:
        status: of HTTP.
        headers: of the answer.
        body: at most ``MAX_ANSWER_BYTES`` of it, as sent.
        complete: the body ended within that.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool

    @property
    def media_type(self) -> str:
        """Without parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpBackend:
    """One backend. It has no deadlines: callers set them. Redirects are answers, not followed.

    Args:
        connections: open at the same time at most.
        tls: gives the current context for new connections; None: the URLs are plaintext.
        tls_names: what decides about a handshake, for the message when it fails.
        server_name: what the server's certificate must say, if not the URL's host.
        retryable: statuses after which the same batch is sent again.
    """

    def __init__(
        self,
        *,
        connections: int,
        tls: Callable[[], ssl.SSLContext] | None = None,
        tls_names: TlsNames | None = None,
        server_name: str = "",
        retryable: Callable[[int], bool] = RETRYABLE.__contains__,
    ) -> None:
        self._connections = connections
        self._tls = tls
        self._tls_names = tls_names
        self._extensions = {"sni_hostname": server_name} if server_name else {}
        self._retryable = retryable
        self._context: ssl.SSLContext | None = None
        self._client: httpx.AsyncClient | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Send one body.

        Returns:
            The answer, with a status of 2xx.

        Raises:
            RetryableExportError, PermanentExportError: see the module's docstring.
        """
        try:
            with RequestBody(body) as content:
                async with self._current().stream(
                    "POST",
                    url,
                    content=content,
                    headers={**headers, **content.headers},
                    extensions=self._extensions,
                ) as response:
                    body, left = await read_at_most(response, MAX_ANSWER_BYTES)
                    answer = HttpAnswer(response.status_code, response.headers, body, not left)
        except httpx.HTTPError as exc:
            unsent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            raise RetryableExportError(connection_error(exc, self._tls_names), unknown_outcome=not unsent) from exc
        if 200 <= answer.status < 300:
            return answer
        raise self.export_error(answer, datetime.now(UTC))

    def export_error(self, answer: HttpAnswer, now: datetime) -> ExportError:
        """What an answer other than 2xx means for the batch: again, never, or in smaller parts."""
        text = f"HTTP {answer.status}: {words(answer)}"
        if self._retryable(answer.status):
            wait = retry_after(answer, now)
            return RetryableExportError(text, retry_after=wait, unknown_outcome=answer.status in (502, 504))
        return PermanentExportError(text, whole=answer.status in _WHOLE or answer.status < 400)

    async def close(self) -> None:
        """Let go of all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _current(self) -> httpx.AsyncClient:
        """The client for the current certificates. One whose certificates are old ends with its last request."""
        context = self._tls() if self._tls is not None else None
        if self._client is None or context is not self._context:
            self._context = context
            self._client = open_client(context, self._connections, idle=IDLE_TIMEOUT)
        return self._client


def connection_error(error: httpx.HTTPError, names: TlsNames | None) -> str:
    """Why there was no answer, in words. ``names``: what decided about TLS, if the URL is one with TLS."""
    return describe(_origin(error), names if error.request.url.scheme == "https" else None)


def _origin(error: BaseException) -> BaseException:
    """The error that httpx' and httpcore's stand for; httpcore keeps it as a context only."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


def words(answer: HttpAnswer) -> str:
    """The backend's own words, on one line."""
    text = answer.body.decode("utf-8", "replace")
    if answer.media_type == "application/x-protobuf":
        try:
            text = status_message(answer.body)
        except DecodeError:
            text = "an answer that is no google.rpc.Status"
    return _CONTROL.sub(" ", text).strip()[:MAX_WORDS] or "no message"


def retry_after(answer: HttpAnswer, now: datetime) -> float | None:
    """Seconds that a backend asked us to wait with 429 or 503, as seconds or as a date; None if it did not."""
    value = answer.headers.get("retry-after", "").strip()
    if answer.status not in _WITH_RETRY_AFTER or not value:
        return None
    if value.isdecimal() and value.isascii() and len(value) < 10:
        return float(value) or None
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - now).total_seconds()) or None
