"""Prometheus' remote write messages as protobuf's own classes, made from the published field tables."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _FIELD.TYPE_DOUBLE,
    "int64": _FIELD.TYPE_INT64,
    "uint64": _FIELD.TYPE_UINT64,
    "uint32": _FIELD.TYPE_UINT32,
    "sint32": _FIELD.TYPE_SINT32,
    "sint64": _FIELD.TYPE_SINT64,
    "int32": _FIELD.TYPE_INT32,
    "string": _FIELD.TYPE_STRING,
}
_MESSAGES = {
    "WriteRequest": "timeseries=1*TimeSeries metadata=3*MetricMetadata",
    "TimeSeries": "labels=1*Label samples=2*Sample exemplars=3*Exemplar histograms=4*Histogram",
    "Label": "name=1:string value=2:string",
    "Sample": "value=1:double timestamp=2:int64",
    "Exemplar": "labels=1*Label value=2:double timestamp=3:int64",
    "BucketSpan": "offset=1:sint32 length=2:uint32",
    "MetricMetadata": "type=1:int32 metric_family_name=2:string help=4:string unit=5:string",
    "Histogram": (
        "count_int=1:uint64 count_float=2:double sum=3:double schema=4:sint32 zero_threshold=5:double "
        "zero_count_int=6:uint64 negative_spans=8*BucketSpan negative_deltas=9*sint64 "
        "positive_spans=11*BucketSpan positive_deltas=12*sint64 reset_hint=14:int32 timestamp=15:int64"
    ),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="test_remote_write.proto", package="testprom", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            repeated = "*" in field
            head, _, kind = field.partition("*" if repeated else ":")
            field_name, _, number = head.partition("=")
            entry = message.field.add(name=field_name, number=int(number))
            entry.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if kind in _TYPES:
                entry.type = _TYPES[kind]
            else:
                entry.type = _FIELD.TYPE_MESSAGE
                entry.type_name = f".testprom.{kind}"
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def message_class(name: str) -> type[Message]:
    """The class of one message, such as ``WriteRequest``."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"testprom.{name}"))
