"""otelcol.exporter.loki: turns OpenTelemetry log records into log entries for Loki.

In: OpenTelemetry logs.
Out: entries to ``forward_to``: through the stages of a ``loki.process`` into the outboxes of a ``loki.write``.
Errors: a record that cannot be read is left out and counted; the others of its request go on.
Source: Alloy's component of this name. Labels are ``exporter``, ``job``, ``instance``, ``level`` and what the hints
``loki.attribute.labels``, ``loki.resource.labels`` and ``loki.tenant`` name; ``loki.format`` is that of the line. Where
we differ on purpose: ``alloytrio/wire/loki_logs.py``; a sender is answered when its records are in the journals, so
stages hold nothing back between two requests, and a ``limit`` that waits makes the sender wait.
"""

import time
from collections.abc import Mapping
from typing import ClassVar, cast

import trio
from pydantic import Field

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.entry import EntryBatch, EntryConsumer
from alloytrio.entry_fanout import fan_out
from alloytrio.entry_seen import show_entries
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.outbox import BatchPolicy, Put
from alloytrio.telemetry import HealthState
from alloytrio.telemetry.repeat import RepeatLimit
from alloytrio.values import EntriesEdge, Kind
from alloytrio.wire.loki_logs import LogConverter

LOG_INTERVAL = 300.0  # seconds between two lines about records left out


class LokiExporterConfig(ComponentConfig):
    """``[otelcol.exporter.loki.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.exporter.loki"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}

    forward_to: tuple[EntriesEdge, ...] = Field(min_length=1, description="components that take the entries")
    structured_metadata: bool = Field(
        default=False,
        description="the line is the body alone; ids, severity and attributes that are no labels go beside it, into "
        "structured metadata. (Alloy has no such option: all of it is in the line.)",
    )

    def build(self, context: BuildContext) -> "LokiExporter":
        """The exporter, resolved to what is behind it."""
        return LokiExporter(self, context)


class LokiExporter:
    """One conversion for all consumers. It has no work of its own: receivers call ``puts`` of its route."""

    def __init__(self, config: LokiExporterConfig, context: BuildContext) -> None:
        telemetry = context.telemetry
        self._consumers = [cast(EntryConsumer, context.resolve(edge)) for edge in config.forward_to]
        self._converter = LogConverter(config.structured_metadata)
        self._source = context.component_id.encode()
        self._stop = context.stop
        self._health = telemetry.health
        self._log = telemetry.log
        self._tap = telemetry.tap
        self._limit = RepeatLimit(1, LOG_INTERVAL, 1)
        self._total = telemetry.counter(
            "otelcol_exporter_loki_entries_total", "Total number of log entries passed through the converter"
        )
        self._processed = telemetry.counter(
            "otelcol_exporter_loki_entries_processed_total", "Total number of log entries successfully converted"
        )
        self._failed = telemetry.counter(
            "otelcol_exporter_loki_entries_failed_total", "Total number of log entries failed to convert"
        )

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """One route to all outboxes behind ``forward_to``, whose own settings make batches; none but for logs."""
        return [self] if signal is Signal.LOGS else []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing but being there until everything upstream has ended."""
        self._health.set(HealthState.HEALTHY, "converting for the outboxes behind it")
        task_status.started()
        await self._stop.wait()

    def puts(self, request: OtlpRequest) -> list[Put]:
        """The request's records as entries for each outbox.

        Raises:
            DecodeError: the request is broken above its records.
        """
        now_ns, now = time.time_ns(), trio.current_time()
        entries = self._converter.convert(request.payload, now_ns)
        self._total.inc(request.items)
        self._processed.inc(len(entries))
        if self._converter.failed:
            self._count_failed(now)
        if self._tap.is_watched:
            show_entries(self._tap, entries)
        handovers = fan_out(self._consumers, EntryBatch(self._source, entries, now_ns, now, ended=True))
        return [Put(each.outlet.lane, each.fragments, not_before=each.wait_until) for each in handovers]

    def _count_failed(self, now: float) -> None:
        converter = self._converter
        self._failed.inc(converter.failed)
        if self._limit.admit((), now) is not None:
            self._log.warning("log records were left out", records=converter.failed, reason=converter.problem)
        converter.failed = 0
