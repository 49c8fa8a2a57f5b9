"""The stream that hypercorn reads from and writes to: writes have a deadline, and anyone can close it at once.

hypercorn's ``TCPServer`` shields each write without a deadline, so a client that does not read would hold it, and the
end of the process, for ever. Here a write that makes no end in ``write_timeout`` closes the connection, and
``close_now`` works from outside, whatever is shielded. Writes take turns: hypercorn's reader may say ``100 Continue``,
or end the connection, while the application answers.

In: an accepted socket, with TLS over it or not.
Errors: those of ``trio.abc.Stream``; a timed out write is a ``trio.BrokenResourceError``, as for a peer that is gone.
"""

from collections.abc import Callable

import trio

from alloytrio.handshake import TlsPort


class ServedStream:
    """One accepted connection without TLS.

    Args:
        socket_stream: the accepted connection; closed by ``aclose`` or ``close_now``.
        write_timeout: seconds in which one write must end.
        check: called with all that was received; False means that the peer floods us and the connection ends.
    """

    def __init__(
        self,
        socket_stream: trio.SocketStream,
        write_timeout: float,
        check: Callable[[bytes], bool] = lambda received: True,
    ) -> None:
        self._socket_stream = socket_stream
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = socket_stream
        self._write_timeout = write_timeout
        self._check = check
        self._turn = trio.StrictFIFOLock()

    @property
    def socket(self) -> trio.socket.SocketType:
        """For the addresses of both ends."""
        return self._socket_stream.socket

    async def receive_some(self, max_bytes: int) -> bytes:
        """Up to ``max_bytes``, or nothing at the peer's end of stream."""
        received = bytes(await self._stream.receive_some(max_bytes))
        if not self._check(received):
            self.close_now()
            raise trio.BrokenResourceError("the peer floods the connection")
        return received

    async def send_all(self, data: bytes) -> None:
        """Send all of it within the write timeout, or close the connection."""
        try:
            with trio.fail_after(self._write_timeout):
                async with self._turn:
                    await self._stream.send_all(data)
        except trio.TooSlowError:
            self.close_now()
            raise trio.BrokenResourceError("the peer does not read") from None

    async def send_eof(self) -> None:
        """Say that nothing more will be sent, behind a write that is under way."""
        async with self._turn:
            await self._socket_stream.send_eof()

    def close_now(self) -> None:
        """Close without waiting; whoever reads or writes gets ``trio.ClosedResourceError``."""
        self._socket_stream.socket.close()

    async def aclose(self) -> None:
        """Close; a polite goodbye to the peer is not waited for."""
        self.close_now()
        await trio.lowlevel.checkpoint()


class TlsServedStream(ServedStream):
    """One accepted connection with TLS over it. hypercorn knows it by ``do_handshake``.

    Args:
        socket_stream, write_timeout, check: see ``ServedStream``.
        tls: shakes hands.
        handshake_timeout: seconds for that.
    """

    def __init__(
        self,
        socket_stream: trio.SocketStream,
        tls: TlsPort,
        handshake_timeout: float,
        write_timeout: float,
        check: Callable[[bytes], bool] = lambda received: True,
    ) -> None:
        super().__init__(socket_stream, write_timeout, check)
        self._port = tls
        self._handshake_timeout = handshake_timeout
        self._tls: trio.SSLStream[trio.SocketStream] | None = None

    @property
    def transport_stream(self) -> trio.SocketStream:
        """For the addresses of both ends."""
        return self._socket_stream

    async def do_handshake(self) -> None:
        """Agree on keys and protocol.

        Raises:
            trio.BrokenResourceError: it failed, and that was reported.
        """
        self._tls = await self._port.secure(self._socket_stream, self._handshake_timeout)
        if self._tls is None:
            raise trio.BrokenResourceError("the TLS handshake failed")
        self._stream = self._tls

    def selected_alpn_protocol(self) -> str | None:
        """``"h2"``, ``"http/1.1"`` or None, after the handshake."""
        protocol = None if self._tls is None else self._tls.selected_alpn_protocol()
        return protocol if isinstance(protocol, str) else None

    async def send_eof(self) -> None:
        """TLS has no half-closed state; the following ``aclose`` ends both directions."""
        await trio.lowlevel.checkpoint()
