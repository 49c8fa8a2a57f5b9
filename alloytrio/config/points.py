"""What a configuration makes of OpenTelemetry data points: the series that reach each Prometheus, without running it.

The conversion, external labels and relabel rules are the objects that run; nothing is stored or sent.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from alloytrio.component import ComponentConfig
from alloytrio.otelcol.exporter.prometheus import PrometheusExporterConfig
from alloytrio.prometheus.remote_write import RemoteWriteConfig
from alloytrio.samples import SampleView
from alloytrio.wire.convert import Converter
from alloytrio.wire.otlp_json import encode_request
from alloytrio.wire.samples_read import read_samples

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Of histograms that give none; the SDKs' default, in seconds."""

_CUMULATIVE = 2  # AggregationTemporality


class Point(BaseModel):
    """One data point, as an instrument of an SDK makes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="of the metric")
    type: Literal["gauge", "counter", "updowncounter", "histogram"] = Field("gauge", description="of the instrument")
    unit: str = Field("", description="as the SDK says it, such as s or By")
    value: float = Field(0.0, description="the value; of a histogram its only observation")
    attributes: dict[str, str] = Field({}, description="of the point")
    bounds: tuple[float, ...] = Field(BOUNDS, description="of a histogram's buckets")


class Series(BaseModel):
    """One series as it is sent.

    Args:
        at: the component that sends it.
        labels: without the name.
    """

    model_config = ConfigDict(frozen=True)

    at: str
    name: str
    labels: dict[str, str]
    value: float | None


def series_at(
    exporter: PrometheusExporterConfig,
    writers: Mapping[str, ComponentConfig],
    points: Sequence[Point],
    resource: Mapping[str, str],
    ts_ns: int,
) -> Iterator[Series]:
    """The series that an exporter hands to what is behind it, as each endpoint gets them.

    Args:
        exporter: ``otelcol.exporter.prometheus``.
        writers: the components behind it, by id.
        points: in one request.
        resource: attributes of what they come from.
        ts_ns: of all points, nanoseconds since 1970.
    """
    payload = encode_request("metrics", json.dumps(_request(points, resource, ts_ns)).encode())
    for writer_id, writer in writers.items():
        for view in _views(writer):
            for shard, samples, series in Converter(exporter.convert_settings(view)).convert(payload, 0):
                for fragment in view.fragments(shard, samples, series):
                    yield from _read(writer_id, fragment.payload)


def _views(writer: ComponentConfig) -> list[SampleView]:
    if isinstance(writer, RemoteWriteConfig):
        return [endpoint.view(writer.external_labels) for endpoint in writer.endpoint]
    return [SampleView()]


def _read(writer_id: str, payload: bytes) -> Iterator[Series]:
    for each in read_samples(payload):
        labels = dict(each.labels)
        name = labels.pop("__name__", "")
        value = each.samples[0][1] if each.samples else None
        yield Series(at=writer_id, name=name, labels=labels, value=value)


def _request(points: Sequence[Point], resource: Mapping[str, str], ts_ns: int) -> dict[str, object]:
    """OTLP/JSON."""
    scope = {"metrics": [_metric(point, ts_ns) for point in points]}
    return {"resourceMetrics": [{"resource": {"attributes": attributes(resource)}, "scopeMetrics": [scope]}]}


def _metric(point: Point, ts_ns: int) -> dict[str, object]:
    data_point: dict[str, object] = {
        "attributes": attributes(point.attributes),
        "timeUnixNano": str(ts_ns),
        "startTimeUnixNano": str(ts_ns),
    }
    data: dict[str, object] = {"dataPoints": [data_point]}
    metric: dict[str, object] = {"name": point.name, "unit": point.unit}
    match point.type:
        case "gauge":
            data_point["asDouble"] = point.value
            return {**metric, "gauge": data}
        case "histogram":
            counts = [0] * (len(point.bounds) + 1)
            counts[sum(bound < point.value for bound in point.bounds)] = 1
            data_point |= {
                "count": "1",
                "sum": point.value,
                "explicitBounds": list(point.bounds),
                "bucketCounts": [str(count) for count in counts],
            }
            return {**metric, "histogram": {**data, "aggregationTemporality": _CUMULATIVE}}
        case "counter" | "updowncounter":
            data_point["asDouble"] = point.value
            data |= {"aggregationTemporality": _CUMULATIVE, "isMonotonic": point.type == "counter"}
            return {**metric, "sum": data}


def attributes(values: Mapping[str, str]) -> list[dict[str, object]]:
    """Attributes in OTLP/JSON."""
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
