"""What a user may set about the gRPC server and client."""

from dataclasses import dataclass, field

from alloytrio.grpc.keepalive import EnforcementPolicy, ServerKeepalive
from alloytrio.grpc.limits import Limits

DEFAULT_MAX_MESSAGE = 4 * 1024 * 1024  # gRPC's own default for received messages


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server treats its clients. Times in seconds.

    Args:
        max_recv_msg_size: bytes of a request, as sent and again when inflated.
        max_concurrent_streams: requests that one connection may have under way.
        max_connections: further ones are closed at once.
        max_buffered_bytes: request bodies held by all connections together, from their first byte until they are
            answered; above it requests are refused with RESOURCE_EXHAUSTED and RetryInfo. Raised to twice
            ``max_recv_msg_size`` if it is less.
        max_header_list_size: bytes of a request's header list.
        handshake_timeout: for the TLS handshake, and again for HTTP/2's first frames.
        frame_timeout: for the rest of a frame or header block once it has begun.
        request_timeout: for the whole of a request to arrive.
        write_timeout: for a client to read what is written to it.
        retry_delay: what RetryInfo says when memory is full.
        keepalive: pings, idle and old connections.
        enforcement: how often clients may ping.
        read_buffer_size: bytes read at once.
    """

    max_recv_msg_size: int = DEFAULT_MAX_MESSAGE
    max_concurrent_streams: int = 100
    max_connections: int = 20_000
    max_buffered_bytes: int = 64 * 1024 * 1024
    max_header_list_size: int = 65_536
    handshake_timeout: float = 20.0
    frame_timeout: float = 20.0
    request_timeout: float = 60.0
    write_timeout: float = 30.0
    retry_delay: float = 1.0
    keepalive: ServerKeepalive = field(default_factory=ServerKeepalive)
    enforcement: EnforcementPolicy = field(default_factory=EnforcementPolicy)
    read_buffer_size: int = 65_536

    def memory_limit(self) -> int:
        """Bytes that bodies may take: any single request fits, together with its inflated form."""
        return max(self.max_buffered_bytes, 2 * self.max_recv_msg_size)

    def limits(self) -> Limits:
        """The bounds of one connection."""
        return Limits(
            max_concurrent_streams=self.max_concurrent_streams,
            max_header_list_size=self.max_header_list_size,
        )
