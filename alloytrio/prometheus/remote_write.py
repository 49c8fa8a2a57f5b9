"""prometheus.remote_write: delivers samples to Prometheus and whoever takes its remote write protocol.

In: encoded series from ``otelcol.exporter.prometheus``.
Out: remote write 1.0 requests (protobuf, one snappy block) to each endpoint, each of which has its own outbox.
Errors: 5xx, 429, timeouts and resets are retried until delivered, up to an age; a 400 is cut down to the bad samples,
which are set aside; what was stored by an attempt whose answer got lost is recognised, see ``sender.py``.
Source: Alloy's component of this name, Prometheus' remote storage. On purpose different: the queue is on disk and
goes on where it was after a restart; the number of shards is fixed, so the order within a series always holds; type,
help and unit are sent. Remote write 2.0 is not spoken: its requests cannot be joined.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit, urlunsplit

import httpx  # noqa: ASYNC127 - the client that we build on
import trio
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from alloytrio.component import BuildContext, ComponentConfig
from alloytrio.http_client import HttpClientConfig, open_http
from alloytrio.outbox import BatchPolicy, DeliveryHealth, Outbox, RetryPolicy
from alloytrio.prometheus.sender import Sender
from alloytrio.prometheus.write_metrics import WriteMetrics
from alloytrio.relabel import LABEL_NAME, RelabelRule
from alloytrio.samples import SampleTarget, SampleView
from alloytrio.urls import check_url
from alloytrio.values import Duration, Headers, Kind
from alloytrio.wire.remote_write import halve_write_request

MAX_BATCH_BYTES = 16 << 20  # Prometheus takes 32 MiB

OpenClient = Callable[[HttpClientConfig, str, int], httpx.AsyncClient]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QueueConfig(_Table):
    """``queue_config``"""

    capacity: int = Field(10_000, gt=0, description="Without effect: the queue is on disk, [storage] bounds it.")
    min_shards: int = Field(1, gt=0, le=64, description="Series are spread over so many requests at the same time.")
    max_shards: int = Field(50, gt=0, description="Without effect: the number of shards is min_shards, always.")
    max_samples_per_send: int = Field(
        10_000, gt=0, description="Samples of one request. (Alloy: 2000; a request costs as much as 500 samples.)"
    )
    batch_send_deadline: Duration = Field(
        5.0, ge=0, description="Longest wait of a sample; not set: the timeout of the batch processor before, if any."
    )
    min_backoff: Duration = Field(0.03, gt=0, description="First wait after a failure.")
    max_backoff: Duration = Field(5.0, gt=0, description="Longest wait after failures.")
    retry_on_http_429: bool = Field(default=True, description="Send again what the endpoint is too busy for.")
    sample_age_limit: Duration = Field(
        0.0, ge=0, description="Give up samples that waited longer; 0s: wal.max_keepalive_time."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_backoff > self.max_backoff:
            raise ValueError("min_backoff is above max_backoff")
        if self.min_shards > self.max_shards:
            raise ValueError("min_shards is above max_shards")
        return self


class MetadataConfig(_Table):
    """``metadata_config``"""

    send: bool = Field(default=True, description="Send type, help and unit of each metric.")
    send_interval: Duration = Field(60.0, gt=0, description="How often.")
    max_samples_per_send: int = Field(2000, gt=0, description="Metrics of one request.")


class WalConfig(_Table):
    """``wal``"""

    max_keepalive_time: Duration = Field(28_800.0, gt=0, description="Samples that waited longer are given up.")


class EndpointConfig(HttpClientConfig):
    """``[[prometheus.remote_write.LABEL.endpoint]]``"""

    url: str = Field(description="Where to write to, path included: http://prometheus:9090/api/v1/write")
    name: str = Field("", description="Tells several endpoints apart, also in the data directory; empty = its number.")
    remote_timeout: Duration = Field(30.0, gt=0, description="How long one request may take.")
    headers: Headers = Field({}, description="Added to each request.")
    protobuf_message: Literal["prometheus.WriteRequest"] = Field(
        "prometheus.WriteRequest", description="Remote write 1.0. (2.0, io.prometheus.write.v2.Request, is not spoken.)"
    )
    send_exemplars: bool = Field(default=True, description="Send exemplars.")
    send_native_histograms: bool = Field(default=False, description="Send exponential histograms, as native ones.")
    queue_config: QueueConfig = Field(QueueConfig(), description="The outbox.")
    metadata_config: MetadataConfig = Field(MetadataConfig(), description="Type, help and unit.")
    write_relabel_config: tuple[RelabelRule, ...] = Field((), description="Rules for each series before it is sent.")

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        return check_url(url)

    def view(self, external_labels: Mapping[str, str]) -> SampleView:
        """How the endpoint wants its samples."""
        return SampleView(
            external_labels=tuple(sorted(external_labels.items())),
            rules=self.write_relabel_config,
            exemplars=self.send_exemplars,
            native_histograms=self.send_native_histograms,
            shards=self.queue_config.min_shards,
            max_samples=self.queue_config.max_samples_per_send,
        )

    def policy(self, upstream: BatchPolicy | None) -> BatchPolicy:
        """How the endpoint's batches are cut: its own size; of a batch processor before it only the timeout.

        What came in one request of a sender is cut only if it is above the size alone: it is compressed when it is
        accepted, and to fill batches up its series would have to be walked over again. So with 5 250 samples per
        request a batch has 5 250, not 10 000. Batches of two such requests took at most 5 % less CPU.
        """
        queue = self.queue_config
        timeout = queue.batch_send_deadline
        if upstream is not None and "batch_send_deadline" not in queue.model_fields_set:
            timeout = upstream.timeout
        size = queue.max_samples_per_send
        return BatchPolicy(upstream.name if upstream is not None else "", timeout, size, size)


class RemoteWriteConfig(ComponentConfig):
    """``[prometheus.remote_write.LABEL]``"""

    component_type: ClassVar[str] = "prometheus.remote_write"
    exports: ClassVar[Mapping[str, Kind]] = {"receiver": Kind.SAMPLES}

    endpoint: tuple[EndpointConfig, ...] = Field(min_length=1, description="Where to deliver to.")
    external_labels: dict[str, str] = Field({}, description="Added to series that have no such label.")
    wal: WalConfig = Field(WalConfig(), description="How long samples are kept.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [endpoint.name or str(number) for number, endpoint in enumerate(self.endpoint)]
        if len(set(names)) != len(names):
            raise ValueError("two endpoints have the same name")
        for name in self.external_labels:
            if not LABEL_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a label name")
        return self

    def max_age(self, endpoint: EndpointConfig, storage_max_age: float) -> float:
        """Seconds after which waiting samples are given up: the smallest limit that is set."""
        limits = (endpoint.queue_config.sample_age_limit, self.wal.max_keepalive_time, storage_max_age)
        return min(limit for limit in limits if limit)

    def build(self, context: BuildContext) -> "RemoteWrite":
        """The component with its outboxes, not yet running."""
        return RemoteWrite(self, context)


class RemoteWrite:
    """Some endpoints, each with its outbox.

    Args:
        config: as the user wrote it.
        context: of the component.
        open_client: makes the HTTP client for an endpoint.
    """

    def __init__(self, config: RemoteWriteConfig, context: BuildContext, open_client: OpenClient = open_http) -> None:
        self._stop = context.stop
        health = DeliveryHealth(context.telemetry.health)
        self._endpoints = [
            Endpoint(config, number, context, health, open_client) for number in range(len(config.endpoint))
        ]

    @property
    def outboxes(self) -> list[Outbox]:
        """Of all endpoints."""
        return [endpoint.outbox for endpoint in self._endpoints]

    def backends(self) -> Mapping[str, Outbox]:
        """The outboxes by host of the endpoint."""
        found: dict[str, Outbox] = {}
        for endpoint in self._endpoints:
            name = endpoint.host if endpoint.host not in found else f"{endpoint.host} ({endpoint.outbox.settings.name})"
            found[name] = endpoint.outbox
        return found

    def sample_targets(self, policy: BatchPolicy | None) -> list[SampleTarget]:
        """One per endpoint."""
        return [endpoint.target(policy) for endpoint in self._endpoints]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until stopped; what is left then stays in the journals."""
        async with trio.open_nursery() as endpoints:
            for endpoint in self._endpoints:
                await endpoints.start(endpoint.run, self._stop)
            task_status.started()


