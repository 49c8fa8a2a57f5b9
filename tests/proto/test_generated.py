"""The generated classes: the same fields as the official ones, and service bases that can be served."""

import subprocess
import sys

import betterproto
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from alloytrio.component import Signal
from alloytrio.otlp import EXPORT_PATHS
from alloytrio.proto.gen.google import rpc
from alloytrio.proto.gen.opentelemetry.proto.collector.logs import v1 as logs_service
from alloytrio.proto.gen.opentelemetry.proto.collector.metrics import v1 as metrics_service
from alloytrio.proto.gen.opentelemetry.proto.collector.trace import v1 as trace_service
from alloytrio.proto.gen.opentelemetry.proto.common import v1 as common
from alloytrio.proto.gen.opentelemetry.proto.logs import v1 as logs
from alloytrio.proto.gen.opentelemetry.proto.metrics import v1 as metrics
from alloytrio.proto.gen.opentelemetry.proto.resource import v1 as resource
from alloytrio.proto.gen.opentelemetry.proto.trace import v1 as trace
from alloytrio.proto.gen.prometheus import Sample, WriteRequest

PAIRS = [
    (common, common_pb2),
    (resource, resource_pb2),
    (trace, trace_pb2),
    (metrics, metrics_pb2),
    (logs, logs_pb2),
    (trace_service, trace_service_pb2),
    (metrics_service, metrics_service_pb2),
    (logs_service, logs_service_pb2),
]
TYPES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def official(message: Descriptor) -> dict[int, tuple[str, str]]:
    """Field number → name and type, of a message and those inside it."""
    return {field.number: (field.name, TYPES[field.type]) for field in message.fields}


def generated(message: type[betterproto.Message]) -> dict[int, tuple[str, str]]:
    """The same of a generated class."""
    fields = betterproto.ProtoClassMetadata(message).meta_by_field_name
    return {meta.number: (name, meta.proto_type) for name, meta in fields.items()}


def messages() -> list[tuple[type[betterproto.Message], Descriptor]]:
    """Each generated class with its official descriptor."""
    found = []
    for module, reference in PAIRS:
        for name, descriptor in reference.DESCRIPTOR.message_types_by_name.items():
            for inner in [descriptor, *descriptor.nested_types]:
                class_name = name if inner is descriptor else name + inner.name
                if hasattr(module, class_name):
                    found.append((getattr(module, class_name), inner))
    return found


@pytest.mark.parametrize(("message", "descriptor"), messages(), ids=lambda value: getattr(value, "__name__", ""))
def test_fields_are_the_official_ones(message: type[betterproto.Message], descriptor: Descriptor) -> None:
    """Every field that we have exists officially with the same number, name and type."""
    ours, theirs = generated(message), official(descriptor)
    assert ours.items() <= theirs.items()


def test_most_messages_are_compared() -> None:
    """The comparison does not pass for want of messages."""
    assert len(messages()) >= 35


@pytest.mark.parametrize(
    ("signal", "base"),
    [
        (Signal.TRACES, trace_service.TraceServiceBase),
        (Signal.METRICS, metrics_service.MetricsServiceBase),
        (Signal.LOGS, logs_service.LogsServiceBase),
    ],
)
def test_service_bases(signal: Signal, base: type) -> None:
    """Each service has the path under which it is served and called here."""
    assert list(base().__mapping__()) == [EXPORT_PATHS[signal]]


def test_retry_info() -> None:
    """The reference's status with RetryInfo decodes."""
    encoded = bytes.fromhex("080e120462757379") + bytes([0x1A, 0x30, 0x0A, 0x28])
    encoded += b"type.googleapis.com/google.rpc.RetryInfo" + bytes.fromhex("12040a02081e")
    status = rpc.Status().parse(encoded)
    assert (status.code, status.message) == (14, "busy")
    assert rpc.RetryInfo().parse(status.details[0].value).retry_delay.seconds == 30


def test_remote_write_vector() -> None:
    """The reference's sample, encoded by hand, decodes to the same."""
    encoded = "0a270a0d0a085f5f6e616d655f5f1201610a080a036a6f62120162120c09000000000000f03f10e807"
    request = WriteRequest().parse(bytes.fromhex(encoded))
    labels = {label.name: label.value for label in request.timeseries[0].labels}
    assert labels == {"__name__": "a", "job": "b"}
    assert request.timeseries[0].samples == [Sample(value=1.0, timestamp=1000)]


def test_loading_is_light() -> None:
    """Loading a service base does not load protobuf's own library."""
    code = (
        "import sys; import alloytrio.proto.gen.opentelemetry.proto.collector.trace.v1;"
        "assert 'google.protobuf' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
