"""``loki.write``: delivers log entries to Loki.

In: entries from ``loki.source.*`` and ``loki.process``. Out: one push request per batch and tenant (protobuf, snappy),
to each endpoint. Errors: what Loki may take later is sent until it does, within the outbox's bounds; what it will never
take is cut down to the bad entries, which are set aside; what it surely refuses is left out before it is sent; each is
counted with its reason.

Each endpoint has an outbox: entries are encoded and compressed once, and a batch is a join. Streams that Loki refuses
for now wait apart, see ``refused_streams``.

Source: Alloy ``internal/component/loki/write``. On purpose different: there is no limit of retries unless one is set,
``Retry-After`` is honoured, a 400 about some entries does not count the whole batch as lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

import httpx  # noqa: ASYNC127 - the client that we build on
import trio
from pydantic import AfterValidator, Field, model_validator

from alloytrio.component import BuildContext, Component, ComponentConfig, Note
from alloytrio.entry import EntryBatch, EntryOutlet, Handover
from alloytrio.entry_seen import show_entries
from alloytrio.http_client import HttpClientConfig, open_http
from alloytrio.loki.cardinality import LabelValues
from alloytrio.loki.pusher import Pusher, host_of
from alloytrio.loki.refused_streams import RefusedStreams, encoding_of, tenant_of
from alloytrio.loki.write_metrics import OutboxEvents, WriteMetrics
from alloytrio.outbox import BatchPolicy, DeliveryHealth, Fragment, Outbox, RetryPolicy
from alloytrio.relabel import LABEL_NAME
from alloytrio.values import ByteSize, Duration, Headers, Kind
from alloytrio.wire.loki import halve_push
from alloytrio.wire.loki_encode import PushLimits, StreamEncoder

SENDERS = 4  # requests at the same time; batches of one tenant are sent one after the other
MAX_TENANTS = 100  # tenants that have metrics of their own
_ANY_NUMBER = 1 << 40  # batches are cut by bytes and time

OpenClient = Callable[[HttpClientConfig, str, int], httpx.AsyncClient]


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('not a URL of Loki: write it whole, such as "http://loki:3100/loki/api/v1/push"')
    return url


class EndpointConfig(HttpClientConfig):
    """``[[loki.write.<label>.endpoint]]``"""

    url: Annotated[str, AfterValidator(_check_url)] = Field(description="Loki's push URL, path included.")
    name: str = Field("", description="Tells several endpoints apart, also in the data directory; empty = its number.")
    batch_wait: Duration = Field(1.0, ge=0, description="A batch goes out when its oldest entry has waited so long.")
    batch_size: ByteSize = Field(1 << 20, ge=1024, description="Bytes of a batch before compression.")
    remote_timeout: Duration = Field(10.0, gt=0, description="How long one request may take.")
    headers: Headers = Field({}, description="Added to each request.")
    min_backoff_period: Duration = Field(0.5, gt=0, description="First wait after a failure.")
    max_backoff_period: Duration = Field(300.0, gt=0, description="Longest wait after failures.")
    max_backoff_retries: int = Field(
        0, ge=0, description="Give a batch up after about so many attempts; 0 = never. (Alloy: 10, some minutes.)"
    )
    tenant_id: str = Field("", description="Tenant of entries that do not name theirs.")
    retry_on_http_429: bool = Field(True, description="Send again what Loki is too busy for; false: give it up.")
    max_line_size: ByteSize = Field(256 * 1024, ge=0, description="Longer lines are left out, as Loki would; 0 = all.")
    max_label_names: int = Field(15, ge=0, description="Entries with more labels are left out; 0 = any number.")
    max_entry_age: Duration = Field(168 * 3600.0, ge=0, description="Older entries are left out; 0 = any age.")
    max_entry_ahead: Duration = Field(600.0, ge=0, description="Entries further in the future are left out; 0 = any.")
    high_cardinality: Literal["keep", "structured_metadata"] = Field(
        "keep",
        description="Labels with more values than high_cardinality_limit: keep them (Loki may refuse new streams), or "
        "move them into structured metadata.",
    )
    high_cardinality_limit: int = Field(
        1000, ge=1, description="Values of one label within 30 minutes above which it is warned of."
    )
    refused_max_size: ByteSize = Field(
        64 << 20, ge=1 << 20, description="Bytes of streams that wait because Loki refuses them for now."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_backoff_period > self.max_backoff_period:
            raise ValueError("min_backoff_period is above max_backoff_period")
        return self

    def retry_policy(self) -> RetryPolicy:
        """Waits double, uniform between min·2ⁿ⁻¹ and min·2ⁿ."""
        waits = [min(self.min_backoff_period * 2**n, self.max_backoff_period) for n in range(self.max_backoff_retries)]
        return RetryPolicy(
            initial_interval=self.min_backoff_period * 1.5,
            multiplier=2.0,
            randomization_factor=1 / 3,
            max_interval=self.max_backoff_period,
            max_elapsed_time=sum(waits) + self.max_backoff_retries * self.remote_timeout,
        )

    def limits(self) -> PushLimits:
        """What Loki takes of an entry; what cannot be set is the same in every Loki."""
        return PushLimits(
            max_line_bytes=self.max_line_size,
            max_label_names=self.max_label_names,
            max_label_name_bytes=1024,
            max_label_value_bytes=2048,
            max_age_ns=int(self.max_entry_age * 1e9),
            max_ahead_ns=int(self.max_entry_ahead * 1e9),
            max_metadata_bytes=64_000,
            max_metadata_pairs=128,
        )


class LokiWriteConfig(ComponentConfig):
    """``[loki.write.<label>]``"""

    component_type: ClassVar[str] = "loki.write"
    exports: ClassVar[Mapping[str, Kind]] = {"receiver": Kind.ENTRIES}

    endpoint: tuple[EndpointConfig, ...] = Field(min_length=1, description="Where to deliver to.")
    external_labels: dict[str, str] = Field({}, description="Added to entries that have no such label.")
    max_streams: int = Field(0, ge=0, description="Streams that one reading may bring at most; 0 = any number.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [endpoint.name or str(number) for number, endpoint in enumerate(self.endpoint)]
        if len(set(names)) != len(names):
            raise ValueError("two endpoints have the same name")
        for name in self.external_labels:
            if not LABEL_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a label name")
        return self

    def build(self, context: BuildContext) -> Component:
        """The component with its outboxes, not yet running."""
        return LokiWrite(self, context)


class LokiWrite:
    """Some endpoints, each with its outbox.

    Args:
        config: as the user wrote it.
        context: of the component.
        open_client: makes the HTTP client for an endpoint.
    """

    def __init__(self, config: LokiWriteConfig, context: BuildContext, open_client: OpenClient = open_http) -> None:
        self.holds = False
        self._stop = context.stop
        self._tap = context.telemetry.tap
        health = DeliveryHealth(context.telemetry.health)
        self._endpoints = [
            Endpoint(config, endpoint, endpoint.name or (str(number) if number else ""), context, health, open_client)
            for number, endpoint in enumerate(config.endpoint)
        ]

    @property
    def outboxes(self) -> list[Outbox]:
        """Of all endpoints, the waiting ones as well."""
        return [outbox for endpoint in self._endpoints for outbox in (endpoint.outbox, endpoint.refused.outbox)]

    def backends(self) -> Mapping[str, Outbox]:
        """The outboxes by host of the endpoint; that of refused streams once there were some."""
        found: dict[str, Outbox] = {}
        for endpoint in self._endpoints:
            name = endpoint.host if endpoint.host not in found else f"{endpoint.host} ({endpoint.outbox.settings.name})"
            found[name] = endpoint.outbox
            refused = endpoint.refused.outbox
            if refused.counts.accepted_items or refused.queued_items:
                found[f"{name}, refused streams"] = refused
        return found

    def notes(self) -> Sequence[Note]:
        """Labels with so many values that Loki will suffer."""
        return [Note(text, is_warning=True) for endpoint in self._endpoints for text in endpoint.warnings()]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until stopped; what is left then stays in the journals."""
        async with trio.open_nursery() as endpoints:
            for endpoint in self._endpoints:
                await endpoints.start(endpoint.run, self._stop)
            task_status.started()

    def outlets(self) -> Sequence[EntryOutlet]:
        """One per endpoint."""
        return [endpoint.outlet for endpoint in self._endpoints]

    def take(self, batch: EntryBatch) -> list[Handover]:
        """Encode a batch for each endpoint."""
        if self._tap.is_watched:
            show_entries(self._tap, batch.entries)
        return [Handover(endpoint.outlet, endpoint.encode(batch)) for endpoint in self._endpoints]

    def forget(self, source: bytes) -> None:
        """Nothing is held here."""


