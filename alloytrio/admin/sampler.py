"""Remembers totals every few seconds, so that the page can show rates and small charts from its first moment.

In: totals by key, and the time. Out: rates. Sans-IO; ``serve.py`` has the task that calls it.
One sample of twenty components costs about 0.2 ms; at one per two seconds that is 0.01 % of a core.
"""

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

INTERVAL = 2.0  # seconds between samples
HISTORY = 150  # samples: five minutes
RATE_WINDOW = 10.0  # seconds over which a current rate is taken: smooths batches that go every 5 s


class Sampler:
    """The latest samples, oldest first.

    Args:
        history: samples kept.
        window: seconds over which ``rate`` is taken.
    """

    def __init__(self, history: int = HISTORY, window: float = RATE_WINDOW) -> None:
        self._samples: deque[tuple[float, Mapping[Hashable, float]]] = deque(maxlen=history)
        self._window = window

    def add(self, now: float, totals: Mapping[Hashable, float]) -> None:
        """Remember totals at a monotonic time in seconds."""
        self._samples.append((now, totals))

    def rate(self, key: Hashable) -> float | None:
        """Growth per second over the window; None before there are two samples.

        A total that was not there at the beginning of the window counts from 0, one that fell (a component was
        replaced) counts from 0 as well.
        """
        if len(self._samples) < 2:
            return None
        now, latest = self._samples[-1]
        if key not in latest:
            return None
        began, first = self._window_start(now)
        return _growth(first, latest, key) / (now - began) if now > began else None

    def slope(self, key: Hashable) -> float | None:
        """Change per second over the window of what may fall as well; None while it is not known."""
        if len(self._samples) < 2:
            return None
        now, latest = self._samples[-1]
        began, first = self._window_start(now)
        return (latest[key] - first[key]) / (now - began) if key in first and key in latest and now > began else None

    def rates(self, key: Hashable) -> Sequence[float]:
        """The rate between each two samples, oldest first, for a small chart."""
        samples = list(self._samples)
        return [
            _growth(before, after, key) / (later - earlier)
            for (earlier, before), (later, after) in pairwise(samples)
            if later > earlier
        ]

    def _window_start(self, now: float) -> tuple[float, Mapping[Hashable, float]]:
        return next(each for each in self._samples if now - each[0] <= self._window or each is self._samples[-2])


def _growth(before: Mapping[Hashable, float], after: Mapping[Hashable, float], key: Hashable) -> float:
    start, end = before.get(key, 0.0), after.get(key, 0.0)
    return end - start if end >= start else end
