"""The metrics of ``loki.write``, under the names that Alloy's dashboards query."""

from collections.abc import Callable, Mapping

from alloytrio.errors import ExportError
from alloytrio.outbox import Batch, Outbox
from alloytrio.telemetry import ComponentTelemetry, Counter, Histogram
from alloytrio.wire.loki_encode import Refused

_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENCIES = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_SIZES = tuple(float(kib * 1024) for kib in (1, 4, 16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 20480))
REASONS = ("ingester_error", "rate_limited", "stream_limited", "line_too_long", "queue_is_full")
"""Alloy's reasons, there from the first moment on, so that rates work. Others are added as they occur."""

NO_ANSWER = "-1"


class _TenantMetrics:
    """The series of one tenant."""

    def __init__(self, telemetry: ComponentTelemetry, host: str, tenant: str) -> None:
        labels = {"host": host, "tenant": tenant}
        self._telemetry = telemetry
        self._labels = labels
        self.sent_bytes = telemetry.counter("loki_write_sent_bytes_total", "Number of bytes sent.", **labels)
        self.sent_entries = telemetry.counter(
            "loki_write_sent_entries_total", "Number of log entries sent to the ingester.", **labels
        )
        self.retries = telemetry.counter(
            "loki_write_batch_retries_total", "Number of times batches has had to be retried.", **labels
        )
        self.size = telemetry.histogram(
            "loki_write_request_size_bytes", "Size of the compressed request.", _SIZES, **labels
        )
        self.latency = telemetry.histogram(
            "loki_write_entry_propagation_latency_seconds",
            "Time from when the oldest entry of a batch was read until the batch was sent.",
            _LATENCIES,
            **labels,
        )
        self._durations: dict[str, Histogram] = {}
        self._dropped: dict[str, tuple[Counter, Counter]] = {}
        for reason in REASONS:
            self.dropped(reason)

    def duration(self, status: str) -> Histogram:
        """The duration of requests that ended with a status."""
        if status not in self._durations:
            self._durations[status] = self._telemetry.histogram(
                "loki_write_request_duration_seconds",
                "Duration of send requests.",
                _DURATIONS,
                status_code=status,
                **self._labels,
            )
        return self._durations[status]

    def dropped(self, reason: str) -> tuple[Counter, Counter]:
        """Entries and bytes that were given up for a reason."""
        if reason not in self._dropped:
            labels = {**self._labels, "reason": reason}
            self._dropped[reason] = (
                self._telemetry.counter(
                    "loki_write_dropped_entries_total",
                    "Number of log entries dropped because failed to be sent to the ingester after all retries.",
                    **labels,
                ),
                self._telemetry.counter(
                    "loki_write_dropped_bytes_total",
                    "Number of bytes dropped because failed to be sent to the ingester after all retries.",
                    **labels,
                ),
            )
        return self._dropped[reason]


class WriteMetrics:
    """The metrics of one endpoint.

    Args:
        telemetry: of the component.
        host: of the URL, with the port.
        max_tenants: tenants with series of their own; what more there are counts as ``other``.
    """

    def __init__(self, telemetry: ComponentTelemetry, host: str, max_tenants: int) -> None:
        self._telemetry = telemetry
        self._host = host
        self._max_tenants = max_tenants
        self._tenants: dict[str, _TenantMetrics] = {}

    def tenant(self, name: str) -> _TenantMetrics:
        """The series of a tenant; tenants may come from log lines, so their number is bounded."""
        found = self._tenants.get(name)
        if found is None:
            if len(self._tenants) >= self._max_tenants:
                name = "other"
            found = self._tenants.setdefault(name, _TenantMetrics(self._telemetry, self._host, name))
        return found

    def dropped(self, tenant: str, reason: str, entries: int, size: int = 0) -> None:
        """Entries were given up."""
        counters = self.tenant(tenant).dropped(reason)
        counters[0].inc(entries)
        counters[1].inc(size)

    def left_out(self, refused: Mapping[tuple[str, str], Refused]) -> None:
        """Entries were left out because Loki would refuse them."""
        for each in refused.values():
            self.dropped(each.tenant, each.reason, each.entries, each.line_bytes)


class OutboxEvents:
    """Counts what an endpoint's outbox tells: an ``alloytrio.outbox.OutboxObserver``. Requests are counted where they
    are made.

    Args:
        metrics: of the endpoint.
        tenant_of: the tenant of an encoding.
    """

    def __init__(self, metrics: WriteMetrics, tenant_of: Callable[[str], str]) -> None:
        self._metrics = metrics
        self._tenant_of = tenant_of
        self._outbox: Outbox | None = None

    def watch(self, outbox: Outbox, telemetry: ComponentTelemetry) -> None:
        """Show the state of the outbox at each scrape."""
        self._outbox = outbox
        name = outbox.settings.name
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "alloytrio_outbox_queued_items": ("Entries that wait for delivery.", lambda: outbox.stats().queued_items),
            "alloytrio_outbox_queued_bytes": ("Bytes that wait for delivery.", lambda: outbox.stats().queued_bytes),
            "alloytrio_outbox_capacity_bytes": ("Bytes that may wait.", lambda: outbox.stats().capacity_bytes),
            "alloytrio_outbox_oldest_age_seconds": ("Age of the oldest entry.", lambda: outbox.stats().oldest_age),
        }
        for metric, (help_text, read) in gauges.items():
            telemetry.gauge_function(metric, help_text, read, outbox=name)

    def on_batch_sent(self, batch: Batch, seconds: float) -> None:
        """The backend took a batch; it is still counted as queued here."""
        if self._outbox is not None:
            age = self._outbox.stats().oldest_age
            self._metrics.tenant(self._tenant_of(batch.encoding)).latency.observe(age)

    def on_attempt_failed(self, batch: Batch, error: ExportError, seconds: float) -> None:
        """Counted where the request was made."""

    def on_rejected(self, encoding: str, items: int, reason: str) -> None:
        """Entries were set aside."""
        self._metrics.dropped(self._tenant_of(encoding), "ingester_error", items)

    def on_dropped(self, encoding: str, items: int, reason: str) -> None:
        """Entries were given up."""
        self._metrics.dropped(self._tenant_of(encoding), reason.replace(" ", "_"), items)

    def on_refused(self, encoding: str, items: int, reason: str) -> None:
        """There was no room; the reader keeps the entries and tries again."""
