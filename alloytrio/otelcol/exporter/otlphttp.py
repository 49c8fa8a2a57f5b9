"""otelcol.exporter.otlphttp: sends OpenTelemetry data to an OTLP/HTTP backend.

In: OpenTelemetry data of any signal.
Out: one POST per batch, its body the joined requests, compressed as one; as protobuf, or made JSON when it is sent.
Errors: retryable ones are retried until delivered (unless ``retry_on_failure`` says otherwise); what the backend
refuses for good is cut down to the bad items, which are set aside with the backend's words. An answer of 2xx that
cannot be read is noted, not retried: the backend has the data.
Source: the collector's OTLP/HTTP exporter as Alloy configures it; status table of the OTLP specification.
"""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import orjson
import trio
from pydantic import BaseModel, ConfigDict, Field, field_validator

from alloytrio import __version__
from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.errors import DecodeError, PermanentExportError
from alloytrio.http_export import HttpAnswer, HttpBackend
from alloytrio.otlp import OtlpRoute
from alloytrio.otlp_export import (
    ExportSettings,
    OtlpOutbox,
    QueueConfig,
    RetryConfig,
    authenticator,
    report_files,
    warn_of_plaintext,
)
from alloytrio.otlp_metrics import OtlpExportMetrics
from alloytrio.outbox import Batch, BatchPolicy, Outbox, decode_body, encode_body
from alloytrio.tls import TlsClientConfig, client_context
from alloytrio.urls import base_url, check_url, origin
from alloytrio.values import AuthEdge, Duration, Headers, Kind
from alloytrio.wire.otlp_to_json import decode_request
from alloytrio.wire.status import partial_success

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MEDIA_TYPES = {"proto": PROTOBUF, "json": JSON}
_CONTENT_ENCODINGS = frozenset({"gzip", "zlib", "deflate", "zstd", "snappy"})
_REJECTED = {"traces": "rejectedSpans", "metrics": "rejectedDataPoints", "logs": "rejectedLogRecords"}


