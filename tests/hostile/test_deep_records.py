"""A span nested so deeply that a backend cannot read the request that it is in."""

from pathlib import Path

import grpc

from alloytrio.wire.protobuf import bytes_field
from tests.integration.backend import EXPORT, Backend
from tests.integration.service import Service, poll

DEPTH = 10_000


def span(number: int, *fields: bytes) -> bytes:
    """One span of a request."""
    ids = bytes_field(0x0A, bytes([number]) * 16) + bytes_field(0x12, bytes([number]) * 8)
    return bytes_field(0x12, ids + b"".join(fields))


def test_a_deep_span_is_set_aside_alone(tmp_path: Path) -> None:
    """Its neighbours in the batch are delivered, it goes to the rejected folder, nothing is tried for ever."""
    value = b"\x10\x01"
    for _ in range(DEPTH):
        value = bytes_field(0x2A, bytes_field(0x0A, value))
    attribute = bytes_field(0x4A, bytes_field(0x0A, b"deep") + bytes_field(0x12, value))
    request = bytes_field(0x0A, bytes_field(0x12, span(1) + span(2, attribute) + span(3)))
    with Backend() as backend, Service(tmp_path, backend=backend.port) as service:
        with grpc.insecure_channel(f"127.0.0.1:{service.otlp_port}") as channel:
            assert channel.unary_unary(EXPORT)(request, timeout=30) == b""
        backend.wait_until(lambda: sum(backend.spans.values()) == 2)
        poll(lambda: "set aside" in service.log, "the deep span to be set aside")
        assert sorted(backend.spans) == [b"\x01" * 8, b"\x03" * 8]
        assert len([path for path in service.storage.rglob("*.rejected") if path.is_file()]) == 1
        service.terminate()
        assert service.log.count("Traceback") == 0
