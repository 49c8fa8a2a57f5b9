"""A record of the journal that waits for delivery, as the cutter and the senders see it."""

from dataclasses import dataclass

from alloytrio.outbox.codec import Part
from alloytrio.outbox.segment import Segment

ENTRY_BYTES = 400
"""What an entry takes in memory beside its payload (measured: 3 objects with slots, a reference in a list)."""


@dataclass(slots=True, eq=False)
class Entry:
    """One record in memory, with its payload.

    Args:
        segment: where it is on disk.
        index: its number there.
        size: bytes of the whole record.
        items: spans, samples or lines.
        part: the payload.
        accepted_ns: wall-clock nanoseconds.
        arrived: the same on the clock of ``trio.current_time``, in seconds.
        is_unknown: an attempt to send it began before this process did.
        slices: parts of it that are still to be delivered: 1, or more after a backend refused it.
    """

    segment: Segment
    index: int
    size: int
    items: int
    part: Part
    accepted_ns: int
    arrived: float
    is_unknown: bool = False
    slices: int = 1

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory."""
        return ENTRY_BYTES + len(self.part.payload)
