"""Bodies of requests are let go of when the request is over."""

import sys

import httpx  # noqa: ASYNC127 - the client that we build on
import trio

from alloytrio.http_body import RequestBody


class Echo(httpx.AsyncBaseTransport):
    """Answers with what it got, headers first."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Read and answer."""
        await trio.lowlevel.checkpoint()
        headers = {name: request.headers.get(name, "") for name in ("content-length", "transfer-encoding")}
        assert isinstance(request.stream, httpx.AsyncByteStream)
        text = "".join([piece.decode() async for piece in request.stream])
        return httpx.Response(200, json={"body": text, **headers})


async def test_sent_whole_and_released() -> None:
    """A body has its length, not chunks, and nothing holds it after the request, not even a circle of references."""
    client = httpx.AsyncClient(transport=Echo())
    body = b"".join([b"hel", b"lo"])  # not a constant, which others may refer to
    references = sys.getrefcount(body)
    async with client:
        with RequestBody(body) as content:
            response = await client.post("http://test", content=content, headers=content.headers)
        assert response.json() == {"body": "hello", "content-length": "5", "transfer-encoding": ""}
        assert response.request.headers["content-length"] == "5"
        assert sys.getrefcount(body) == references
