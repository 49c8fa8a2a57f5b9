"""Bounded memory for what passes: the newest pushes out the oldest. Nothing is decoded here."""

from collections import deque
from collections.abc import Sequence

from alloytrio.entry import Entry
from alloytrio.recorder.lines import EntryFields
from alloytrio.recorder.traces import Kept

ENTRY_BYTES = 200  # of a kept line beside its text: the tuple, its numbers, its place in the list
LABELS_BYTES = 240  # of a dict of a few labels
LABEL_BYTES = 120  # of one label: two strings


class RequestRing:
    """The latest encoded requests of one kind.

    Args:
        max_bytes: of all payloads together; a request larger than that is only counted.

    Attributes:
        bytes_kept: of all payloads.
        items_seen: since the start.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[Kept] = deque()
        self._number = 0
        self.bytes_kept = 0
        self.items_seen = 0

    def add(self, payload: bytes, items: int) -> None:
        """Keep a request."""
        self.items_seen += items
        self._number += 1
        if len(payload) > self._max_bytes:
            return
        self._kept.append(Kept(self._number, payload))
        self.bytes_kept += len(payload)
        while self.bytes_kept > self._max_bytes:
            self.bytes_kept -= len(self._kept.popleft().payload)

    def latest(self) -> Sequence[Kept]:
        """What is kept, newest first."""
        return tuple(reversed(self._kept))


class EntryRing:
    """The latest log entries, in the batches in which they came.

    Args:
        max_bytes: of all lines together, with ``ENTRY_BYTES`` for each, and of the labels that a batch brings.

    Attributes:
        bytes_kept: so counted.
        items_seen: since the start.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[tuple[int, list[EntryFields]]] = deque()
        self.bytes_kept = 0
        self.items_seen = 0

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep what the entries are now; whoever gets them next may change them."""
        if not entries:
            return
        self.items_seen += len(entries)
        fields: list[EntryFields] = [
            (entry.ts_ns, entry.labels, entry.line, None if entry.metadata is None else dict(entry.metadata))
            for entry in entries
        ]
        size = sum([len(entry.line) for entry in entries]) + ENTRY_BYTES * len(entries)
        size += _labels_size(fields)
        if size > self._max_bytes:
            return
        self._kept.append((size, fields))
        self.bytes_kept += size
        while self.bytes_kept > self._max_bytes:
            self.bytes_kept -= self._kept.popleft()[0]

    def latest(self) -> Sequence[Sequence[EntryFields]]:
        """What is kept: batches newest first, entries within one as they came."""
        return [fields for _, fields in reversed(self._kept)]


def _labels_size(fields: Sequence[EntryFields]) -> int:
    """About the bytes of labels and structured metadata; lines of one stream share their labels."""
    dicts = {id(labels): labels for _, labels, _, _ in fields}
    sizes = [len(labels) for labels in dicts.values()]
    sizes += [len(metadata) for _, _, _, metadata in fields if metadata]
    return LABELS_BYTES * len(sizes) + LABEL_BYTES * sum(sizes)
