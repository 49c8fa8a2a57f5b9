"""Log entries between components: what flows over an ENTRIES edge, and how a source hands it over.

A source's reader calls ``take`` of its consumers with a batch. Consumers are synchronous: stages run, entries are
encoded, and what comes back says what to append to which outbox. Only the source waits (``put_all``), so when an
outbox is full its reader stops reading; and only the source knows positions, so it is the one that attaches them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alloytrio.outbox import Fragment, Lane
from alloytrio.wire.entry import Entry, Origin

__all__ = ["Entry", "EntryBatch", "EntryConsumer", "EntryOutlet", "Handover", "Origin"]


@dataclass(frozen=True, slots=True)
class EntryOutlet:
    """Where entries end: one outbox of a writer.

    Args:
        key: names it: the id of the writer and of its endpoint.
        lane: of the outbox that takes the fragments.
        is_transient: what ends here is gone after a restart: beside other outlets it has no positions of its own, since
            for its sake everything would be read again.
    """

    key: str
    lane: Lane
    is_transient: bool = False


@dataclass(slots=True)
class EntryBatch:
    """Entries on their way, owned by whoever gets them.

    Args:
        source: names the reader; stages keep what they hold back apart by it.
        entries: in the order in which they were read; may be empty, when only time has passed.
        now_ns: wall clock, nanoseconds since 1970.
        now: seconds of the event loop's clock.
        ended: nothing more comes from this reader: stages let go of what they hold.
        skip: per outlet and stream, the number of the first entry that the outlet does not have yet; None = none has
            any. After a crash between two outboxes' writes one is ahead of the other.
    """

    source: bytes
    entries: list[Entry]
    now_ns: int
    now: float
    ended: bool = False
    skip: Mapping[str, Mapping[str, int]] | None = None

    def with_entries(self, entries: list[Entry]) -> "EntryBatch":
        """The same batch with other entries."""
        return EntryBatch(self.source, entries, self.now_ns, self.now, self.ended, self.skip)


@dataclass(slots=True)
class Handover:
    """What one batch means for one outlet.

    Args:
        outlet: which.
        fragments: encoded entries; empty if all were dropped or are held back.
        held: per stream, the number of the first entry that a stage still holds: positions stay before it.
        wait_until: on the event loop's clock, not before when the fragments should be handed over; 0 = at once.
        wake_at: on the event loop's clock, when a stage wants to be called although nothing was read; inf = never.
    """

    outlet: EntryOutlet
    fragments: list[Fragment] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    wait_until: float = 0.0
    wake_at: float = float("inf")

    def note(self, held: dict[str, int], wait_until: float, wake_at: float) -> None:
        """Add what the stages of one component want."""
        for stream, seq in held.items():
            self.held[stream] = min(seq, self.held.get(stream, seq))
        self.wait_until = max(self.wait_until, wait_until)
        self.wake_at = min(self.wake_at, wake_at)


class EntryConsumer(Protocol):
    """What takes entries: a process, a writer."""

    @property
    def holds(self) -> bool:
        """Whether an entry may be held back here or behind."""
        ...

    def outlets(self) -> Sequence[EntryOutlet]:
        """All outlets that entries can reach through this consumer."""
        ...

    def take(self, batch: EntryBatch) -> list[Handover]:
        """Process a batch to its ends. One handover for each way to an outlet, even if it brings nothing."""
        ...

    def forget(self, source: bytes) -> None:
        """A reader is gone: drop what is held for it. Its positions were never moved past that."""
        ...
