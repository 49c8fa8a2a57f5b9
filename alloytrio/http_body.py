"""A request's body that is let go of when the request is over.

httpx's request and response refer to each other in a circle, and so keep the body until the garbage collector comes
by. At a hundred batches a second that is seldom enough to hold tens of MiB of bodies that nobody will look at again.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self


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
