"""A batch on its way: what it holds, how often it was tried, and how it is cut when the backend refuses it.

Sans-IO. A flight begins as the entries that the cutter joined. When the backend refuses it for good it is cut in
halves, by records and then inside a record by the exporter's ``split``, until what is refused stands alone; the halves
are sent one after the other, in order, within the same flight. An entry is done when all its slices are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alloytrio.errors import AlloyTrioError
from alloytrio.outbox.codec import Codec, Part
from alloytrio.outbox.entry import Entry
from alloytrio.outbox.fragment import Batch
from alloytrio.outbox.retry import Retry

Split = Callable[[str, bytes], list[tuple[int, bytes]]]
"""(encoding, plain payload) → (items, plain payload) of each half; fewer than two: it cannot be cut further."""


@dataclass(frozen=True, slots=True)
class Slice:
    """An entry, or a part of one that was cut."""

    entry: Entry
    items: int
    part: Part


class Flight:
    """One batch from its first attempt to its end.

    Args:
        encoding: of all its entries.
        entries: what the cutter joined.
        codec: joins them to a body.
        retry: says when the next attempt is.

    Attributes:
        due_at: when the next attempt is, in seconds of the outbox's clock.
        is_unknown: an earlier attempt may have reached the backend.
        attempt: how often what is current was tried.
        refused_items, refusal: what the backend refused for good until now, and its latest words.
    """

    def __init__(self, encoding: str, entries: Sequence[Entry], codec: Codec, retry: Retry) -> None:
        self.encoding = encoding
        self.entries = list(entries)
        self.retry = retry
        self.due_at = 0.0
        self.is_unknown = entries[0].is_unknown
        self.attempt = 0
        self.refused_items = 0
        self.refusal = ""
        self._codec = codec
        # What is still to be sent, last part first.
        self._stack: list[list[Slice]] = [[Slice(entry, entry.items, entry.part) for entry in entries]]

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left to send."""
        return not self._stack

    @property
    def current(self) -> list[Slice]:
        """What the next attempt sends."""
        return self._stack[-1]

    def make_batch(self) -> Batch:
        """The body of the next attempt."""
        slices = self.current
        return Batch(
            encoding=self.encoding,
            items=sum([slice_.items for slice_ in slices]),
            body=self._codec.join([slice_.part for slice_ in slices]),
            plain_bytes=sum([slice_.part.plain_bytes for slice_ in slices]),
            fragments=len(slices),
            attempt=self.attempt,
            unknown_outcome=self.is_unknown,
        )

    def finish_current(self) -> list[Entry]:
        """What the last attempt sent is settled; returns the entries that are done by it."""
        self.attempt = 0
        self.retry.restart()
        return self._pop()

    def _pop(self) -> list[Entry]:
        done = []
        for slice_ in self._stack.pop():
            slice_.entry.slices -= 1
            if not slice_.entry.slices:
                done.append(slice_.entry)
        return done

    def drop_current_before(self, limit_ns: int) -> tuple[int, list[Entry]]:
        """Leave out of the next attempt what was accepted before a wall-clock time.

        Returns:
            items left out, and the entries that are done by it.
        """
        old = [slice_ for slice_ in self.current if slice_.entry.accepted_ns < limit_ns]
        if not old:
            return 0, []
        kept = [slice_ for slice_ in self.current if slice_.entry.accepted_ns >= limit_ns]
        self._stack[-1:] = [part for part in (kept, old) if part]
        return sum([slice_.items for slice_ in old]), self._pop()

    def cut_current(self, split: Split) -> bool:
        """Replace what the next attempt sends by its halves; False if it is one indivisible piece."""
        slices = self.current
        if len(slices) > 1:
            middle = len(slices) // 2
            halves = [slices[:middle], slices[middle:]]
        else:
            halves = self._cut_slice(slices[0], split)
            if len(halves) < 2:
                return False
            slices[0].entry.slices += len(halves) - 1
        self._stack[-1:] = reversed(halves)
        self.attempt = 0
        self.retry.restart()
        return True

    def _cut_slice(self, slice_: Slice, split: Split) -> list[list[Slice]]:
        try:
            plain = self._codec.unpack(slice_.part)
            parts = split(self.encoding, plain) if slice_.items > 1 else []
        except (AlloyTrioError, ValueError):
            return []  # what cannot be read is refused as one piece
        return [[Slice(slice_.entry, items, Part(payload, len(payload)))] for items, payload in parts]

    def plain_current(self) -> bytes:
        """The plain bytes of what the next attempt would send; as they are kept, if they are damaged."""
        try:
            return b"".join([self._codec.unpack(slice_.part) for slice_ in self.current])
        except ValueError:
            return b"".join([slice_.part.payload for slice_ in self.current])
