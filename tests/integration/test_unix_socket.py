"""A receiver on a unix socket, and an age limit for its connections, as a configuration sets them."""

from pathlib import Path

import grpc

from alloytrio.wire.protobuf import bytes_field
from tests.integration.backend import EXPORT, Backend
from tests.integration.service import Service

CALLS = 20


def request(number: int) -> bytes:
    """A request with one span."""
    ids = bytes_field(0x0A, number.to_bytes(16, "big")) + bytes_field(0x12, number.to_bytes(8, "big"))
    return bytes_field(0x0A, bytes_field(0x12, bytes_field(0x12, ids)))


def test_spans_by_a_unix_socket(tmp_path: Path) -> None:
    """grpcio exports by unix:PATH, before a restart of the service and after it, and each span arrives once."""
    path = tmp_path / "otlp.sock"
    with Backend() as backend:
        service = Service(tmp_path, backend=backend.port)
        address = f'"127.0.0.1:{service.otlp_port}"'
        keepalive = 'keepalive = { server_parameters = { max_connection_age = "300ms" } }'
        text = service.config.read_text()
        assert address in text
        service.config.write_text(text.replace(address, f'"{path}", transport = "unix", {keepalive}'))
        for start in (1, 1 + CALLS):
            with service:
                with grpc.insecure_channel(f"unix:{path}") as channel:
                    for number in range(start, start + CALLS):
                        assert channel.unary_unary(EXPORT)(request(number), timeout=30) == b""
                service.terminate()
        backend.wait_until(lambda: len(backend.spans) == 2 * CALLS)
        assert set(backend.spans.values()) == {1}
