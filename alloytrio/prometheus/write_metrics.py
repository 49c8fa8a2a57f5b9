"""The metrics of ``prometheus.remote_write``, under the names that dashboards for Prometheus and Alloy query."""

from collections.abc import Callable

import snappy

from alloytrio.errors import ExportError
from alloytrio.outbox import Batch, Outbox
from alloytrio.samples import METADATA, Handed
from alloytrio.telemetry import ComponentTelemetry, Counter
from alloytrio.wire.remote_write import count_elements

_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0)
_KINDS = ("samples", "exemplars", "histograms", "metadata")
_PREFIX = "prometheus_remote_storage"
_REASONS = {"max_age": "too_old"}


class WriteMetrics:
    """Counts what happens at one endpoint: a ``TargetObserver`` of what comes, an ``OutboxObserver`` of what goes.

    Args:
        telemetry: of the component.
        remote_name: tells endpoints apart.
        url: of the endpoint, without credentials.
    """

    def __init__(self, telemetry: ComponentTelemetry, remote_name: str, url: str) -> None:
        self._telemetry = telemetry
        self._labels = {"remote_name": remote_name, "url": url}
        self._attempted = self._per_kind("total", "Elements in requests, repeated ones too.")
        self._failed = self._per_kind("failed_total", "Elements that the endpoint refused for good.")
        self._retried = self._per_kind("retried_total", "Elements whose request failed and is sent again.")
        self._dropped: dict[str, Counter] = {}
        self._bytes = self._counter("bytes_total", "Compressed bytes of series in requests.")
        self._metadata_bytes = self._counter("metadata_bytes_total", "Compressed bytes of metadata in requests.")
        self._enqueue_retries = self._counter("enqueue_retries_total", "Puts that found no room.")
        self.redelivered = telemetry.counter(
            "alloytrio_remote_write_redelivered_samples_total",
            "Samples that the endpoint had from an attempt whose answer got lost.",
            **self._labels,
        )
        self.duration = telemetry.histogram(
            f"{_PREFIX}_sent_batch_duration_seconds", "Duration of requests.", _DURATIONS, **self._labels
        )
        self._in = [telemetry.counter(f"{_PREFIX}_{kind}_in_total", f"{kind} handed over.") for kind in _KINDS[:3]]
        wal = "prometheus_remote_write_wal"
        self._appended = [
            telemetry.counter(f"{wal}_{kind}_appended_total", f"{kind} handed over.") for kind in _KINDS[:2]
        ]
        self._out_of_order = telemetry.counter(
            f"{wal}_out_of_order_samples_total", "Data points left out, since newer ones came before."
        )
        self._active = telemetry.gauge(f"{wal}_storage_active_series", "Series that samples are made for.")
        self._highest = telemetry.gauge(f"{_PREFIX}_highest_timestamp_in_seconds", "Newest timestamp handed over.")
        self._has_others = False

    def _counter(self, name: str, help_text: str) -> Counter:
        return self._telemetry.counter(f"{_PREFIX}_{name}", help_text, **self._labels)

    def _per_kind(self, suffix: str, help_text: str) -> dict[str, Counter]:
        return {kind: self._counter(f"{kind}_{suffix}", help_text) for kind in _KINDS}

    def watch(self, outbox: Outbox, shards: int, max_samples: int) -> None:
        """Show the state of the outbox at each scrape."""
        gauges: dict[str, Callable[[], float]] = {
            f"{_PREFIX}_samples_pending": lambda: outbox.stats().queued_items,
            f"{_PREFIX}_shards": lambda: shards,
            f"{_PREFIX}_shards_min": lambda: shards,
            f"{_PREFIX}_shards_max": lambda: shards,
            f"{_PREFIX}_shards_desired": lambda: shards,
            f"{_PREFIX}_max_samples_per_send": lambda: max_samples,
            f"{_PREFIX}_queue_highest_timestamp_seconds": lambda: self._highest.value,
            # Batches do not tell their newest timestamp; what waits is as far behind as it has waited.
            f"{_PREFIX}_queue_highest_sent_timestamp_seconds": lambda: self._highest.value - outbox.stats().oldest_age,
            "alloytrio_outbox_queued_bytes": lambda: outbox.stats().queued_bytes,
            "alloytrio_outbox_capacity_bytes": lambda: outbox.stats().capacity_bytes,
            "alloytrio_outbox_oldest_age_seconds": lambda: outbox.stats().oldest_age,
        }
        for name, read in gauges.items():
            self._telemetry.gauge_function(name, "State of the queue.", read, **self._labels)

    # What comes

    def on_handed(self, handed: Handed) -> None:
        """Samples are about to be put into the outbox."""
        if handed.exemplars or handed.histograms:
            self._has_others = True
        for counter, number in zip(self._in, (handed.samples, handed.exemplars, handed.histograms), strict=True):
            counter.inc(number)
        self._appended[0].inc(handed.samples + handed.histograms)
        self._appended[1].inc(handed.exemplars)
        self._out_of_order.inc(handed.out_of_order)
        self._active.set(handed.series)
        self._highest.set(max(self._highest.value, handed.newest_ms / 1000))

    # What goes

    def attempted(self, encoding: str, items: int, body: bytes) -> None:
        """A request is about to be sent."""
        if encoding.startswith(METADATA):
            self._metadata_bytes.inc(len(body))
            self._attempted["metadata"].inc(items)
            return
        self._bytes.inc(len(body))
        if not self._has_others:  # counting what is in it costs decompressing it
            self._attempted["samples"].inc(items)
            return
        counts = count_elements(bytes(snappy.decompress(body)))
        for kind, number in zip(_KINDS, counts, strict=True):
            self._attempted[kind].inc(number)

    def retried(self, encoding: str, items: int) -> None:
        """A request failed and will be sent again."""
        self._retried[_kind(encoding)].inc(items)

    def failed(self, encoding: str, items: int) -> None:
        """Elements were given up."""
        self._failed[_kind(encoding)].inc(items)

    def on_batch_sent(self, batch: Batch, seconds: float) -> None:
        """Counted where requests are made."""

    def on_attempt_failed(self, batch: Batch, error: ExportError, seconds: float) -> None:
        """Counted where requests are made."""

    def on_rejected(self, encoding: str, items: int, reason: str) -> None:
        """Elements were set aside."""
        self.failed(encoding, items)

    def on_dropped(self, encoding: str, items: int, reason: str) -> None:
        """Elements were given up."""
        if reason not in self._dropped:
            name = _REASONS.get(reason, reason.replace(" ", "_"))
            self._dropped[reason] = self._telemetry.counter(
                f"{_PREFIX}_samples_dropped_total", "Samples given up.", reason=name, **self._labels
            )
        self._dropped[reason].inc(items)

    def on_refused(self, encoding: str, items: int, reason: str) -> None:
        """There was no room; the sender keeps its data and tries again."""
        self._enqueue_retries.inc()


def _kind(encoding: str) -> str:
    return "metadata" if encoding.startswith(METADATA) else "samples"
