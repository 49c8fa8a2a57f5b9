"""The metrics of an exporter of OpenTelemetry data, under the names that dashboards for a collector query."""

import re
from collections.abc import Callable

from alloytrio.component import Signal
from alloytrio.errors import DecodeError, ExportError
from alloytrio.outbox import Batch, Outbox
from alloytrio.telemetry import ComponentTelemetry, Counter

_SIZE_BUCKETS = [10, 25, 50, 75, 100, 250, 500, 750, *range(1000, 10_001, 1000), 20_000, 30_000, 50_000, 100_000]
_BYTE_BUCKETS = [float(1 << power) for power in range(7, 25)]
_ADDRESS = re.compile(r"(?:[a-z0-9]+:/{2,3})?(.*?)(?::(\d+))?")


class OtlpExportMetrics:
    """Counts what an outbox tells: an ``alloytrio.outbox.OutboxObserver``.

    Args:
        telemetry: of the exporter.
        kind: ``otlp_grpc`` or ``otlp_http``, the first part of the ``exporter`` label.
        endpoint: as the user wrote it.
    """

    def __init__(self, telemetry: ComponentTelemetry, kind: str, endpoint: str) -> None:
        self._telemetry = telemetry
        address = _ADDRESS.fullmatch(endpoint)
        assert address is not None
        self._exporter = {"exporter": f"{kind}/{telemetry.component_id}"}
        self._server = self._exporter | {"server_address": address[1], "server_port": address[2] or ""}
        self._sent = {signal.value: self._count("sent", signal, "delivered", self._server) for signal in Signal}
        self._refused = {
            signal.value: self._count("enqueue_failed", signal, "the sender must keep", self._exporter)
            for signal in Signal
        }
        self._sizes = telemetry.histogram(
            "otelcol_exporter_queue_batch_send_size", "items of a batch", _SIZE_BUCKETS, **self._exporter
        )
        self._bytes = telemetry.histogram(
            "otelcol_exporter_queue_batch_send_size_bytes", "bytes of a batch", _BYTE_BUCKETS, **self._exporter
        )
        self._attempts_failed = telemetry.counter(
            "alloytrio_exporter_failed_attempts_total", "requests that the backend did not take", **self._exporter
        )
        self._dropped: dict[tuple[str, str, str], Counter] = {}

    def watch(self, outbox: Outbox) -> None:
        """Show the state of the outbox at each scrape."""
        gauges = {
            "otelcol_exporter_queue_size": ("bytes that wait for delivery", lambda: outbox.stats().queued_bytes),
            "otelcol_exporter_queue_capacity": ("bytes that may wait", lambda: outbox.stats().capacity_bytes),
            "otelcol_exporter_in_flight_requests": ("batches being sent", lambda: outbox.stats().batches_in_flight),
            "alloytrio_outbox_queued_items": ("items that wait for delivery", lambda: outbox.stats().queued_items),
            "alloytrio_outbox_oldest_age_seconds": ("age of the oldest item", lambda: outbox.stats().oldest_age),
        }
        for name, (help_text, read) in gauges.items():
            self._telemetry.gauge_function(name, help_text, read, **self._exporter)

    def on_batch_sent(self, batch: Batch, seconds: float) -> None:
        """The backend took a batch."""
        self._sent[_signal(batch.encoding)].inc(batch.items)
        self._sizes.observe(batch.items)
        self._bytes.observe(batch.plain_bytes)

    def on_attempt_failed(self, batch: Batch, error: ExportError, seconds: float) -> None:
        """An attempt failed."""
        self._attempts_failed.inc()

    def on_rejected(self, encoding: str, items: int, reason: str) -> None:
        """Items were set aside."""
        self._failed(encoding, "rejected", "true").inc(items)

    def on_dropped(self, encoding: str, items: int, reason: str) -> None:
        """Items were given up."""
        self._failed(encoding, reason, "false").inc(items)

    def on_refused(self, encoding: str, items: int, reason: str) -> None:
        """A put found no room."""
        self._refused[_signal(encoding)].inc(items)

    def note_answer(self, encoding: str, read: Callable[[], tuple[int, str]]) -> None:
        """The backend took a batch, perhaps but for some items; those are gone, as the protocol wants it.

        Args:
            encoding: of the batch.
            read: gives the rejected items and the message; raises ``DecodeError`` where the answer cannot be read.
        """
        try:
            rejected, message = read()
        except DecodeError as exc:
            self._telemetry.log.warning("the backend's answer cannot be read", error=str(exc))
            return
        if rejected or message:
            self._telemetry.log.warning("partial success", rejected=rejected, answer=message)
        if rejected:
            self._failed(encoding, "partial_success", "true").inc(rejected)

    def _failed(self, encoding: str, error_type: str, permanent: str) -> Counter:
        signal = Signal(_signal(encoding))
        key = (signal.value, error_type, permanent)
        if key not in self._dropped:
            labels = self._server | {"error_type": error_type, "error_permanent": permanent}
            self._dropped[key] = self._count("send_failed", signal, "given up", labels)
        return self._dropped[key]

    def _count(self, event: str, signal: Signal, words: str, labels: dict[str, str]) -> Counter:
        return self._telemetry.counter(
            f"otelcol_exporter_{event}_{signal.items}_total", f"{signal.items}: {words}", **labels
        )


def _signal(encoding: str) -> str:
    return encoding.partition("/")[0]
