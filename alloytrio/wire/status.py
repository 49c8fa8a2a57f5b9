"""The small messages that backends answer with: ``google.rpc.Status`` and ``Export…ServiceResponse``.

In: encoded bytes of a backend. Out: plain values. Errors: ``DecodeError``.
Source: google/rpc/status.proto; the three OTLP service definitions, whose answers have the same field numbers.
"""

from alloytrio.errors import DecodeError
from alloytrio.wire.protobuf import read_length, read_tag, read_varint, skip_value, truncated


def status_message(payload: bytes) -> str:
    """The text of a ``google.rpc.Status``; empty if it has none.

    Raises:
        DecodeError: the bytes are no such message.
    """
    return _read(payload, "Status")[1]


def partial_success(payload: bytes) -> tuple[int, str]:
    """The rejected items and the message of an ``Export…ServiceResponse``; (0, "") if all was taken.

    Raises:
        DecodeError: the bytes are no such message.
    """
    name = "ExportServiceResponse"
    rejected, text, at = 0, "", 0
    try:
        while at < len(payload):
            tag, at = read_tag(payload, at, name)
            if tag == 0x0A:
                start, at = read_length(payload, at, len(payload), name)
                rejected, text = _read(payload[start:at], name)
            else:
                at = skip_value(payload, tag, at, len(payload), name)
    except IndexError:
        raise truncated(payload, name) from None
    return rejected, text


def _read(payload: bytes, name: str) -> tuple[int, str]:
    """A message whose field 1 is a number and field 2 a text; other fields are skipped."""
    number, text, at = 0, "", 0
    try:
        while at < len(payload):
            tag, at = read_tag(payload, at, name)
            if tag == 0x08:
                number, at = read_varint(payload, at, name)
            elif tag == 0x12:
                start, at = read_length(payload, at, len(payload), name)
                text = payload[start:at].decode("utf-8", "replace")
            else:
                at = skip_value(payload, tag, at, len(payload), name)
    except IndexError:
        raise truncated(payload, name) from None
    if at > len(payload):
        raise DecodeError(f"{name}: ends inside a field")
    return number if number < 1 << 63 else 0, text
