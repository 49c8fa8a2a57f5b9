"""Bodies of requests and answers: let go of when the request is over, and read only so far.

httpx's request and response refer to each other in a circle, and so keep the body until the garbage collector comes
by. At a hundred batches a second that is seldom enough to hold tens of MiB of bodies that nobody will look at again.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import httpx
import trio


class RequestBody:
    """For ``content=`` of httpx; valid inside of its ``with`` block.

    Args:
        data: the whole body.
    """

    def __init__(self, data: bytes) -> None:
        self.headers = {"Content-Length": str(len(data))}
        self._data = data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._data = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data


async def read_at_most(response: httpx.Response, most: int) -> tuple[bytes, bool]:
    """The body of an answer, up to ``most`` bytes: a broken backend may send without end.

    A body that is compressed, which nobody asked for, is not read at all: httpx would inflate it without a bound.

    Returns:
        the body, and whether any of it was left unread.
    """
    if response.headers.get("content-encoding", "identity") != "identity":
        return b"", True
    body = bytearray()
    # Left by a cancellation and not by break: httpx has generators in generators, which only an error ends in order.
    with trio.CancelScope() as reading:
        async for piece in response.aiter_bytes():
            body += piece[: most - len(body)]
            if len(body) == most:
                reading.cancel()
    return bytes(body), reading.cancelled_caught
