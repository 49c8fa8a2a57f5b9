"""Suspects that Docker has thrown lines away before they were read. No I/O.

Docker keeps a container's log in a few files of limited size. A reader that is held up long enough misses what was
rotated away, and nobody says so. What is known: how many bytes per second the container writes, how far the reader is
behind, and how much Docker keeps.
"""

import re
from collections.abc import Mapping

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_CAUGHT_UP_NS = 10_000_000_000
_SMOOTHING = 0.2
_LOCAL_DEFAULTS = {"max-size": "20m", "max-file": "5"}  # of Docker's driver "local"; json-file has no limit


def retained_bytes(driver: str, options: Mapping[str, str]) -> float:
    """How much of a log Docker keeps at least; inf if it keeps all, or nobody knows.

    Args:
        driver: of the container's log.
        options: its options.
    """
    if driver not in ("json-file", "local"):
        return float("inf")
    if driver == "local":
        options = {**_LOCAL_DEFAULTS, **options}
    size = _SIZE.fullmatch(options.get("max-size", "").strip())
    if size is None:
        return float("inf")
    files = options.get("max-file", "1")
    return float(size[1]) * 1024.0 ** _POWERS[size[2].lower()] * max(int(files) if files.isdigit() else 1, 1)


class RotationWatch:
    """Watches one reader.

    Args:
        retained: bytes that Docker keeps.
    """

    def __init__(self, retained: float) -> None:
        self._retained = retained
        self._bytes_per_ns = 0.0
        self._last_ns = 0
        self._suspected = False

    def note(self, size: int, last_ns: int) -> None:
        """Bytes were read, up to a line of this time."""
        passed = last_ns - self._last_ns
        if self._last_ns and passed > 0:
            self._bytes_per_ns += _SMOOTHING * (size / passed - self._bytes_per_ns)
        self._last_ns = max(last_ns, self._last_ns)

    def suspects(self, now_ns: int) -> bool:
        """The reader was held up: whether lines may be lost by now. True once, until it has caught up."""
        behind_ns = now_ns - self._last_ns
        if behind_ns < _CAUGHT_UP_NS:
            self._suspected = False
        if not self._last_ns or self._suspected or behind_ns * self._bytes_per_ns <= self._retained:
            return False
        self._suspected = True
        return True
