"""Resources, scopes and metric families that were seen before, and the labels of their points.

All of them are found by their encoded bytes, so that what was seen before costs a dictionary lookup. Labels are only
built for a set of attributes that is new; see ``catalog.py`` for the series sets made from them.

Source: ``otelcol.exporter.prometheus`` and its OpenTelemetry specification, "Prometheus and OpenMetrics
Compatibility". On purpose different from Alloy: attributes cannot override ``__name__``, ``le`` and ``quantile``, and
attributes whose names become the same label are joined with ``;`` instead of the last one winning.

Plain classes, compiled with mypyc.
"""

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from alloytrio.wire.metric_names import COUNTER, GAUGE, OTHER, label_name, metric_name, unit_name
from alloytrio.wire.otlp_values import read_attributes, read_scope, read_text
from alloytrio.wire.protobuf import read_length, read_tag, skip_value
from alloytrio.wire.series import HistogramNames, NumberSeries, SeriesSet

# Kinds of families.
GAUGE_POINTS: Final = 1
SUM_POINTS: Final = 2
HISTOGRAM_POINTS: Final = 3
NATIVE_POINTS: Final = 4
SUMMARY_POINTS: Final = 5

DELTA: Final = 1
CUMULATIVE: Final = 2

_NAME_CACHE: Final = 10_000  # label names; attribute keys are few, and what hostile senders invent is forgotten

Labels = dict[str, str]


class ConvertSettings:
    """How data points become series.

    Args:
        finish: called with the labels of a new series; gives those that it is sent with, or None to leave it out.
        adds_only: ``finish`` does nothing but add labels, the same ones to all.
        max_series: series in memory; points of a series beyond are dropped.
        max_keys: dictionary entries in memory: spellings of attribute sets, families, scopes and resources.
        shards: how many lists of samples are made.
        info_interval_ms: at least this long between two samples of ``target_info`` for one resource.
    """

    def __init__(
        self,
        finish: Callable[[Labels], Labels | None],
        *,
        adds_only: bool = True,
        max_series: int = 1_000_000,
        max_keys: int = 2_000_000,
        shards: int = 1,
        info_interval_ms: int = 60_000,
        add_metric_suffixes: bool = True,
        include_target_info: bool = True,
        include_scope_info: bool = False,
        include_scope_labels: bool = False,
        keep_identifying_resource_attributes: bool = False,
        resource_to_telemetry_conversion: bool = False,
        delta_to_cumulative: bool = False,
        start_timestamp_zero_ingestion: bool = False,
        native_histograms: bool = False,
        exemplars: bool = True,
    ) -> None:
        self.finish = finish
        self.adds_only = adds_only
        self.max_series: i64 = max_series
        self.max_keys: i64 = max_keys
        self.shards = shards
        self.info_interval_ms: i64 = info_interval_ms
        self.add_metric_suffixes = add_metric_suffixes
        self.include_target_info = include_target_info
        self.include_scope_info = include_scope_info
        self.include_scope_labels = include_scope_labels
        self.keep_identifying_resource_attributes = keep_identifying_resource_attributes
        self.resource_to_telemetry_conversion = resource_to_telemetry_conversion
        self.delta_to_cumulative = delta_to_cumulative
        self.start_timestamp_zero_ingestion = start_timestamp_zero_ingestion
        self.native_histograms = native_histograms
        self.exemplars = exemplars


