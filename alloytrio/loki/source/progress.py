"""How far each outlet has one container's log, while it is read. No I/O.

An outlet is an outbox; with several behind a source, each has positions of its own, and after a crash one may be ahead.
The log is read from the smallest position, and an outlet leaves out what it has.
"""

from collections.abc import Mapping, Sequence

from alloytrio.entry import Entry, EntryOutlet
from alloytrio.loki.source.positions import REPLAY_NS, ContainerPosition, Resume, StreamCursor, read_from

STREAMS = ("stdout", "stderr")
_NEVER = 1 << 62  # above every entry's number


class OutletProgress:
    """One outlet's view of one container's log.

    Args:
        outlet: which.
        stored: its position of the container; None if it has none.
        start_ns: without a position: lines before this time are left out; 0 = none.
    """

    def __init__(self, outlet: EntryOutlet, stored: ContainerPosition | None, start_ns: int) -> None:
        self.outlet = outlet
        self.since_ns = start_ns if stored is None else stored.since_ns
        self.finished = "" if stored is None else stored.finished
        streams = {} if stored is None else stored.streams
        self.cursors = {name: StreamCursor(streams.get(name)) for name in STREAMS}
        self.resumes: dict[str, Resume] = {}
        self.skip: dict[str, int] = {}
        self._start_ns = start_ns if stored is None else 0
        self._replay_end_ns = 0
        self.begin()

    def begin(self) -> None:
        """The log is opened again, from ``since_ns`` or before."""
        self.resumes = {
            name: resume.again()
            if (resume := self.resumes.get(name)) is not None and resume.lost
            else Resume(cursor.position)
            for name, cursor in self.cursors.items()
        }
        latest = [cursor.position.max_ns for cursor in self.cursors.values() if cursor.position is not None]
        self._replay_end_ns = max(latest, default=0) + REPLAY_NS
        self.skip = dict.fromkeys(STREAMS, _NEVER)
        for cursor in self.cursors.values():
            cursor.drop_open()

    @property
    def is_settled(self) -> bool:
        """Every further line is new."""
        return self._start_ns == 0 and all(resume.done for resume in self.resumes.values())

    @property
    def is_lost(self) -> bool:
        """What was left out may be new: the log must be opened again."""
        return any(resume.lost for resume in self.resumes.values())

    @property
    def has_open(self) -> bool:
        """A stage holds entries back."""
        return any(cursor.first_open_ns is not None for cursor in self.cursors.values())

    @property
    def left_out(self) -> int:
        """Lines that were left out since the log was opened."""
        return sum([resume.left_out for resume in self.resumes.values()])

    def is_new(self, entry: Entry) -> bool:
        """Whether the next entry was not handed over to this outlet before."""
        if self._start_ns:
            if entry.ts_ns < self._start_ns:
                return False
            self._start_ns = 0
        name = entry.origin.name
        if not self.resumes[name].is_new(entry):
            return False
        self.skip[name] = min(self.skip[name], entry.seq)
        return True

    def pass_time(self, ts_ns: int) -> None:
        """A line of this time was read: if all that was read before is older, a stream that was quiet is decided."""
        if ts_ns > self._replay_end_ns and not self.is_settled:
            self.conclude()

    def conclude(self) -> None:
        """Nothing that was read before can come any more."""
        for resume in self.resumes.values():
            resume.conclude()

    def note(self, entries: Sequence[Entry], holds: bool) -> None:
        """These entries come next; they are new for this outlet.

        Args:
            entries: before any stage has changed them.
            holds: stages may hold some back.
        """
        for name in STREAMS:
            mine = [entry for entry in entries if entry.origin.name == name]
            if not mine:
                continue
            if holds:
                self.cursors[name].note([entry.seq for entry in mine], mine)
            else:
                self.cursors[name].pass_all(mine)

    def settle(self, held: Mapping[str, int]) -> None:
        """All entries are handed over but those from the given numbers on."""
        for name, cursor in self.cursors.items():
            cursor.settle(held.get(name))

    def position(self, last_ns: int, now_ns: int, finished: str = "") -> ContainerPosition:
        """What goes into the outbox.

        Args:
            last_ns: time of the last line that was read.
            now_ns: wall clock.
            finished: the container has ended at this time, and its log was read to the end.
        """
        if last_ns and self.is_settled:
            opens = [ns for cursor in self.cursors.values() if (ns := cursor.first_open_ns) is not None]
            self.since_ns = read_from(last_ns, min(opens, default=None), now_ns)
        self.finished = finished
        streams = {name: cursor.position for name, cursor in self.cursors.items() if cursor.position is not None}
        return ContainerPosition(self.since_ns, streams, finished)


class Progress:
    """All outlets of one container."""

    def __init__(self, outlets: Sequence[OutletProgress]) -> None:
        self.outlets = list(outlets)
        self._skips = True

    @property
    def since_ns(self) -> int:
        """Where to open the log so that every outlet gets what it lacks."""
        return min([each.since_ns for each in self.outlets], default=0)

    @property
    def is_settled(self) -> bool:
        """Every further line is new to all."""
        return all(each.is_settled for each in self.outlets)

    @property
    def is_lost(self) -> bool:
        """What was left out may be new: the log must be opened again."""
        return any(each.is_lost for each in self.outlets)

    def begin(self) -> None:
        """The log is opened again."""
        for each in self.outlets:
            each.begin()
        self._skips = True

    def conclude(self) -> None:
        """Nothing that was read before can come any more."""
        for each in self.outlets:
            each.conclude()

    def new_entries(self, entries: list[Entry]) -> list[Entry]:
        """The entries that at least one outlet lacks."""
        if not self._skips:
            return entries
        fresh = [entry for entry in entries if self._is_new(entry)]
        if entries:
            for each in self.outlets:
                each.pass_time(entries[-1].ts_ns)
        return fresh

    def _is_new(self, entry: Entry) -> bool:
        new = False
        for each in self.outlets:  # each must see every entry
            new = each.is_new(entry) or new
        return new

    def skip(self) -> dict[str, Mapping[str, int]] | None:
        """For a batch of entries that ``new_entries`` let through: which outlet has which of them already."""
        return (
            {each.outlet.key: dict(each.skip) for each in self.outlets}
            if self._skips and len(self.outlets) > 1
            else None
        )

    def note(self, entries: Sequence[Entry], holds: bool) -> None:
        """These entries, which ``new_entries`` let through, come next."""
        if not self._skips:
            for each in self.outlets:
                each.note(entries, holds)
            return
        for each in self.outlets:
            each.note([entry for entry in entries if entry.seq >= each.skip[entry.origin.name]], holds)

    def end_skipping(self) -> None:
        """After a batch: if every outlet lacks all that comes, and nothing older is held, none need be asked."""
        if self._skips and self.is_settled and not any(each.has_open for each in self.outlets):
            self._skips = False
