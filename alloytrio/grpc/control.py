"""The frames that steer an HTTP/2 connection: WINDOW_UPDATE, RST_STREAM, PRIORITY, PING, SETTINGS, GOAWAY.

Compiled with mypyc.
"""

from alloytrio.grpc import frames
from alloytrio.grpc.events import GoawayReceived, PingAcknowledged, PingReceived, SettingsReceived, StreamReset
from alloytrio.grpc.headers import TABLE_SIZE_ZERO
from alloytrio.grpc.limits import Limits, ReceiveMemory
from alloytrio.grpc.receiving import ConnectionFault, ReceivingHalf, StreamFault

MAX_FRAME_SENT = 65_536  # a larger frame saves nothing and lets a long body hold up the others


class ControlFrames(ReceivingHalf):
    """What the peer says about windows, streams and itself."""

    def __init__(self, client: bool, limits: Limits, memory: ReceiveMemory) -> None:
        super().__init__(client, limits, memory)
        self.peer_max_streams = 100 if client else 0  # what grpc-go assumes until SETTINGS arrive
        self.peer_goaway = False
        self._table_size = 4096  # RFC 9113 section 6.5.2

    def on_connection_frame(self, kind: int, flags: int, payload: bytes, now: float) -> None:
        """A frame that belongs to no stream."""
        if kind == frames.PING:
            self._on_ping(flags, payload, now)
        elif kind == frames.SETTINGS:
            self._on_settings(flags, payload, now)
        else:
            self._on_goaway(payload)

    def on_window_update(self, stream_id: int, payload: bytes, now: float) -> None:
        if len(payload) != 4:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size")
        self._spend("window_updates", now, 4)
        increment = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if stream_id == 0:
            if increment == 0:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
            self._out.window += increment
            if self._out.window > frames.LARGEST_WINDOW:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "a window above its maximum")
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_opened(stream_id)
            return
        if increment == 0:
            raise StreamFault(stream, frames.PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
        stream.window_out += increment
        if stream.window_out > frames.LARGEST_WINDOW:
            raise StreamFault(stream, frames.FLOW_CONTROL_ERROR, "a window above its maximum")
        self._out.requeue(stream)

    def on_reset(self, stream_id: int, payload: bytes, now: float) -> None:
        if len(payload) != 4:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "RST_STREAM of a wrong size")
        if stream_id == 0:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "RST_STREAM without a stream")
        stream = self.streams.get(stream_id)
        if stream is None:
            self._check_opened(stream_id)
        else:
            stream.reset = True
            self._forget(stream)
            self._events.append(StreamReset(stream, int.from_bytes(payload, "big"), True, "reset by the peer"))
        if not self._client:
            self._spend("resets", now)

    def on_priority(self, stream_id: int, payload: bytes, now: float) -> None:
        self._spend("empty_frames", now)
        if stream_id == 0:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "PRIORITY without a stream")
        if len(payload) != 5:
            stream = self.streams.get(stream_id)
            if stream is None:
                raise ConnectionFault(frames.FRAME_SIZE_ERROR, "PRIORITY of a wrong size")
            raise StreamFault(stream, frames.FRAME_SIZE_ERROR, "PRIORITY of a wrong size")

    def _on_ping(self, flags: int, payload: bytes, now: float) -> None:
        if len(payload) != 8:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "PING of a wrong size")
        if flags & frames.FLAG_ACK:
            self._events.append(PingAcknowledged(payload))
            return
        self._spend("pings", now, 2)
        self._out.put_leisurely(frames.ping_frame(payload, ack=True))
        self._events.append(PingReceived())

    def _on_settings(self, flags: int, payload: bytes, now: float) -> None:
        if flags & frames.FLAG_ACK:
            if payload:
                raise ConnectionFault(frames.FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS with a payload")
            if not self.settings_received:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            return
        if len(payload) % 6:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
        self._spend("settings", now)
        for position in range(0, len(payload), 6):
            key = int.from_bytes(payload[position : position + 2], "big")
            self._on_setting(key, int.from_bytes(payload[position + 2 : position + 6], "big"))
        self.settings_received = True
        self._out.put(frames.SETTINGS_ACK)
        self._events.append(SettingsReceived())

    def _on_setting(self, key: int, value: int) -> None:
        if key == frames.SETTINGS_INITIAL_WINDOW_SIZE:
            if value > frames.LARGEST_WINDOW:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "an initial window above its maximum")
            change = value - self._out.initial_window
            self._out.initial_window = value
            for stream in self.streams.values():
                stream.window_out += change
                if stream.window_out > frames.LARGEST_WINDOW:
                    raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "a window above its maximum")
                self._out.requeue(stream)
        elif key == frames.SETTINGS_MAX_FRAME_SIZE:
            if not frames.DEFAULT_FRAME_SIZE <= value <= frames.LARGEST_FRAME_SIZE:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "a maximum frame size out of range")
            self._out.max_frame = min(value, MAX_FRAME_SENT)
        elif key == frames.SETTINGS_ENABLE_PUSH:
            if value > (0 if self._client else 1):
                raise ConnectionFault(frames.PROTOCOL_ERROR, "ENABLE_PUSH out of range")
        elif key == frames.SETTINGS_MAX_CONCURRENT_STREAMS:
            self.peer_max_streams = value
        elif key == frames.SETTINGS_HEADER_TABLE_SIZE:
            if value < self._table_size:
                self._out.block_prefix = TABLE_SIZE_ZERO
            self._table_size = value

    def _on_goaway(self, payload: bytes) -> None:
        if len(payload) < 8:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "GOAWAY of a wrong size")
        self.peer_goaway = True
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        self._events.append(GoawayReceived(last, int.from_bytes(payload[4:8], "big"), payload[8:]))
