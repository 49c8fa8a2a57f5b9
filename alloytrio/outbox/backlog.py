"""All streams of an outbox: which one gives the next batch, and when there will be one. Sans-IO but for files.

The streams are asked in turn, so that one with much to send does not keep the others waiting.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alloytrio.outbox.clock import Clock
from alloytrio.outbox.entry import Entry
from alloytrio.outbox.fragment import BatchPolicy
from alloytrio.outbox.journal import Journal, Place
from alloytrio.outbox.record import Record
from alloytrio.outbox.recovery import StreamKey
from alloytrio.outbox.settings import OutboxSettings
from alloytrio.outbox.stream import Stream, Window

IDLE_STREAMS = 64
"""Streams that are kept although nothing waits in them, since making one costs; tenants come and go."""

READ_RETRY = 5.0
"""Seconds before a stream is read again that could not be read from the disk."""

MayBeginAt = Callable[[str], float]
"""When a batch of an encoding may be sent: -inf = now, inf = not before something else ended."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Entries that will not be delivered: too old, or unreadable."""

    encoding: str
    entries: Sequence[Entry]
    reason: str


class Backlog:
    """The streams of one outbox.

    Args:
        settings: bounds.
        journal: where the records are.
        clock: of the outbox.
        policies: by lane name; a lane without one sends at once.
    """

    def __init__(
        self, settings: OutboxSettings, journal: Journal, clock: Clock, policies: Mapping[str, BatchPolicy]
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock = clock
        self._policies = policies
        self._streams: dict[StreamKey, Stream] = {}
        self._turns: deque[Stream] = deque()
        self._unreadable_until: dict[StreamKey, float] = {}
        self.window = Window(settings.memory_bytes)
        self.read_error = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return all(stream.is_idle for stream in self._turns)

    @property
    def streams(self) -> int:
        """How many streams are known: all that wait, and some that do not."""
        return len(self._streams)

    @property
    def oldest_ns(self) -> int | None:
        """Wall-clock time of acceptance of the oldest entry in memory that nobody took."""
        heads = [head.accepted_ns for stream in self._turns if (head := stream.cutter.oldest) is not None]
        return min(heads, default=None)

    def begin_at(self, key: StreamKey, place: Place) -> None:
        """Recovery: a waiting record of a stream; the first one counts."""
        if key not in self._streams:
            self._stream(key).begin_at(place)

    def accept(self, record: Record, place: Place, stamp: int, now: float) -> bool:
        """A record was written; tells whether ``take`` or ``next_at`` now answer differently."""
        stream = self._streams.get(record.key) or self._stream(record.key)
        return stream.accept(record, place, stamp, now)

    def _stream(self, key: StreamKey) -> Stream:
        lane = key[0].decode()
        policy = self._policies.get(lane) or BatchPolicy(lane)
        stream = Stream(
            key,
            policy,
            self._settings.batch_max_bytes,
            journal=self._journal,
            window=self.window,
            clock=self._clock,
        )
        self._streams[key] = stream
        self._turns.append(stream)
        return stream

    def take(self, now: float, may_begin_at: MayBeginAt, *, flush: bool) -> tuple[str, list[Entry]] | None:
        """The next batch that is due, as (encoding, entries).

        Args:
            now: seconds, monotonic.
            may_begin_at: streams of encodings that may not begin yet are passed over.
            flush: nothing more will come, so nothing needs to wait for company.
        """
        for _ in range(len(self._turns)):
            stream = self._turns.popleft()
            if stream.is_idle and len(self._turns) >= IDLE_STREAMS:
                del self._streams[stream.key]
                continue
            self._turns.append(stream)
            if may_begin_at(stream.encoding) > now:
                continue
            if stream.is_behind and not stream.cutter.full_batches and not self._load(stream, now):
                continue
            entries = stream.cutter.take(now, flush=flush)
            if entries:
                return stream.encoding, entries
        return None

    def _load(self, stream: Stream, now: float) -> bool:
        """Read a stream on; tells whether its cutter now knows what is to be sent next."""
        if self._unreadable_until.get(stream.key, now) > now:
            return False
        try:
            stream.load(now)
        except OSError as exc:
            self._unreadable_until[stream.key] = now + READ_RETRY
            self.read_error = f"cannot read the journal: {exc}"
            return False
        self._unreadable_until.pop(stream.key, None)
        if not self._unreadable_until:
            self.read_error = ""
        return True

    def next_at(self, now: float, may_begin_at: MayBeginAt) -> float:
        """When ``take`` is worth calling again, if nothing is accepted and nothing ends meanwhile."""
        times = [math.inf]
        for stream in self._turns:
            due_at = stream.cutter.due_at()
            if stream.is_behind and due_at > now:
                due_at = self._unreadable_until.get(stream.key, now)
            times.append(max(due_at, may_begin_at(stream.encoding)))
        return min(times)

    # Age

    def drop_unusable(self, now: float) -> list[Dropped]:
        """Take out what is too old to be delivered, and what could not be read back."""
        dropped = []
        for stream in self._turns:
            if stream.damaged:
                dropped.append(Dropped(stream.encoding, stream.damaged, "damaged"))
                stream.damaged = []
            while (old := self._expired(stream, now)) and old.entries:
                dropped.append(old)
        return dropped

    def _expired(self, stream: Stream, now: float) -> Dropped | None:
        if not self._settings.max_age:
            return None
        if stream.is_behind and stream.cutter.is_empty:
            self._load(stream, now)
        return Dropped(stream.encoding, stream.cutter.drop_accepted_before(self.oldest_allowed_ns(now)), "max_age")

    def oldest_allowed_ns(self, now: float) -> int:
        """What was accepted before this wall-clock time is dropped."""
        max_age = self._settings.max_age
        return self._clock.stamp(now) - int(max_age * 1e9) if max_age else 0

    def next_expiry_at(self) -> float:
        """When the oldest entry in memory is too old; inf if nothing ever is."""
        oldest = self.oldest_ns if self._settings.max_age else None
        return math.inf if oldest is None else self._clock.arrival(oldest) + self._settings.max_age
