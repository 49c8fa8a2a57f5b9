"""Wall-clock stamps that do not jump: the wall clock is read once, then the monotonic clock carries it on.

Ages are compared across restarts, so they need the wall clock; a clock that is set while we run must neither drop data
that looks old nor keep it for ever.
"""

from collections.abc import Callable


class Clock:
    """Both clocks of one outbox.

    Args:
        wall_ns: wall-clock nanoseconds at the start.
        monotonic: seconds; ``trio.current_time`` when running.
    """

    def __init__(self, wall_ns: int, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._start = monotonic()
        self._start_ns = wall_ns

    def now(self) -> float:
        """Seconds, monotonic."""
        return self._monotonic()

    def now_ns(self) -> int:
        """The wall-clock stamp of this moment."""
        return self.stamp(self._monotonic())

    def stamp(self, now: float) -> int:
        """The wall-clock stamp of a monotonic time."""
        return self._start_ns + int((now - self._start) * 1e9)

    def arrival(self, accepted_ns: int) -> float:
        """The monotonic time of a wall-clock stamp, never in the future."""
        return min(self._start + (accepted_ns - self._start_ns) / 1e9, self._monotonic())
