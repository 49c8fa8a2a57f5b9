"""An httpx transport for Docker: one connection per request, GET only, bodies in large pieces.

httpx's own transport costs 20 µs per log line, because dockerd sends each line as a chunk and httpx hands each chunk
through its layers; here a read of the socket is handed on as one piece.

A response has its body in ``extensions["body"]`` as well: ``receive()`` there skips httpx's layers of generators.
"""

from collections.abc import Awaitable, Callable, Sequence

import httpx  # noqa: ASYNC127 - the client that we build on
import trio

from alloytrio.docker.http1 import BodyDecoder, Header, ResponseHead, decode_head, encode_request
from alloytrio.errors import DecodeError

READ_BYTES = 131_072  # of one read; a unix socket's buffer holds about 200 KiB

Connect = Callable[[], Awaitable[trio.abc.Stream]]


class DockerBody(httpx.AsyncByteStream):
    """The body of one response. Whoever asked for it closes it.

    Args:
        stream: the connection, owned by the body.
        decoder: of the body.
        first: bytes of the body that came with the head.
    """

    def __init__(self, stream: trio.abc.Stream, decoder: BodyDecoder, first: bytes) -> None:
        self._stream = stream
        self._decoder = decoder
        self._first = first

    async def receive(self) -> bytes:
        """What has come of the body, at least one byte; empty at its end.

        Raises:
            httpx.ReadError: the connection broke.
            httpx.RemoteProtocolError: it ended inside the body, or what came is no HTTP.
        """
        while not self._decoder.done:
            if self._first:
                data, self._first = self._first, b""
            else:
                try:
                    data = bytes(await self._stream.receive_some(READ_BYTES))
                except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
                    raise httpx.ReadError(f"connection broke: {exc.__cause__ or exc}") from exc
                if not data:
                    if self._decoder.end():
                        break
                    raise httpx.RemoteProtocolError("the connection ended inside a response")
            try:
                content = self._decoder.feed(data)
            except DecodeError as exc:
                raise httpx.RemoteProtocolError(str(exc)) from exc
            if content:
                return content
        return b""

    def __aiter__(self) -> "DockerBody":
        return self

    async def __anext__(self) -> bytes:
        data = await self.receive()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Close the connection at once."""
        await trio.aclose_forcefully(self._stream)


class DockerTransport(httpx.AsyncBaseTransport):
    """Sends GET requests to one dockerd.

    Args:
        connect: opens a connection; raises OSError if nobody is there.
        headers: sent with each request, ``Host`` among them.
    """

    def __init__(self, connect: Connect, headers: Sequence[Header]) -> None:
        self._connect = connect
        self._headers = list(headers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request over a connection of its own. The deadline is the caller's.

        Raises:
            httpx.UnsupportedProtocol: not a GET: this transport cannot change anything in Docker.
            httpx.ConnectError: dockerd is not there.
            httpx.RemoteProtocolError, httpx.ReadError: it did not answer properly.
        """
        if request.method != "GET":
            raise httpx.UnsupportedProtocol(f"{request.method} is not sent to Docker, only GET is")
        try:
            stream = await self._connect()
        except OSError as exc:
            raise httpx.ConnectError(str(exc) or repr(exc)) from exc
        try:
            head, rest = await self._exchange(stream, request)
            body = DockerBody(stream, BodyDecoder(head), rest)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            await trio.aclose_forcefully(stream)
            raise httpx.ReadError(f"connection broke: {exc.__cause__ or exc}") from exc
        except DecodeError as exc:
            await trio.aclose_forcefully(stream)
            raise httpx.RemoteProtocolError(str(exc)) from exc
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return httpx.Response(head.status, headers=head.headers, stream=body, extensions={"body": body})

    async def _exchange(self, stream: trio.abc.Stream, request: httpx.Request) -> tuple[ResponseHead, bytes]:
        headers = [
            (
                b"Accept",
                b"application/json, application/vnd.docker.multiplexed-stream, application/vnd.docker.raw-stream",
            ),
            (b"User-Agent", request.headers.get("user-agent", "alloytrio").encode()),
            (b"Connection", b"close"),
            *self._headers,
        ]
        await stream.send_all(encode_request(request.url.raw_path, headers))
        data = b""
        while (decoded := decode_head(data)) is None:
            more = await stream.receive_some(READ_BYTES)
            if not more:
                raise httpx.RemoteProtocolError("the connection ended without a response")
            data += more
        return decoded
