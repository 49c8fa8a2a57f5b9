"""Keeps a line that repeats itself from flooding the log.

In: the identity of a line and the time. Out: whether to print it, and how many of its kind were held back before.
Errors: none.
"""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Window:
    began: float
    printed: int
    held_back: int


class RepeatLimit:
    """Lets ``burst`` equal lines through per ``interval``.

    Args:
        burst: equal lines per interval; 0 = no limit.
        interval: seconds.
        max_keys: kinds of lines that are remembered; the one unused for longest is forgotten first.
    """

    def __init__(self, burst: int, interval: float, max_keys: int) -> None:
        self._burst = burst
        self._interval = interval
        self._max_keys = max_keys
        self._windows: OrderedDict[tuple[str, ...], _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def admit(self, key: tuple[str, ...], now: float) -> int | None:
        """How many lines of this kind were held back before this one, or None to hold this one back too.

        Args:
            key: what makes two lines equal.
            now: a monotonic time in seconds.
        """
        if self._burst == 0:
            return 0
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= self._max_keys:
                self._windows.popitem(last=False)
            self._windows[key] = _Window(now, 1, 0)
            return 0
        self._windows.move_to_end(key)
        if now - window.began >= self._interval:
            held_back = window.held_back
            self._windows[key] = _Window(now, 1, 0)
            return held_back
        if window.printed < self._burst:
            window.printed += 1
            return 0
        window.held_back += 1
        return None
