"""Counts the distinct values of each label, because each set of values is a stream of its own in Loki.

A label with a thousand values in half an hour is an id, and ids make Loki slow, and then refuse new streams. No I/O.
"""

from collections.abc import Callable, Mapping

from alloytrio.wire.loki import LabelShape

WINDOW = 1800.0  # seconds: Loki keeps a stream that nothing is written to in memory for so long


class LabelValues:
    """The values of each label within a window.

    Args:
        limit: values of one label above which ``warn`` is called.
        warn: called with the label's name and the number of values, at most once per window and label.
    """

    def __init__(self, limit: int, warn: Callable[[str, int], None]) -> None:
        self._limit = limit
        self._warn = warn
        self._values: dict[str, set[str]] = {}
        self._window_end = 0.0
        self.high: frozenset[str] = frozenset()

    def note(self, label_sets: Mapping[LabelShape, list[dict[str, str]]], now: float) -> bool:
        """Count the values of label sets; whether ``high``, the labels above the limit, has grown.

        Args:
            label_sets: by their names, as the encoder leaves them.
            now: seconds on the event loop's clock.
        """
        if now >= self._window_end:
            self._values = {}
            self._window_end = now + WINDOW
        grown = False
        for shape, labels in label_sets.items():
            for name in shape.counted:
                values = self._values.get(name)
                if values is None:
                    values = self._values[name] = set()
                if len(values) > self._limit:
                    continue  # known to be high, and what is kept of it does not grow
                values.update([each[name] for each in labels])
                if len(values) > self._limit:
                    grown = grown or name not in self.high
                    self.high |= {name}
                    self._warn(name, len(values))
        return grown

    def counts(self) -> dict[str, int]:
        """Values of each label in this window; of one above the limit just more than that."""
        return {name: len(values) for name, values in self._values.items()}
