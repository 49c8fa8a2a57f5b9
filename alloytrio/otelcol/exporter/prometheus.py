"""otelcol.exporter.prometheus: turns OpenTelemetry metrics into Prometheus samples.

In: OpenTelemetry metrics.
Out: encoded series into the outboxes of ``forward_to``, one conversion for all that want the same.
Errors: a data point that cannot be sent is left out, counted with a reason, and named in the log now and then; the
others of its request go on. A request that could not be stored leaves no trace, so that its repetition passes.
Source: Alloy's component of this name, the OpenTelemetry specification "Prometheus and OpenMetrics Compatibility".
Where we differ on purpose: ``alloytrio/wire/families.py``, ``convert_native.py``, ``exemplars.py``; samples that
Prometheus would refuse as out of order, taking others with them, are left out; metadata is sent.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import trio
from pydantic import Field

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.otlp import OtlpRequest, OtlpRoute
from alloytrio.outbox import BatchPolicy, Fragment, Put
from alloytrio.samples import (
    CODEC,
    METADATA,
    Handed,
    SampleConsumer,
    SampleTarget,
    SampleView,
    ViewLabels,
    show_samples,
)
from alloytrio.telemetry import ComponentTelemetry, Counter, HealthState
from alloytrio.telemetry.repeat import RepeatLimit
from alloytrio.values import Duration, Kind, SamplesEdge
from alloytrio.wire.catalog import NON_ASCII_NAME
from alloytrio.wire.convert import Converter
from alloytrio.wire.families import ConvertSettings
from alloytrio.wire.remote_write import split_write_request

IDLE_LIMIT = 300.0  # seconds without a point after which a series is forgotten, as in Alloy
LOG_INTERVAL = 300.0  # seconds between two lines about points left out for the same reason
KEYS_PER_SERIES = 2  # spellings of attribute sets, families, scopes and resources that are remembered, per series
SPARE_KEYS = 1000
MAX_REASONS = 64
_LATENCIES = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
_WANTED = ("dropped_series",)  # left out because the user's rules say so


class PrometheusExporterConfig(ComponentConfig):
    """``[otelcol.exporter.prometheus.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.exporter.prometheus"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}

    forward_to: tuple[SamplesEdge, ...] = Field(description="components that take the samples")
    include_target_info: bool = Field(default=True, description="a series target_info with each resource's attributes")
    include_scope_info: bool = Field(default=False, description="a series otel_scope_info for each scope")
    include_scope_labels: bool = Field(
        default=False,
        description="labels otel_scope_name and otel_scope_version on each series. Alloy's default is true, without "
        "effect: its series do not have them",
    )
    add_metric_suffixes: bool = Field(default=True, description="unit and type become part of names")
    resource_to_telemetry_conversion: bool = Field(default=False, description="all resource attributes become labels")
    keep_identifying_resource_attributes: bool = Field(
        default=False, description="service.name, .namespace and .instance.id are on target_info too"
    )
    gc_frequency: Duration = Field(default=300, gt=0, description="how often idle series are forgotten")
    start_timestamp_zero_ingestion: bool = Field(
        default=False, description="a zero at the start time of each counter and histogram"
    )
    convert_delta_to_cumulative: bool = Field(
        default=False, description="delta points are added up; otherwise they are left out. (Alloy has no such option.)"
    )
    max_series: int = Field(
        default=1_000_000, gt=0, description="series in memory; points of others are left out and counted"
    )

    def build(self, context: BuildContext) -> "PrometheusExporter":
        """The exporter, resolved to what is behind it."""
        return PrometheusExporter(self, context)

    def convert_settings(self, view: SampleView) -> ConvertSettings:
        """How points become the series that a view wants."""
        return ConvertSettings(
            ViewLabels(view).finish,
            adds_only=not view.rules,
            max_series=self.max_series,
            max_keys=KEYS_PER_SERIES * self.max_series + SPARE_KEYS,
            shards=view.shards,
            add_metric_suffixes=self.add_metric_suffixes,
            include_target_info=self.include_target_info,
            include_scope_info=self.include_scope_info,
            include_scope_labels=self.include_scope_labels,
            keep_identifying_resource_attributes=self.keep_identifying_resource_attributes,
            resource_to_telemetry_conversion=self.resource_to_telemetry_conversion,
            delta_to_cumulative=self.convert_delta_to_cumulative,
            start_timestamp_zero_ingestion=self.start_timestamp_zero_ingestion,
            native_histograms=view.native_histograms,
            exemplars=view.exemplars,
        )


class PrometheusExporter:
    """One conversion per view, whatever the number of routes."""

    def __init__(self, config: PrometheusExporterConfig, context: BuildContext) -> None:
        self._config = config
        self._context = context
        self._conversions: dict[SampleView, Conversion] = {}
        telemetry = context.telemetry
        self.tap = telemetry.tap
        self.losses = Losses(telemetry)
        self.forwarded = telemetry.counter(
            "prometheus_forwarded_samples_total", "Total number of samples sent to downstream components."
        )
        self.latency = telemetry.histogram(
            "prometheus_fanout_latency", "Seconds for the conversion of one request.", _LATENCIES
        )
        telemetry.gauge_function(
            "alloytrio_exporter_known_series",
            "Series in memory.",
            lambda: float(sum(each.converter.catalog.series for each in self._conversions.values())),
        )

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """One route to all outboxes behind ``forward_to``; none for traces and logs."""
        if signal is not Signal.METRICS:
            return []
        consumers = [cast(SampleConsumer, self._context.resolve(edge)) for edge in self._config.forward_to]
        by_view: dict[SampleView, list[SampleTarget]] = {}
        for target in [target for consumer in consumers for target in consumer.sample_targets(policy)]:
            by_view.setdefault(target.view, []).append(target)
        return [PrometheusRoute(self, [(self._conversion(view), targets) for view, targets in by_view.items()])]

    def _conversion(self, view: SampleView) -> "Conversion":
        if view not in self._conversions:
            self._conversions[view] = Conversion(view, Converter(self._config.convert_settings(view)))
        return self._conversions[view]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forget idle series from time to time until everything upstream has ended."""
        self._context.telemetry.health.set(HealthState.HEALTHY, "converting for the outboxes behind it")
        task_status.started()
        while True:
            with trio.move_on_after(self._config.gc_frequency):
                await self._context.stop.wait()
                return
            for conversion in self._conversions.values():
                conversion.converter.forget_idle(int(trio.current_time() - IDLE_LIMIT))


class Conversion:
    """The converter of one view, and when metadata was put into each of its targets."""

    def __init__(self, view: SampleView, converter: Converter) -> None:
        self.view = view
        self.converter = converter
        self._metadata_due: dict[str, float] = {}

    def metadata(self, target: SampleTarget, now: float) -> list[Fragment]:
        """Type, help and unit of all families, if it is time for the target to get them."""
        if not target.metadata_interval or now < self._metadata_due.get(target.key, now):
            return []
        self._metadata_due[target.key] = now + target.metadata_interval
        families, payload = self.converter.metadata()
        parts = split_write_request(payload, target.max_metadata, 0) if families else []
        return [Fragment(items, part, f"{METADATA}/{CODEC}") for items, part in parts]


class PrometheusRoute:
    """The way of one policy's metrics into all outboxes."""

    def __init__(self, exporter: PrometheusExporter, conversions: list[tuple[Conversion, list[SampleTarget]]]) -> None:
        self._exporter = exporter
        self._conversions = conversions

    def puts(self, request: OtlpRequest) -> list[Put]:
        """The request's samples for each target.

        Raises:
            DecodeError: the request is broken above its data points.
        """
        puts: list[Put] = []
        for conversion, targets in self._conversions:
            now = trio.current_time()
            converter = conversion.converter
            fragments = []
            samples = 0
            for shard, items, series in converter.convert(request.payload, int(now)):
                fragments += conversion.view.fragments(shard, items, series)
                samples += items
            dropped = self._exporter.losses.take(converter, now)
            handed = _handed(converter, samples, dropped)
            if self._exporter.tap.is_watched and conversion is self._conversions[0][0]:
                show_samples(self._exporter.tap, fragments)
            for target in targets:
                puts += target.puts([*fragments, *conversion.metadata(target, now)], converter.receipt.undo)
                target.observer.on_handed(handed)
            self._exporter.forwarded.inc(samples * len(targets))
            self._exporter.latency.observe(trio.current_time() - now)
        return puts


def _handed(converter: Converter, items: int, dropped: Mapping[str, int]) -> Handed:
    emitter = converter.emitter
    return Handed(
        samples=items - emitter.exemplars - emitter.histograms,
        exemplars=emitter.exemplars,
        histograms=emitter.histograms,
        out_of_order=dropped.get("out_of_order", 0),
        newest_ms=emitter.latest_ms,
        series=converter.catalog.series,
    )


class Losses:
    """Counts data points that were left out, and names them in the log now and then."""

    def __init__(self, telemetry: ComponentTelemetry) -> None:
        self._telemetry = telemetry
        self._counters: dict[str, Counter] = {}
        self._non_ascii = telemetry.counter(
            "alloytrio_exporter_non_ascii_series_total",
            "New series with letters outside ASCII in names, which Prometheus before 3.0 leaves out unsaid.",
        )
        self._unreported: dict[str, int] = {}
        self._limit = RepeatLimit(1, LOG_INTERVAL, MAX_REASONS)

    def take(self, converter: Converter, now: float) -> Mapping[str, int]:
        """What the converter left out since the last call, by reason."""
        if not converter.emitter.dropped and not converter.emitter.examples:
            return {}
        dropped, examples = converter.emitter.take_dropped()
        for reason, points in dropped.items():
            if reason not in self._counters:
                self._counters[reason] = self._telemetry.counter(
                    "alloytrio_exporter_dropped_metric_points_total", "Data points left out.", reason=reason
                )
            self._counters[reason].inc(points)
            if reason not in _WANTED:
                self._report(reason, points, examples.get(reason, ""), now)
        self._non_ascii.inc(converter.catalog.take_non_ascii())
        if NON_ASCII_NAME in examples and self._limit.admit((NON_ASCII_NAME,), now) is not None:
            self._telemetry.log.warning(
                "a name has letters outside ASCII: Prometheus before 3.0 leaves out such series and says nothing",
                example=examples[NON_ASCII_NAME],
            )
        return dropped

    def _report(self, reason: str, points: int, example: str, now: float) -> None:
        self._unreported[reason] = self._unreported.get(reason, 0) + points
        if self._limit.admit((reason,), now) is not None:
            details = {"example": example} if example else {}
            points = self._unreported.pop(reason)
            self._telemetry.log.warning("data points were left out", reason=reason, points=points, **details)
