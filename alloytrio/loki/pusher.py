"""Sends one push request to one Loki, once. Whether and when it is sent again is decided by the outbox.

Errors: ``RetryableExportError``, ``PermanentExportError``; see ``push_answer`` for which and why.
"""

import time
from urllib.parse import urlsplit

import httpx  # noqa: ASYNC127 - the client that we build on
import trio

from alloytrio import __version__
from alloytrio.errors import ConfigError, ExportError, PermanentExportError, RetryableExportError
from alloytrio.http_body import RequestBody, read_at_most
from alloytrio.http_client import HttpClientConfig
from alloytrio.http_export import connection_error
from alloytrio.loki.push_answer import Stored, StreamsRefused, read_answer
from alloytrio.loki.write_metrics import NO_ANSWER, WriteMetrics

MAX_ANSWER_BYTES = 1 << 20  # Loki's longest answers name some hundred entries
_FIXED = ("user-agent", "content-type", "content-encoding", "content-length")


class Pusher:
    """One endpoint's requests.

    Args:
        url: where to push to.
        http: credentials.
        client: sends the requests; closed by ``close``.
        headers: added to each request; they cannot replace those that the protocol needs.
        timeout: seconds for one request.
        retry_429: whether a 429 is sent again.
        metrics: of the endpoint.
    """

    def __init__(
        self,
        url: str,
        http: HttpClientConfig,
        client: httpx.AsyncClient,
        *,
        headers: dict[str, str],
        timeout: float,
        retry_429: bool,
        metrics: WriteMetrics,
    ) -> None:
        self._url = url
        self._http = http
        self._client = client
        self._timeout = timeout
        self._retry_429 = retry_429
        self._metrics = metrics
        self._headers = {name: value for name, value in headers.items() if name.lower() not in _FIXED} | {
            "User-Agent": f"alloytrio/{__version__}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
        }

    async def push(self, tenant: str, body: bytes, entries: int) -> Stored | StreamsRefused:
        """Send one request.

        Args:
            tenant: empty for none.
            body: snappy block of a push request.
            entries: in it.

        Raises:
            RetryableExportError, PermanentExportError: it was not stored, or nobody knows.
        """
        metrics = self._metrics.tenant(tenant)
        metrics.size.observe(len(body))
        start = trio.current_time()
        status = NO_ANSWER
        try:
            response, text = await self._post(tenant, body)
            status = str(response.status_code)
        finally:
            metrics.duration(status).observe(trio.current_time() - start)
        answer = read_answer(
            response.status_code,
            text,
            retry_after=response.headers.get("retry-after", ""),
            entries=entries,
            retry_429=self._retry_429,
            now=time.time(),
        )
        if isinstance(answer, RetryableExportError):
            metrics.retries.inc()
        if isinstance(answer, ExportError):
            raise answer
        if isinstance(answer, Stored):
            metrics.sent_bytes.inc(len(body))
            metrics.sent_entries.inc(entries - sum(answer.ignored.values()))
            for reason, count in answer.ignored.items():
                self._metrics.dropped(tenant, reason, count)
        return answer

    async def _post(self, tenant: str, body: bytes) -> tuple[httpx.Response, str]:
        headers = dict(self._headers)
        if tenant:
            headers = {name: value for name, value in headers.items() if name.lower() != "x-scope-orgid"}
            headers["X-Scope-OrgID"] = tenant
        try:
            if authorization := self._http.authorization_header():
                headers["Authorization"] = authorization
        except ConfigError as exc:
            raise PermanentExportError(str(exc), whole=True) from exc
        try:
            with trio.fail_after(self._timeout), RequestBody(body) as content:
                headers |= content.headers
                async with self._client.stream("POST", self._url, content=content, headers=headers) as response:
                    data, _ = await read_at_most(response, MAX_ANSWER_BYTES)
                    return response, data.decode(errors="replace")
        except trio.TooSlowError as exc:
            raise self._failed(tenant, f"no answer within {self._timeout:g} s", unknown=True) from exc
        except httpx.TransportError as exc:
            unknown = not isinstance(exc, (httpx.ConnectError, httpx.UnsupportedProtocol))
            words = connection_error(exc, self._http.tls_config.client_config().names())
            raise self._failed(tenant, words, unknown=unknown) from exc

    def _failed(self, tenant: str, words: str, *, unknown: bool) -> RetryableExportError:
        self._metrics.tenant(tenant).retries.inc()
        return RetryableExportError(f"{host_of(self._url)}: {words}", unknown_outcome=unknown)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def host_of(url: str) -> str:
    """Host and port of a URL, as the metrics name an endpoint."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]
