"""Room in an outbox: bytes are reserved before anything is written, and who finds none waits in a queue.

The first that waits is the first that gets room, so a large request is not overtaken for ever by small ones.
"""

from collections import deque
from collections.abc import Callable

import trio


class Room:
    """Bytes that may still be written.

    Args:
        limit: bytes in all.
        used: asks how many bytes are used, without what is reserved.
    """

    def __init__(self, limit: int, used: Callable[[], int]) -> None:
        self.limit = limit
        self._used = used
        self._reserved = 0
        self._waiting: deque[trio.Event] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def reserve(self, size: int, *, is_next: bool = False) -> bool:
        """Take room, if it is there and nobody waits for it already.

        Args:
            size: bytes.
            is_next: take it although others wait: for who was just woken as the first of them.
        """
        if self._waiting and not is_next:
            return False
        if self._used() + self._reserved + size > self.limit:
            return False
        self._reserved += size
        return True

    def release(self, size: int) -> None:
        """Give back what was reserved: it is written now, or never will be."""
        self._reserved -= size

    def wake(self) -> None:
        """There may be room now: the first that waits tries again."""
        if self._waiting:
            self._waiting[0].set()

    def wake_all(self) -> None:
        """There will never be room again: all that wait look for themselves."""
        for turn in self._waiting:
            turn.set()

    async def wait(self, *, first: bool) -> None:
        """Wait in the queue until it is worth trying again. Who then gets its room calls ``wake`` for the next.

        Args:
            first: stay at the head: for who was woken and found too little.
        """
        turn = trio.Event()
        if first:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            await turn.wait()
        except trio.Cancelled:
            was_first = self._waiting[0] is turn
            self._waiting.remove(turn)
            if was_first:
                self.wake()  # the turn must not be lost with us
            raise
        self._waiting.remove(turn)