class Family:
    """One metric of one scope of one resource.

    Attributes:
        kind: GAUGE_POINTS …
        name: Prometheus' name, without ``_bucket`` and the like.
        is_monotonic: of a sum.
        is_delta: its points are to be added up.
        refusal: why none of its points is sent; empty: they are.
        base: labels that all points have.
        series: by the raw bytes of a point's attributes.
        histogram_names: of its series, once there is one.
    """

    def __init__(self, resource: "ResourceState", base: Labels, kind: i64, name: str) -> None:
        self.resource = resource
        self.base = base
        self.kind: i64 = kind
        self.name = name
        self.description = ""
        self.unit = ""
        self.is_monotonic = False
        self.is_delta = False
        self.refusal = ""
        self.series: dict[bytes, SeriesSet] = {}
        self.histogram_names: HistogramNames | None = None

    @property
    def metadata_type(self) -> int:
        """A number of Prometheus' MetricMetadata.MetricType."""
        if self.kind == SUM_POINTS:
            return 1 if self.is_monotonic else 2
        if self.kind == GAUGE_POINTS:
            return 2
        return 5 if self.kind == SUMMARY_POINTS else 3


class ScopeState:
    """One instrumentation scope of one resource. ``families`` are found by their headers' bytes."""

    def __init__(self, labels: Labels, attributes: Labels) -> None:
        self.labels = labels
        self.attributes = attributes
        self.families: dict[bytes, Family] = {}
        self.info: NumberSeries | None = None
        self.info_refused = False


class ResourceState:
    """One resource. ``attributes`` are all of it, ``job`` has the labels job and instance."""

    def __init__(self, attributes: list[tuple[str, str]]) -> None:
        self.attributes = dict(attributes)
        self.job = _job_labels(self.attributes)
        self.scopes: dict[bytes, ScopeState] = {}
        self.info: NumberSeries | None = None
        self.info_refused = False


def _job_labels(attributes: Labels) -> Labels:
    labels: Labels = {}
    name = attributes.get("service.name")
    if name is not None:
        namespace = attributes.get("service.namespace")
        labels["job"] = name if namespace is None else f"{namespace}/{name}"
    instance = attributes.get("service.instance.id")
    if instance is not None:
        labels["instance"] = instance
    return labels


class LabelMaker:
    """Builds labels. Keeps the names that it has translated."""

    def __init__(self, settings: ConvertSettings) -> None:
        self.settings = settings
        self._names: dict[str, str] = {}

    def name_of(self, key: str) -> str:
        """The label for an attribute's key."""
        name = self._names.get(key)
        if name is None:
            if len(self._names) >= _NAME_CACHE:
                self._names.clear()
            name = self._names[key] = label_name(key)
        return name

    def from_attributes(self, attributes: Labels, reserved: str) -> Labels:
        """Labels for attributes; those that become the same label are joined in the order of their keys.

        Args:
            attributes: texts by key.
            reserved: a label that is left out beside ``__name__``.
        """
        labels: Labels = {}
        collided = False
        for key in attributes:
            name = self.name_of(key)
            if name in labels:
                collided = True
            labels[name] = attributes[key]
        if collided:
            labels = {}
            for key in sorted(attributes):
                name = self.name_of(key)
                text = attributes[key]
                labels[name] = f"{labels[name]};{text}" if labels.get(name) and text else labels.get(name) or text
        labels.pop("__name__", None)
        labels.pop("", None)
        if reserved:
            labels.pop(reserved, None)
        return labels

    def scope_state(self, encoded: bytes) -> ScopeState:
        """A scope from its encoded message.

        Raises:
            DecodeError: it is broken, not UTF-8, or nests too deep.
        """
        name, version, attributes = _read_scope(encoded)
        state = ScopeState({"otel_scope_name": name, "otel_scope_version": version}, dict(attributes))
        if self.settings.include_scope_labels:
            for key, text in attributes:
                state.labels.setdefault("otel_scope_" + self.name_of(key), text)
        return state

    def scope_info(self, resource: ResourceState, scope: ScopeState) -> Labels:
        """The labels of ``otel_scope_info``."""
        attributes = self.from_attributes(scope.attributes, "")
        return {**resource.job, **attributes, **scope.labels, "__name__": "otel_scope_info"}

    def target_info(self, resource: ResourceState) -> Labels:
        """The labels of ``target_info``."""
        attributes = resource.attributes
        if not self.settings.keep_identifying_resource_attributes:
            identifying = ("service.name", "service.namespace", "service.instance.id")
            attributes = {key: text for key, text in attributes.items() if key not in identifying}
        return {**resource.job, **self.from_attributes(attributes, ""), "__name__": "target_info"}

    def family(self, resource: ResourceState, scope: ScopeState, header: "MetricHeader") -> Family:
        """A family from its header, with the reason for which its points cannot be sent, if there is one."""
        settings = self.settings
        kind = header.kind
        name_kind = GAUGE if kind == GAUGE_POINTS else COUNTER if header.is_monotonic else OTHER
        name = metric_name(header.name, header.unit, name_kind, settings.add_metric_suffixes)
        base = {**resource.job, **scope.labels} if settings.include_scope_labels else resource.job
        family = Family(resource, base, kind, name)
        family.description = header.description
        family.unit = unit_name(header.unit)
        family.is_monotonic = header.is_monotonic
        if not name.strip("_"):
            family.refusal = "invalid_name"
        elif kind == NATIVE_POINTS and not settings.native_histograms:
            family.refusal = "native_histograms_disabled"
        elif kind in (SUM_POINTS, HISTOGRAM_POINTS, NATIVE_POINTS) and header.temporality != CUMULATIVE:
            family.is_delta = header.temporality == DELTA and settings.delta_to_cumulative
            if not family.is_delta:
                family.refusal = "delta_temporality" if header.temporality == DELTA else "unspecified_temporality"
        return family

    def point_labels(self, family: Family, encoded: bytes) -> Labels:
        """The labels of a point, without ``__name__``.

        Args:
            family: of the point.
            encoded: its attributes.

        Raises:
            DecodeError: the attributes are broken, not UTF-8, or nest too deep.
        """
        attributes = dict(read_attributes(encoded))
        if self.settings.resource_to_telemetry_conversion:
            attributes.update(family.resource.attributes)
        reserved = ""
        if family.kind == HISTOGRAM_POINTS:
            reserved = "le"
        elif family.kind == SUMMARY_POINTS:
            reserved = "quantile"
        return {**family.base, **self.from_attributes(attributes, reserved)}


