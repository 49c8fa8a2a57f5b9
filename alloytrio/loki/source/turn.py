"""A reader's turn at something that few readers may do at the same time."""

import math

import trio


class Turn:
    """A place among those that open their streams, or that work; given back once.

    Attributes:
        until: on the event loop's clock, when it is to be given back at the latest; inf when it was.
    """

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self._limiter = limiter
        self._is_held = False
        self.until = math.inf

    async def acquire(self) -> None:
        await self._limiter.acquire_on_behalf_of(self)
        self._is_held = True

    def release_at(self, until: float) -> None:
        self.until = until

    def release(self) -> None:
        self.until = math.inf
        if self._is_held:
            self._is_held = False
            self._limiter.release_on_behalf_of(self)
