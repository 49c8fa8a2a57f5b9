"""A TCP link that counts connections and breaks on demand: cut, refused, silent."""

import contextlib
import selectors
import socket
import struct
import threading
from types import TracebackType
from typing import Self

from tests.integration.service import free_port

CHUNK = 65536


class Link:
    """Forwards a port of the loopback to another, in one thread.

    Args:
        target: the port that connections go to.

    Attributes:
        connections: accepted so far.
        sent_bytes: forwarded to the target so far.
        resets: connections cut so far because of ``reset_after``.
        reset_after: cut each connection by RST once this many bytes went to the target; 0 = never.
        target: where new connections go.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.connections = 0
        self.sent_bytes = 0
        self.resets = 0
        self.reset_after = 0
        self._silenced: set[socket.socket] = set()
        self.target = target
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._forwarded: dict[socket.socket, int] = {}  # client side → bytes towards the target
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._run, name="link")

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join(10)
        for end in list(self._peers):
            end.close()
        self._listener.close()
        self._selector.close()

    def silence(self) -> None:
        """Swallow all further bytes of today's connections, without closing anything: half-dead ones."""
        self._silenced = set(self._peers)

    def _run(self) -> None:
        while not self._ending.is_set():
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._peers:  # not closed by an earlier event of this round
                    assert isinstance(key.fileobj, socket.socket)
                    self._forward(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            target = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            self._cut(client)
            return
        self.connections += 1
        self._forwarded[client] = 0
        for end, other in ((client, target), (target, client)):
            end.settimeout(10)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as peers do; else each answer waits 40 ms
            self._peers[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        other = self._peers[source]
        try:
            data = source.recv(CHUNK)
            if data and source not in self._silenced:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._close(source)
        elif source in self._forwarded:
            self.sent_bytes += len(data)
            self._forwarded[source] += len(data)
            if self.reset_after and self._forwarded[source] >= self.reset_after:
                self.resets += 1
                self._close(source)

    def _close(self, end: socket.socket) -> None:
        for each in (end, self._peers[end]):
            self._selector.unregister(each)
            del self._peers[each]
            self._forwarded.pop(each, None)
            self._cut(each)

    @staticmethod
    def _cut(end: socket.socket) -> None:
        """Close with RST instead of FIN."""
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
