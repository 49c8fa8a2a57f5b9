"""Decides which fragments go into one batch. Sans-IO: time is an argument (``now``) and a question (``due_at``).

In: the entries of one lane and one encoding, oldest first. Out: the same entries in the same order, in lists that are
batches: joined until ``send_batch_size`` items, never above ``send_batch_max_size`` items or ``max_bytes`` plain bytes,
and not waiting longer than ``timeout`` for company. With ``send_batch_size`` 0 an entry may go at once; what has
gathered meanwhile goes with it.

An entry above a limit would be a batch of its own; callers split fragments so that none is.
"""

import math
from collections import deque

from alloytrio.outbox.entry import Entry
from alloytrio.outbox.fragment import BatchPolicy


class Cutter:
    """Cuts the entries of one stream.

    Args:
        policy: of the lane.
        max_bytes: plain bytes that a batch never exceeds.
    """

    def __init__(self, policy: BatchPolicy, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._max_items = policy.send_batch_max_size or math.inf
        self._at_once = policy.send_batch_size == 0 or policy.timeout == 0
        # A trigger above the maximum can never be reached: then the maximum is the trigger.
        self._trigger = math.inf if self._at_once else min(policy.send_batch_size, self._max_items)
        self._timeout = 0.0 if self._at_once else policy.timeout
        self._ready: deque[list[Entry]] = deque()
        self._open: list[Entry] = []
        self._open_items = 0
        self._open_bytes = 0

    @property
    def full_batches(self) -> int:
        """How many batches are full."""
        return len(self._ready)

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return not self._ready and not self._open

    @property
    def oldest(self) -> Entry | None:
        """The entry that goes next."""
        if self._ready:
            return self._ready[0][0]
        return self._open[0] if self._open else None

    def add(self, entry: Entry) -> bool:
        """Take one entry; tells whether ``take`` or ``due_at`` now answer differently."""
        changed = False
        if self._open and not self._fits(entry):
            self._close()
            changed = True
        self._open.append(entry)
        self._open_items += entry.items
        self._open_bytes += entry.part.plain_bytes
        if self._open_items >= self._trigger:
            self._close()
            changed = True
        return changed or len(self._open) == 1

    def due_at(self) -> float:
        """When the next batch may be taken: -inf if one is full, inf if there is nothing."""
        if self._ready:
            return -math.inf
        return self._open[0].arrived + self._timeout if self._open else math.inf

    def take(self, now: float, *, flush: bool = False) -> list[Entry] | None:
        """The next batch; None if it is not due yet.

        Args:
            now: seconds, on the clock of ``Entry.arrived``.
            flush: nothing more will come: what there is goes now.
        """
        if not self._ready and self._open and (flush or self.due_at() <= now):
            self._close()
        return self._ready.popleft() if self._ready else None

    def drop_accepted_before(self, limit_ns: int) -> list[Entry]:
        """Take out the entries at the head that are older than a wall-clock time."""
        dropped: list[Entry] = []
        while (oldest := self.oldest) is not None and oldest.accepted_ns < limit_ns:
            if self._ready:
                dropped.append(self._ready[0].pop(0))
                if not self._ready[0]:
                    self._ready.popleft()
            else:
                dropped.append(self._open.pop(0))
                self._open_items -= oldest.items
                self._open_bytes -= oldest.part.plain_bytes
        return dropped

    def _fits(self, entry: Entry) -> bool:
        return (
            self._open_items + entry.items <= self._max_items
            and self._open_bytes + entry.part.plain_bytes <= self._max_bytes
            # What may be with the backend already is sent apart from what cannot be.
            and entry.is_unknown == self._open[0].is_unknown
        )

    def _close(self) -> None:
        self._ready.append(self._open)
        self._open = []
        self._open_items = self._open_bytes = 0
