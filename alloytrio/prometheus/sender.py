"""Sends remote write requests to one endpoint. When a batch is sent again is decided by the outbox.

A batch whose earlier attempt may have been stored is not simply sent again: Prometheus would refuse it as out of order
as soon as it holds two samples of one series, and roll back the rest. It is cut into runs that hold one sample per
series each and sent run by run, in order. What was stored before is the beginning of the batch, so a run is either
stored already as a whole (then Prometheus takes it again, or says "out of order"), or it is taken now.

"Out of order" may also be the fault of one series that somebody else writes to, while the rest of the run was never
stored. So a few series of the run that go on in the next one are sent alone: if the run was stored, their next samples
were too, or the run would have been taken, and each is refused. If one is not, the run is cut until the series at fault
stand alone.

Errors: ``RetryableExportError``, ``PermanentExportError``; see ``answer.py`` for which and why.
Source: remote write 1.0; Prometheus ``storage/remote/client.go``.
"""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx  # noqa: ASYNC127 - the client that we build on
import snappy
import trio

from alloytrio import __version__
from alloytrio.errors import ConfigError, ExportError, PermanentExportError, RetryableExportError
from alloytrio.http_body import RequestBody, read_at_most
from alloytrio.http_client import HttpClientConfig
from alloytrio.http_export import connection_error
from alloytrio.outbox import Batch, decode_body
from alloytrio.prometheus.answer import OutOfOrderError, read_answer
from alloytrio.prometheus.write_metrics import WriteMetrics
from alloytrio.samples import SERIES
from alloytrio.wire.remote_write import halve_write_request, recurring, split_runs

MAX_ANSWER_BYTES = 65_536
PROBES = 3  # series that tell whether a run was stored; that many at fault at once is not expected
_FIXED = ("user-agent", "content-type", "content-encoding", "x-prometheus-remote-write-version")


class Sender:
    """One endpoint's requests.

    Args:
        url: where to write to.
        http: credentials.
        open_client: makes the client that sends the requests.
        headers: added to each request; they cannot replace those that the protocol needs.
        timeout: seconds for one request.
        retry_429: whether a 429 is sent again; if not, its samples are given up.
        metrics: of the endpoint.
    """

    def __init__(
        self,
        url: str,
        http: HttpClientConfig,
        open_client: Callable[[], httpx.AsyncClient],
        *,
        headers: dict[str, str],
        timeout: float,
        retry_429: bool,
        metrics: WriteMetrics,
    ) -> None:
        self._url = url
        self._http = http
        self._open_client = open_client
        self._client: httpx.AsyncClient | None = None
        self._timeout = timeout
        self._retry_429 = retry_429
        self._metrics = metrics
        self._is_prometheus = urlsplit(url).path.rstrip("/") == "/api/v1/write"
        self._headers = {name: value for name, value in headers.items() if name.lower() not in _FIXED} | {
            "User-Agent": f"alloytrio/{__version__}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }

    def open(self) -> None:
        """Before the first ``deliver``, again after ``close``.

        Raises:
            ConfigError: a file or text for TLS cannot be used.
        """
        self._client = self._open_client()

    async def deliver(self, batch: Batch) -> None:
        """Send a batch.

        Raises:
            RetryableExportError, PermanentExportError: not all of it was stored, or nobody knows.
        """
        if not batch.encoding.startswith(SERIES) or not batch.unknown_outcome:
            await self._send(batch.encoding, batch.items, batch.body, batch.attempt)
            return
        runs = split_runs(decode_body(batch.encoding, batch.body))
        for number, (items, run) in enumerate(runs):
            try:
                await self._send_run(batch, items, run)
            except OutOfOrderError:
                following = runs[number + 1][1] if number + 1 < len(runs) else b""
                if await self._was_stored(batch, run, following):
                    self._metrics.redelivered.inc(items)
                else:
                    await self._send_parts(batch, run)

    async def _send_run(self, batch: Batch, items: int, run: bytes) -> None:
        await self._send(batch.encoding, items, bytes(snappy.compress(run)), batch.attempt)

    async def _was_stored(self, batch: Batch, run: bytes, following: bytes) -> bool:
        """Whether a run that was refused as out of order is stored, judged by some of its series."""
        samples = recurring(run, following, PROBES)
        for sample in samples:
            try:
                await self._send_run(batch, 1, sample)
            except OutOfOrderError:
                continue
            return False
        return bool(samples)

    async def _send_parts(self, batch: Batch, run: bytes) -> None:
        """Deliver what can be of a run in which something is out of order; the rest counts as failed."""
        halves = halve_write_request(run)
        if len(halves) == 1:
            self._metrics.failed(batch.encoding, halves[0][0])
            return
        for items, half in halves:
            try:
                await self._send_run(batch, items, half)
            except OutOfOrderError:
                await self._send_parts(batch, half)

    async def _send(self, encoding: str, items: int, body: bytes, attempt: int) -> None:
        self._metrics.attempted(encoding, items, body)
        start = trio.current_time()
        try:
            error = await self._post(body, attempt)
        finally:
            self._metrics.duration.observe(trio.current_time() - start)
        if error is None:
            return
        if isinstance(error, RetryableExportError):
            self._metrics.retried(encoding, items)
        elif isinstance(error, PermanentExportError) and str(error).startswith("HTTP 429"):
            self._metrics.failed(encoding, items)  # asked for by retry_on_http_429 = false
            return
        raise error

    async def _post(self, body: bytes, attempt: int) -> ExportError | None:
        assert self._client is not None
        headers = dict(self._headers)
        if attempt > 1:
            headers["Retry-Attempt"] = str(attempt - 1)
        try:
            if authorization := self._http.authorization_header():
                headers["Authorization"] = authorization
        except ConfigError as exc:
            return PermanentExportError(str(exc), whole=True)
        try:
            with trio.fail_after(self._timeout), RequestBody(body) as content:
                headers |= content.headers
                async with self._client.stream("POST", self._url, content=content, headers=headers) as response:
                    data, _ = await read_at_most(response, MAX_ANSWER_BYTES)
        except trio.TooSlowError:
            return RetryableExportError(f"no answer within {self._timeout:g} s", unknown_outcome=True)
        except httpx.TransportError as exc:
            unknown = not isinstance(exc, (httpx.ConnectError, httpx.UnsupportedProtocol))
            words = connection_error(exc, self._http.tls_config.client_config().names())
            return RetryableExportError(words, unknown_outcome=unknown)
        return read_answer(
            response.status_code,
            data.decode(errors="replace"),
            retry_after=response.headers.get("retry-after", ""),
            retry_429=self._retry_429,
            is_prometheus=self._is_prometheus,
            now=time.time(),
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
