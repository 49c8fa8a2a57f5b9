"""How long a server's connection may last: handshake, silence, idleness, age, and the way to its end.

A connection is drained in two steps (RFC 9113 section 6.8): GOAWAY that names no stream, and after a while, when every
stream that was on its way has arrived, the second GOAWAY names the last one. When the streams are done the connection
is closed. Clients close it themselves before that, as soon as their calls are answered: a call that a client had begun
when the first GOAWAY came may be sent even after its answer to a PING, so only time, and no PING, tells that all are
here. Sans-IO; times are seconds of the caller's clock.
"""

import math

from alloytrio.grpc import frames
from alloytrio.grpc.http2 import Connection
from alloytrio.grpc.keepalive import DRAIN_LINGER, KEEPALIVE_PAYLOAD, Heartbeat
from alloytrio.grpc.settings import ServerSettings


class Lifetime:
    """Decides when a connection is pinged, drained and closed.

    Args:
        connection: whose life it is.
        settings: see there.
        now: seconds.
        age_limit: seconds after which it is drained; infinity = never. (The server adds jitter to the setting.)

    Attributes:
        over: why the connection should be closed; empty while it should not.
    """

    def __init__(self, connection: Connection, settings: ServerSettings, now: float, age_limit: float) -> None:
        keepalive = settings.keepalive
        self.over = ""
        self._connection = connection
        self._frame_timeout = settings.frame_timeout
        self._handshake_until = now + settings.handshake_timeout
        self._heartbeat = Heartbeat(keepalive.time, keepalive.timeout, now)
        self._idle_limit = keepalive.max_connection_idle or math.inf
        self._idle_since = now
        self._old_at = now + age_limit
        self._grace = keepalive.max_connection_age_grace or math.inf
        self._cut_at = math.inf
        self._announced_at = math.inf
        self._final = False

    def heard(self, now: float) -> None:
        """Bytes came in."""
        self._heartbeat.hear(now)

    def busy(self, now: float) -> None:
        """A request arrived or was answered."""
        self._idle_since = now
        if self._final and not self._connection.streams:
            self.over = "drained"

    def drain(self, now: float) -> None:
        """Begin to end: no new streams, but what is under way is finished."""
        if self._announced_at < math.inf or self.over:
            return
        self._announced_at = now
        if not self._connection.settings_received:
            self.over = "drained"
            return
        self._connection.announce_goaway()

    def _finish_drain(self) -> None:
        if not self._final:
            self._final = True
            self._connection.goaway(frames.NO_ERROR, b"")
        if not self._connection.streams:
            self.over = "drained"

    def tick(self, now: float) -> None:
        """Look at the clock: once a second is often enough."""
        connection = self._connection
        if connection.streams:
            self._idle_since = now
        if not connection.settings_received and now >= self._handshake_until:
            self.over = "no HTTP/2 in time"
        elif connection.unfinished_since >= 0 and now >= connection.unfinished_since + self._frame_timeout:
            self.over = "a frame did not arrive in time"
        elif self._heartbeat.dead(now):
            self.over = "no sign of life"
        elif now >= self._cut_at:
            self.over = "too old"
        elif self._announced_at < math.inf:
            if self._final or now >= self._announced_at + DRAIN_LINGER:
                self._finish_drain()
        elif now >= self._old_at:
            self._cut_at = now + self._grace
            self.drain(now)
        elif now >= self._idle_since + self._idle_limit:
            self.drain(now)
        elif self._heartbeat.ping_due(now):
            connection.ping(KEEPALIVE_PAYLOAD)
