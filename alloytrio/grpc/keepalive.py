"""Signs of life: when we ping, and how often a peer may.

Sans-IO; times are seconds of the caller's clock. Source: grpc/proposal A8 and A9, grpc-go
``internal/transport/http2_server.go`` (strikes), ``keepalive/keepalive.go`` (defaults); reference of Alloy's arguments.
"""

import math
from dataclasses import dataclass

MAX_PING_STRIKES = 2  # grpc-go, C core and Java all forgive two
IDLE_PING_INTERVAL = 7200.0  # without a stream, a client that may not ping then is held to this (grpc-go)
KEEPALIVE_PAYLOAD = b"alloytri"
DRAIN_LINGER = 1.0  # seconds for calls that were on their way when a client was told to go; many round trips


@dataclass(frozen=True, slots=True)
class ServerKeepalive:
    """``keepalive > server_parameters`` of Alloy's gRPC server; all in seconds, 0 = never.

    Args:
        max_connection_idle: a connection without streams for so long is drained.
        max_connection_age: a connection is drained after so long, plus or minus a tenth.
        max_connection_age_grace: and its streams are cut off after so long more.
        time: a ping is sent after so long without a byte from the client.
        timeout: and the connection is cut after so long without a byte.
    """

    max_connection_idle: float = 0.0
    max_connection_age: float = 0.0
    max_connection_age_grace: float = 0.0
    time: float = 7200.0
    timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class EnforcementPolicy:
    """``keepalive > enforcement_policy`` of Alloy's gRPC server.

    Args:
        min_time: seconds that a client should leave between pings.
        permit_without_stream: it may ping while no request is under way.
    """

    min_time: float = 300.0
    permit_without_stream: bool = False


class PingStrikes:
    """Counts a client's pings that come too often; an answer sent in between forgives all."""

    def __init__(self, policy: EnforcementPolicy) -> None:
        self._policy = policy
        self._strikes = 0
        self._last_at = -math.inf
        self._answered = False

    def answered(self) -> None:
        """HEADERS or DATA were sent to the client."""
        self._answered = True

    def ping(self, now: float, *, streams: int) -> bool:
        """A ping arrived while ``streams`` were open. Returns False when there were too many."""
        if self._answered:
            self._answered = False
            self._strikes = 0
        else:
            permitted = streams > 0 or self._policy.permit_without_stream
            interval = self._policy.min_time if permitted else IDLE_PING_INTERVAL
            if now < self._last_at + interval:
                self._strikes += 1
        self._last_at = now
        return self._strikes <= MAX_PING_STRIKES


class Heartbeat:
    """Finds out that a peer is gone.

    Args:
        interval: seconds without a byte after which a ping is due; 0 or infinity = never.
        timeout: seconds without a byte after the ping, after which the peer counts as gone.
        now: seconds.

    Attributes:
        heard_at: when the last bytes came in.
        waiting: a ping is out that nothing was heard after.
    """

    def __init__(self, interval: float, timeout: float, now: float) -> None:
        self._interval = interval if interval > 0 else math.inf
        self._timeout = timeout
        self.heard_at = now
        self._rested_at = now
        self._dead_at = math.inf
        self.waiting = False

    def hear(self, now: float) -> None:
        """Bytes came in."""
        self.heard_at = now
        self.waiting = False

    def rest(self, now: float) -> None:
        """There was nothing to hear until now: count from here."""
        self._rested_at = now

    def ping_due(self, now: float) -> bool:
        """Whether to send a ping now; counted as sent."""
        if self.waiting or now < max(self.heard_at, self._rested_at) + self._interval:
            return False
        return self.probe(now, self._timeout)

    def probe(self, now: float, timeout: float) -> bool:
        """Whether to send a ping now, without waiting for the interval; False when one is out already."""
        if self.waiting:
            return False
        self.waiting = True
        self._dead_at = now + timeout
        return True

    def dead(self, now: float) -> bool:
        """Whether the last ping stayed without any byte for too long."""
        return self.waiting and now >= self._dead_at

    def next_at(self) -> float:
        """When to ask again."""
        return self._dead_at if self.waiting else max(self.heard_at, self._rested_at) + self._interval