class Endpoint:
    """One receiver of samples, its outbox, and how it is sent to."""

    def __init__(
        self,
        config: RemoteWriteConfig,
        number: int,
        context: BuildContext,
        health: DeliveryHealth,
        open_client: OpenClient,
    ) -> None:
        endpoint = config.endpoint[number]
        queue = endpoint.queue_config
        name = endpoint.name or (str(number) if number else "")
        self._key = f"{context.component_id}/{name}" if name else context.component_id
        self._config = endpoint
        self.host = urlsplit(endpoint.url).netloc.rpartition("@")[2]
        self._view = endpoint.view(config.external_labels)
        self._tap = context.telemetry.tap
        self._metrics = WriteMetrics(context.telemetry, endpoint.name or _digest(endpoint.url), _shown(endpoint.url))
        self._sender = Sender(
            endpoint.url,
            endpoint,
            lambda: open_client(endpoint, endpoint.url, queue.min_shards + 1),
            headers={name: value.get_secret_value() for name, value in endpoint.headers.items()},
            timeout=endpoint.remote_timeout,
            retry_429=queue.retry_on_http_429,
            metrics=self._metrics,
        )
        self.outbox = Outbox(
            replace(
                context.outbox,
                name=self._key,
                max_age=config.max_age(endpoint, context.outbox.max_age),
                batch_max_bytes=MAX_BATCH_BYTES,
                senders=queue.min_shards + 1,  # and one for metadata
                in_order=True,
                attempt_timeout=0.0,  # each request has its own
                retry=RetryPolicy(initial_interval=queue.min_backoff, multiplier=2.0, max_interval=queue.max_backoff),
            ),
            store=context.storage.open(self._key),
            deliver=self._sender.deliver,
            split=lambda encoding, payload: halve_write_request(payload),
            telemetry=context.telemetry,
            observer=self._metrics,
            health=health,
        )
        self._metrics.watch(self.outbox, queue.min_shards, queue.max_samples_per_send)

    def target(self, policy: BatchPolicy | None) -> SampleTarget:
        """The way into the outbox for what comes under a batch processor's policy."""
        metadata = self._config.metadata_config
        lane = self.outbox.lane(self._config.policy(policy))
        return SampleTarget(
            key=f"{self._key} {lane.policy.name}",
            view=self._view,
            lane=lane,
            observer=self._metrics,
            tap=self._tap,
            metadata_interval=metadata.send_interval if metadata.send else 0.0,
            max_metadata=min(metadata.max_samples_per_send, self._config.queue_config.max_samples_per_send),
        )

    async def run(  # noqa: ASYNC128 - the outbox tells
        self, stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Deliver until stopped."""
        self._sender.open()
        try:
            await self.outbox.run(stop=stop, task_status=task_status)
        finally:
            with trio.move_on_after(1, shield=True):
                await self._sender.close()


def _digest(url: str) -> str:
    """A short name for an endpoint that has none."""
    return hashlib.sha256(url.encode()).hexdigest()[:6]


def _shown(url: str) -> str:
    """The URL for a metric's label: without its query, which may hold a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
