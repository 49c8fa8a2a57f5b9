"""The write-ahead log of one outbox: segments in order, the positions, and what is still to be delivered.

Sans-IO but for files: nothing here waits. Only the last segment (``active``) grows; it is sealed when it is large
enough or cannot be trusted, and the next one begins with a snapshot of all positions. A segment is deleted when every
record in it is settled. If there are positions, that waits until the snapshot which replaces them survives a power cut.

Errors: ``OSError`` from ``append``; then nothing of what was given is in the journal, and what was there still is.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alloytrio.outbox.compaction import Compaction
from alloytrio.outbox.entry import Entry
from alloytrio.outbox.files import Directory, Sync
from alloytrio.outbox.record import FRAGMENT, Record, merge_positions
from alloytrio.outbox.segment import MARK_BYTES, SETTLED, STARTED, Segment

_MIN_SEGMENT_BYTES = 64 * 1024  # below this the snapshots and file operations would cost more than the data


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is: which segment, which number in it, which offset in its file."""

    segment: Segment
    index: int
    offset: int


@dataclass(slots=True)
class Losses:
    """What recovery or reading found damaged.

    Args:
        torn_bytes: cut off the end: never acknowledged (or, after a power cut, not yet on the disk).
        damaged_bytes: in the middle; what was there is lost.
        damaged_items: how many items of those are known by their headers.
        damaged_segments: names of the files that hold damage, set aside.
    """

    torn_bytes: int = 0
    damaged_bytes: int = 0
    damaged_items: int = 0
    damaged_segments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SyncPoint:
    """What a sync makes durable: the active segment's snapshot, a compacted segment."""

    active: Segment | None
    compaction: Compaction | None


