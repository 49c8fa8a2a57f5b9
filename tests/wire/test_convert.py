"""Metrics to series: compared with the plain reference for random requests, and by tables for what the rules name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from alloytrio.wire.convert import Converter
from alloytrio.wire.families import ConvertSettings
from tests.wire.metric_points import decode_rows, encoded, requests
from tests.wire.metrics_reference import Reference

OPTIONS = [
    [],
    ["include_scope_labels", "native_histograms"],
    ["resource_to_telemetry_conversion", "delta_to_cumulative"],
]


def converter(**options: object) -> Converter:
    """A converter that sends what it makes as it is."""
    return Converter(ConvertSettings(lambda labels: labels, **options))  # type: ignore[arg-type]  # by keyword


@pytest.mark.parametrize("options", OPTIONS, ids=lambda names: "+".join(names) or "defaults")
@settings(max_examples=40)
@given(sequence=st.lists(requests(delta_native=False), min_size=1, max_size=3))
def test_same_as_the_reference(options: list[str], sequence: list[ExportMetricsServiceRequest]) -> None:
    """For any requests, one after the other, the same samples in the same order, and the same points left out."""
    ours, reference = converter(**dict.fromkeys(options, True)), Reference(*options)
    for request in sequence:
        expected = reference.convert(request)
        parts = ours.convert(encoded(request), 0)
        rows = [row for _, _, payload in parts for row in decode_rows(payload)]
        assert rows == expected
        assert sum(items for _, items, _ in parts) == sum(1 + len(row.exemplars) for row in rows)
    assert ours.emitter.dropped == dict(reference.dropped)