class OtlpHttpClientConfig(BaseModel):
    """Where and how to connect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = Field(description="base URL; /v1/traces, /v1/metrics and /v1/logs are appended")
    timeout: Duration = Field(default=30, ge=0, description="of one attempt; 0s = none")
    compression: Literal["gzip", "zlib", "deflate", "zstd", "snappy", "none", ""] = Field(
        default="gzip", description="of the requests"
    )
    headers: Headers = Field(default={}, description="sent with each request")
    auth: AuthEdge | None = Field(default=None, description="credentials sent with each request")
    tls: TlsClientConfig = Field(default=TlsClientConfig(), description="for https URLs")

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, url: str) -> str:
        return check_url(url)


class OtlpHttpExporterConfig(ComponentConfig):
    """``[otelcol.exporter.otlphttp.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.exporter.otlphttp"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}

    client: OtlpHttpClientConfig = Field(description="the backend")
    traces_endpoint: str = Field(default="", description="URL of the traces, used as it is; empty = from endpoint")
    metrics_endpoint: str = Field(default="", description="URL of the metrics, used as it is; empty = from endpoint")
    logs_endpoint: str = Field(default="", description="URL of the log records, used as it is; empty = from endpoint")
    encoding: Literal["proto", "json"] = Field(
        default="proto", description="of the requests; json is larger and costs much more CPU"
    )
    retry_on_failure: RetryConfig | None = Field(default=None, description="no table = retry until delivered")
    sending_queue: QueueConfig = Field(default=QueueConfig(), description="the outbox")

    @field_validator("traces_endpoint", "metrics_endpoint", "logs_endpoint")
    @classmethod
    def _is_url(cls, url: str) -> str:
        return check_url(url) if url else url

    def urls(self) -> dict[str, str]:
        """Where the requests of each signal go."""
        own = {"traces": self.traces_endpoint, "metrics": self.metrics_endpoint, "logs": self.logs_endpoint}
        return {name: url or f"{base_url(self.client.endpoint)}/v1/{name}" for name, url in own.items()}

    def build(self, context: BuildContext) -> "OtlpHttpExporter":
        """The exporter with its outbox, not yet connected."""
        return OtlpHttpExporter(self, context)


class OtlpHttpExporter:
    """One backend, one outbox."""

    def __init__(self, config: OtlpHttpExporterConfig, context: BuildContext) -> None:
        client = config.client
        self._endpoint = client.endpoint
        self._stop = context.stop
        self._metrics = OtlpExportMetrics(context.telemetry, "otlp_http", origin(client.endpoint))
        self._urls = config.urls()
        for host in sorted({urlsplit(url).hostname or "" for url in self._urls.values() if url.startswith("http:")}):
            warn_of_plaintext(context.telemetry, host)
        self._encoding = config.encoding
        self._headers = request_headers(client, MEDIA_TYPES[config.encoding])
        self._auth = authenticator(client.auth, context)
        secure = any(url.startswith("https:") for url in self._urls.values())
        tls = client.tls.model_copy(update={"insecure": False})  # the URL's scheme decides here
        report = partial(report_files, context.telemetry)
        self._backend = HttpBackend(
            connections=config.sending_queue.num_consumers,
            tls=client_context(tls, alpn=["http/1.1"], on_error=report) if secure else None,
            tls_names=client.tls.names(),
            server_name=client.tls.server_name,
        )
        codec = client.compression if client.compression in _CONTENT_ENCODINGS else "identity"
        settings = ExportSettings(config.sending_queue, config.retry_on_failure, codec, client.timeout)
        self._export = OtlpOutbox(settings, context, self._metrics, self._deliver)

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """One route into the outbox."""
        return self._export.routes(signal, policy)

    def backends(self) -> Mapping[str, Outbox]:
        """The outbox, for the page."""
        return {self._endpoint: self._export.outbox}

    async def run(  # noqa: ASYNC128 - the outbox tells
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Deliver what is in the outbox until stopped; what is left then stays in the journal."""
        await self._export.outbox.run(stop=self._stop, task_status=task_status)
        await self._backend.close()

    async def _deliver(self, batch: Batch) -> None:
        """Send one batch.

        Raises:
            RetryableExportError, PermanentExportError: see ``HttpBackend``, and ``json_body``.
        """
        signal, _, codec = batch.encoding.partition("/")
        headers = self._headers if self._auth is None else self._headers | dict([self._auth.header()])
        if codec in _CONTENT_ENCODINGS:
            headers = headers | {"content-encoding": codec}
        body = batch.body if self._encoding == "proto" else await trio.to_thread.run_sync(json_body, batch)
        answer = await self._backend.post(self._urls[signal], body, headers)
        self._metrics.note_answer(signal, partial(read_partial_success, signal, answer))


def json_body(batch: Batch) -> bytes:
    """A batch as JSON, compressed as it was.

    Raises:
        PermanentExportError: something in it has no JSON form: it is nested too deeply.
    """
    try:
        text = decode_request(batch.encoding.partition("/")[0], decode_body(batch.encoding, batch.body))
    except DecodeError as exc:
        raise PermanentExportError(f"cannot be made JSON: {exc}") from exc
    return encode_body(batch.encoding, text)


def request_headers(client: OtlpHttpClientConfig, media_type: str = PROTOBUF) -> dict[str, str]:
    """What each request carries; the user's headers win."""
    own = {name.lower(): value.get_secret_value() for name, value in client.headers.items()}
    return {"content-type": media_type, "user-agent": f"alloytrio/{__version__}", **own}


def read_partial_success(signal: str, answer: HttpAnswer) -> tuple[int, str]:
    """The rejected items and the message of a 2xx answer; (0, "") if all was taken, or it is no OTLP answer.

    Raises:
        DecodeError: the answer is not what its media type says.
    """
    if answer.media_type not in (PROTOBUF, JSON):
        return 0, ""
    if not answer.complete:
        raise DecodeError("the answer is too long")
    if answer.media_type == PROTOBUF:
        return partial_success(answer.body)
    try:
        partial = orjson.loads(answer.body or b"{}").get("partialSuccess") or {}
        return int(partial.get(_REJECTED[signal], 0)), str(partial.get("errorMessage", ""))
    except (ValueError, AttributeError, TypeError) as exc:
        raise DecodeError("the answer is no OTLP JSON") from exc