class Journal:
    """The segments of one outbox.

    Args:
        directory: the outbox's own.
        segment_bytes: size at which the next segment begins.
        max_bytes: of the whole journal; a segment is at most an eighth of it.
        durable: whether there is somebody who syncs (see ``syncs``); if not, nothing waits for that.

    Attributes:
        positions: merged from all records in order.
        queued_items, queued_bytes: of the records that are not settled.
        losses: found damaged since the start.
    """

    def __init__(self, directory: Directory, *, segment_bytes: int, max_bytes: int, durable: bool) -> None:
        self.directory = directory
        self.segments: dict[int, Segment] = {}
        self.positions: dict[bytes, bytes] = {}
        self._has_positions = False  # also when all were forgotten: segments may be left that still know them
        self.queued_items = 0
        self.queued_bytes = 0
        self.losses = Losses()
        self._segment_bytes = min(segment_bytes, max(max_bytes // 8, _MIN_SEGMENT_BYTES))
        self._max_bytes = max_bytes
        self._durable = durable
        self._active: Segment | None = None
        self._sealed_bytes = 0
        self._compaction: Compaction | None = None
        self._next_number = 1
        self._snapshot_is_safe = False
        self._names_are_dirty = False

    @property
    def used_bytes(self) -> int:
        """Bytes of all files."""
        return self._sealed_bytes + (0 if self._active is None else self._active.file_bytes)

    def adopt(self, segment: Segment) -> None:
        """Recovery: a segment that was there before, in order."""
        self.segments[segment.number] = segment
        self._next_number = segment.number + 1
        self._count_sealed()

    def _count_sealed(self) -> None:
        self._sealed_bytes = sum([s.file_bytes for s in self.segments.values() if s is not self._active])

    def following(self, segment: Segment) -> Segment | None:
        """The segment after one."""
        if segment.number + 1 in self.segments:
            return self.segments[segment.number + 1]
        return self.segments.get(min([n for n in self.segments if n > segment.number], default=-1))

    def merge(self, positions: Mapping[bytes, bytes]) -> None:
        """Take in the positions of a record, in the order of the records."""
        if positions:
            self._has_positions = True
            merge_positions(self.positions, positions)

    # Writing

    def append(self, puts: Sequence[Sequence[Record]], now_ns: int) -> list[Place]:
        """Write the records of some puts in one go; each put is in the journal whole or not at all.

        Returns:
            the places of the FRAGMENT records, in order.

        Raises:
            OSError: nothing was written.
        """
        size = sum([record.size for put in puts for record in put])
        segment = self._segment_for(size, now_ns)
        buffers: list[bytes] = []
        places: list[Place] = []
        index, offset = len(segment.states), segment.size
        for put in puts:
            last = put[-1]
            for record in put:
                buffers.append(record.encode(index, now_ns, record is not last))
                if record.payload:
                    buffers.append(record.payload)
                if record.kind == FRAGMENT:
                    places.append(Place(segment, index, offset))
                    index += 1
                offset += record.size
        segment.append(buffers)
        for put in puts:
            for record in put:
                if record.kind == FRAGMENT:
                    segment.add(record.size)
                    self.queued_items += record.items
                    self.queued_bytes += record.size
                if record.positions:
                    self.merge(record.positions)
        return places

    def _segment_for(self, size: int, now_ns: int) -> Segment:
        active = self._active
        if active is not None and not active.is_broken:
            is_fresh = not active.states and active.size < self._segment_bytes
            if active.size + size <= self._segment_bytes or is_fresh:
                return active
        return self._rotate(now_ns)

    def _rotate(self, now_ns: int) -> Segment:
        """Begin the next segment. The one before stays active if that fails."""
        segment = Segment.create(self.directory, self._next_number, self.positions, now_ns)
        self.seal()
        self._active = segment
        self.adopt(segment)
        self._snapshot_is_safe = not self._durable
        self._names_are_dirty = True
        self.sweep()
        self._compact_one()
        return segment

    def _compact_one(self) -> None:
        """If the journal is half full, write one segment anew that is mostly done."""
        if self._compaction is not None or self.used_bytes * 2 <= self._max_bytes or not self._positions_are_safe():
            return
        mostly_done = [s for s in self.segments.values() if s is not self._active and s.live_bytes * 2 < s.size]
        if not mostly_done:
            return
        try:
            self._compaction = Compaction(min(mostly_done, key=lambda segment: segment.live_bytes / segment.size))
        except OSError:
            return
        if not self._durable:
            self._finish_compaction()

    def _finish_compaction(self) -> None:
        compaction, self._compaction = self._compaction, None
        if compaction is None:
            return
        if compaction.segment.number not in self.segments:  # all of it was settled meanwhile
            compaction.abandon()
            return
        try:
            compaction.finish()
        except OSError:
            compaction.abandon()
        self._names_are_dirty = True
        self._count_sealed()

    def _positions_are_safe(self) -> bool:
        """Whether no segment but the active one is needed for positions."""
        return not self._has_positions or (self._active is not None and self._snapshot_is_safe)

    def seal(self) -> None:
        """Nothing more goes into the active segment: it is full, or an fsync of it failed."""
        before, self._active = self._active, None
        if before is not None:
            self.rest(before)
        self._count_sealed()

    def rest(self, segment: Segment) -> None:
        """Give a segment's file descriptors back, if nobody needs them soon: there may be thousands of segments."""
        if segment is not self._active and not (self._durable and segment.is_dirty):
            segment.close()

    def make_room(self, now_ns: int) -> bool:
        """Give up what is done: the active segment by beginning the next one, an older one by compaction.

        Returns:
            whether an append may now succeed that failed before.
        """
        used = self.used_bytes
        self._compact_one()
        active = self._active
        if active is not None and active.live == 0 and active.size > active.snapshot_end:
            try:
                self._rotate(now_ns)
            except OSError:
                active.empty(self.positions, now_ns)
        return self.used_bytes < used

    # Settling

    def start(self, entries: Iterable[Entry]) -> None:
        """Note that an attempt to send these begins."""
        for segment, first, count in _runs(entries):
            self._mark(segment, STARTED, first, count)

    def settle(self, entries: Sequence[Entry]) -> None:
        """Note that these are done, and delete what is not needed any more."""
        for segment, first, count in _runs(entries):
            self._mark(segment, SETTLED, first, count)
        emptied = False
        for entry in entries:
            entry.segment.live_bytes -= entry.size
            self.queued_items -= entry.items
            self.queued_bytes -= entry.size
            emptied = emptied or entry.segment.live == 0
        if emptied:
            self.sweep()

    def _mark(self, segment: Segment, state: int, first: int, count: int) -> None:
        segment.mark(state, first, count)
        if segment is not self._active:
            self._sealed_bytes += MARK_BYTES
            self.rest(segment)

    def sweep(self) -> None:
        """Delete the segments that are done, unless a power cut could then lose positions."""
        if not self._positions_are_safe():
            return
        for segment in [s for s in self.segments.values() if s.live == 0 and s is not self._active]:
            try:
                segment.remove()
            except OSError:
                continue  # tried again at the next sweep
            del self.segments[segment.number]
            self._names_are_dirty = True
        self._count_sealed()

    # Durability

    @property
    def is_dirty(self) -> bool:
        """Whether there is something that no sync has covered."""
        if self._names_are_dirty or self._compaction is not None:
            return True
        return any(segment.is_dirty for segment in self.segments.values())

    def syncs(self) -> list[Sync]:
        """What makes all that is written now durable. ``synced`` is to be called when it is done."""
        handles = [sync for segment in self.segments.values() if segment.is_dirty for sync in segment.syncs()]
        if self._compaction is not None:
            handles += [sync for sync in [self._compaction.file.sync()] if sync is not None]
        if self._names_are_dirty:
            self._names_are_dirty = False
            handles += [sync for sync in [self.directory.sync()] if sync is not None]
        return handles

    def sync_failed(self) -> None:
        """One of ``syncs`` failed: nothing more goes into that segment."""
        if self._compaction is not None:
            self._compaction.abandon()
            self._compaction = None
        self.seal()

    def synced(self, point: "SyncPoint") -> None:
        """All of ``syncs`` succeeded.

        Args:
            point: what ``sync_point`` was just before ``syncs``.
        """
        if point.active is not None and point.active is self._active:
            self._snapshot_is_safe = True
            self.sweep()
        if point.compaction is self._compaction:
            self._finish_compaction()
        for segment in self.segments.values():
            self.rest(segment)

    @property
    def sync_point(self) -> "SyncPoint":
        """What ``syncs`` makes durable."""
        return SyncPoint(self._active, self._compaction)

    @property
    def active(self) -> Segment | None:
        """The segment that grows, if there is one already."""
        return self._active

    def write_marks(self) -> None:
        """Try the marks again that could not be written."""
        for segment in self.segments.values():
            segment.write_marks()

    def close(self) -> None:
        """Give all file descriptors back."""
        self.write_marks()
        if self._compaction is not None:
            self._compaction.abandon()
            self._compaction = None
        for segment in self.segments.values():
            segment.close()


def _runs(entries: Iterable[Entry]) -> list[tuple[Segment, int, int]]:
    """Neighbouring records as (segment, first, count)."""
    runs: list[tuple[Segment, int, int]] = []
    segment, first, end = None, 0, -math.inf
    for entry in entries:
        if entry.segment is segment and entry.index == end:
            end += 1
        else:
            if segment is not None:
                runs.append((segment, first, int(end) - first))
            segment, first, end = entry.segment, entry.index, entry.index + 1
    if segment is not None:
        runs.append((segment, first, int(end) - first))
    return runs
