"""A stream of server-sent events as Quart's response."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol

from quart import Response
from quart.wrappers.response import ResponseBody


class Events(Protocol):
    """What a stream is made of."""

    def __enter__(self) -> object:
        """The stream begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The stream ends, or its reader is gone."""

    async def next(self) -> bytes | None:
        """The next piece; None at the end."""


class _EventBody(ResponseBody):
    """Enters and leaves ``events`` together with the sending of the answer."""

    def __init__(self, events: Events) -> None:
        self._events = events

    async def __aenter__(self) -> "_EventBody":
        self._events.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._events.__exit__(kind, error, traceback)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._events.next()
        if piece is None:
            raise StopAsyncIteration
        return piece


def event_stream(events: Events) -> Response:
    """The answer that sends these events for as long as the reader stays."""
    response = Response(
        _EventBody(events),
        content_type="text/event-stream; charset=utf-8",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},  # nginx holds streams back otherwise
    )
    response.timeout = None
    return response
