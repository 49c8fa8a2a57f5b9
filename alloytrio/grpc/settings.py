"""What a user may set about the gRPC server and client."""

from dataclasses import dataclass, field

from alloytrio import __version__
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
        read_buffer_size: bytes read at once from a busy connection.
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
    read_buffer_size: int = 262_144

    def memory_limit(self) -> int:
        """Bytes that bodies may take: any single request fits, together with its inflated form."""
        return max(self.max_buffered_bytes, 2 * self.max_recv_msg_size)

    def limits(self) -> Limits:
        """The bounds of one connection."""
        return Limits(
            max_concurrent_streams=self.max_concurrent_streams,
            max_header_list_size=self.max_header_list_size,
        )


@dataclass(frozen=True, slots=True)
class ClientKeepalive:
    """``client.keepalive`` of Alloy's exporter. Times in seconds.

    Args:
        ping_wait: without a byte from the server; 0 = never ping.
        ping_response_timeout: after which the connection counts as dead.
        ping_without_stream: also while no call is under way.
    """

    ping_wait: float = 0.0
    ping_response_timeout: float = 20.0
    ping_without_stream: bool = False


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How a channel treats its server. Times in seconds.

    Args:
        max_recv_msg_size: bytes of an answer, as sent and again when inflated.
        connect_timeout: for resolving, connecting, TLS and HTTP/2's first frames together.
        probe_timeout: a call that ended without any byte from the server makes us ping it; after so long without an
            answer the connection counts as dead.
        backoff_base: wait after the first failed attempt to connect; failed calls do not wait, they fail at once.
        backoff_multiplier: each further wait is so many times longer.
        backoff_jitter: and longer or shorter by up to this part.
        backoff_max: up to this.
        keepalive: pings.
        user_agent: as sent.
        max_concurrent_streams: calls under way at once, if the server allows as many; more wait.
        read_buffer_size: bytes read at once.
    """

    max_recv_msg_size: int = DEFAULT_MAX_MESSAGE
    connect_timeout: float = 20.0
    probe_timeout: float = 5.0
    backoff_base: float = 1.0
    backoff_multiplier: float = 1.6
    backoff_jitter: float = 0.2
    backoff_max: float = 120.0
    keepalive: ClientKeepalive = field(default_factory=ClientKeepalive)
    user_agent: str = f"alloytrio/{__version__}"
    max_concurrent_streams: int = 1000
    read_buffer_size: int = 65_536

    def memory_limit(self) -> int:
        """Bytes that answers may take together."""
        return 4 * self.max_recv_msg_size