class Endpoint:
    """One Loki: an encoder, an outbox, and an outbox for streams that wait."""

    def __init__(
        self,
        config: LokiWriteConfig,
        endpoint: EndpointConfig,
        name: str,
        context: BuildContext,
        health: DeliveryHealth,
        open_client: OpenClient,
    ) -> None:
        key = f"{context.component_id}/{name}" if name else context.component_id
        self.host = host_of(endpoint.url)
        self._config = endpoint
        self._log = context.telemetry.log
        self._metrics = WriteMetrics(context.telemetry, host_of(endpoint.url), MAX_TENANTS)
        self._metrics.tenant(endpoint.tenant_id)
        self._encoder = StreamEncoder(
            dict(config.external_labels), endpoint.limits(), endpoint.tenant_id, endpoint.batch_size, config.max_streams
        )
        self._values = LabelValues(endpoint.high_cardinality_limit, self._warn)
        self._pusher = Pusher(
            endpoint.url,
            endpoint,
            open_client(endpoint, endpoint.url, SENDERS + 2),
            headers={name: value.get_secret_value() for name, value in endpoint.headers.items()},
            timeout=endpoint.remote_timeout,
            retry_429=endpoint.retry_on_http_429,
            metrics=self._metrics,
        )
        settings = replace(
            context.outbox,
            batch_max_bytes=endpoint.batch_size,
            senders=SENDERS,
            in_order=True,
            attempt_timeout=0.0,  # each request has its own
            retry=endpoint.retry_policy(),
        )
        self.refused = RefusedStreams(
            self._pusher,
            settings=replace(settings, name=f"{key}/refused", max_bytes=endpoint.refused_max_size),
            store=context.storage.open(f"{key}/refused"),
            telemetry=context.telemetry,
            metrics=self._metrics,
            health=health,
        )
        events = OutboxEvents(self._metrics, tenant_of)
        self.outbox = Outbox(
            replace(settings, name=key),
            store=context.storage.open(key),
            deliver=self.refused.send,
            split=lambda encoding, payload: halve_push(payload),
            telemetry=context.telemetry,
            observer=events,
            health=health,
        )
        events.watch(self.outbox, context.telemetry)
        OutboxEvents(self._metrics, tenant_of).watch(self.refused.outbox, context.telemetry)
        lane = self.outbox.lane(BatchPolicy("", endpoint.batch_wait, send_batch_size=_ANY_NUMBER))
        self.outlet = EntryOutlet(key, lane)

    async def run(  # noqa: ASYNC128 - the outbox calls started()
        self, stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run both outboxes; the waiting one as long as the other may give it something."""
        try:
            async with trio.open_nursery() as waiting:
                await waiting.start(self.refused.run)
                await self.outbox.run(stop=stop, task_status=task_status)
                waiting.cancel_scope.cancel()
        finally:
            with trio.move_on_after(1, shield=True):
                await self._pusher.close()

    def encode(self, batch: EntryBatch) -> list[Fragment]:
        """The batch as fragments, one per tenant and ``batch_size``."""
        entries = batch.entries
        if batch.skip is not None and (skip := batch.skip.get(self.outlet.key)) is not None:
            entries = [entry for entry in entries if entry.seq >= skip.get(entry.origin.name, 0)]
        pushes = self._encoder.encode(entries, batch.now_ns)
        if self._encoder.refused:
            self._metrics.left_out(self._encoder.refused)
            self._encoder.refused = {}
        if self._values.note(self._encoder.label_sets, batch.now) and self._config.high_cardinality != "keep":
            self._encoder.move(self._values.high)
        return [Fragment(push.entries, push.payload, encoding_of(push.tenant)) for push in pushes]

    def warnings(self) -> list[str]:
        """A line for each label with too many values."""
        return [
            f"label {label} has more than {self._config.high_cardinality_limit} values within 30 minutes, and each set "
            f"of values is a stream of its own in {self.host}: {self._remedy()}"
            for label in sorted(self._values.high)
        ]

    def _remedy(self) -> str:
        if self._config.high_cardinality == "structured_metadata":
            return "it becomes structured metadata from now on"
        return "take it as structured_metadata instead of a label, or set high_cardinality"

    def _warn(self, label: str, count: int) -> None:
        self._log.warning(
            "a label has too many values: each set of values is a stream of its own in Loki, which refuses new streams "
            "at its limit",
            label=label,
            values=f"more than {count - 1} within 30 minutes",
            remedy=self._remedy(),
        )