class MetricHeader:
    """What a Metric says about all of its points."""

    def __init__(self) -> None:
        self.kind: i64 = 0
        self.name = ""
        self.description = ""
        self.unit = ""
        self.temporality: i64 = 0
        self.is_monotonic = False


def _read_scope(encoded: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Name, version and attributes of an InstrumentationScope."""
    name, version = read_scope(encoded, 0, len(encoded))
    return name, version, read_attributes(_fields(encoded, 0x1A, "InstrumentationScope"))


def read_resource(encoded: bytes) -> ResourceState:
    """A resource from its encoded message.

    Raises:
        DecodeError: it is broken, not UTF-8, or nests too deep.
    """
    return ResourceState(read_attributes(_fields(encoded, 0x0A, "Resource")))


def _fields(encoded: bytes, wanted: i64, message: str) -> bytes:
    """All fields with one tag, as they are."""
    found = bytearray()
    at: i64 = 0
    end: i64 = len(encoded)
    while at < end:
        begin = at
        tag, value = read_tag(encoded, at, message)
        at = skip_value(encoded, tag, value, end, message)
        if tag == wanted:
            found += encoded[begin:at]
    return bytes(found)


def read_header(encoded: bytes) -> MetricHeader:
    """Name, description and unit of a Metric from its encoded fields without its data.

    Raises:
        DecodeError: it is broken or not UTF-8.
    """
    header = MetricHeader()
    at: i64 = 0
    end: i64 = len(encoded)
    while at < end:
        tag, value = read_tag(encoded, at, "Metric")
        at = skip_value(encoded, tag, value, end, "Metric")
        if tag in (0x0A, 0x12, 0x1A):
            text = read_text(encoded, read_length(encoded, value, end, "Metric")[0], at)
            if tag == 0x0A:
                header.name = text
            elif tag == 0x12:
                header.description = text
            else:
                header.unit = text
    return header
