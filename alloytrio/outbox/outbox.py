"""The outbox of one exporter: queue, batches and write-ahead log in one.

In: puts, each a few fragments and positions; a put returns when it is in the journal.
Out: batches to the exporter's ``deliver``, until each is delivered, or refused for good and set aside.
Errors: ``QueueFullError`` to whoever puts (no room in time, the disk does not take it, stopping); ``StorageError`` from
``run`` when the journal cannot be read.

    put_all ── Room ── Writer ── Journal ── Backlog (Stream, Cutter) ── Delivery (Schedule, Flight) ── deliver
            reserve   one write  segments   what goes into a batch      attempts, retries, halves

A put that is queued for the writer cannot be called back: a sender that vanished may cause a duplicate, never a loss.
"""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import trio

from alloytrio.errors import OversizeError, QueueFullError
from alloytrio.outbox.clock import Clock
from alloytrio.outbox.codec import PIECE_MIN_BYTES, Codec, codec_of
from alloytrio.outbox.delivery import Deliver, Hooks
from alloytrio.outbox.engine import Engine
from alloytrio.outbox.flight import Split
from alloytrio.outbox.fragment import BatchPolicy, Fragment
from alloytrio.outbox.health import DeliveryHealth
from alloytrio.outbox.journal import Journal
from alloytrio.outbox.observer import OutboxCounts, OutboxObserver, OutboxStats, SilentObserver
from alloytrio.outbox.record import FRAGMENT, MAX_NAME_BYTES, POSITIONS, Record
from alloytrio.outbox.recovery import DAMAGED_FOLDER
from alloytrio.outbox.room import Room
from alloytrio.outbox.settings import OutboxSettings
from alloytrio.outbox.storage import Store
from alloytrio.outbox.writer import Group
from alloytrio.telemetry import ComponentTelemetry

_KNOWN_ENCODINGS = 1000  # remembered per lane; tenants may come from log lines
_NO_POSITIONS: Mapping[bytes, bytes] = MappingProxyType({})


class Lane:
    """The way into an outbox for what is batched by one policy. Made by ``Outbox.lane``.

    Attributes:
        outbox: where it leads.
        policy: how it is batched.
    """

    def __init__(self, outbox: "Outbox", policy: BatchPolicy) -> None:
        self.outbox = outbox
        self.policy = policy
        self._name = policy.name.encode()
        if len(self._name) > MAX_NAME_BYTES:
            raise ValueError("the name of a batch policy is too long")
        self._encodings: dict[str, tuple[bytes, Codec]] = {}

    def record(self, fragment: Fragment) -> Record | None:
        """A fragment as it will lie in the journal: a large one packed, an empty one only for its positions.

        Raises:
            ValueError: the encoding names no codec.
        """
        payload = fragment.payload
        if not payload:
            return Record(POSITIONS, self._name, b"", fragment.positions) if fragment.positions else None
        encoding, codec = self._encodings.get(fragment.encoding) or self._learn(fragment.encoding)
        size, crc, packed = len(payload), 0, False
        if size >= PIECE_MIN_BYTES and codec.packs:
            part = codec.pack(payload)
            payload, crc, packed = part.payload, part.plain_crc, True
        return Record(FRAGMENT, self._name, encoding, fragment.positions, payload, packed, fragment.items, size, crc)

    def _learn(self, encoding: str) -> tuple[bytes, Codec]:
        encoded = encoding.encode()
        if len(encoded) > MAX_NAME_BYTES:
            raise ValueError("the name of an encoding is too long")
        if len(self._encodings) >= _KNOWN_ENCODINGS:
            self._encodings.clear()
        self._encodings[encoding] = encoded, codec_of(encoding)
        return self._encodings[encoding]


@dataclass(frozen=True, slots=True)
class Put:
    """Fragments for one lane; together with the other puts for the same outbox they are in the journal whole or not.

    Args:
        lane: where they go.
        fragments: what goes there.
        undo: called if they were not taken, for who keeps a memory of what it put.
        not_before: on the event loop's clock, when they may be put; what is put together waits together.
    """

    lane: Lane
    fragments: Sequence[Fragment] = field(default=())
    undo: Callable[[], None] | None = None
    not_before: float = 0.0


class Outbox:
    """See the module's docstring.

    Args:
        settings: bounds and retry policy.
        store: where the journal is.
        deliver: sends a batch; raises RetryableExportError or PermanentExportError.
        split: cuts a fragment in halves.
        telemetry: of the component: log and health.
        observer: told of what happens to batches and items, for metrics.
        health: joins the health of several outboxes of one component; None: this is the only one.
        wall_ns: the wall clock, nanoseconds; read once per run.
        random: uniform in [0, 1), for the jitter of retries.

    Attributes:
        counts: since the start of the process.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        *,
        store: Store,
        deliver: Deliver,
        split: Split,
        telemetry: ComponentTelemetry,
        observer: OutboxObserver | None = None,
        health: DeliveryHealth | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.store = store
        self.counts = OutboxCounts()
        self.policies: dict[str, BatchPolicy] = {}
        self._deliver = deliver
        self._split = split
        self._log = telemetry.log
        self._observer = observer or SilentObserver()
        self._health = health or DeliveryHealth(telemetry.health)
        self._wall_ns = wall_ns
        self._random = random
        self._engine: Engine | None = None

    def lane(self, policy: BatchPolicy) -> Lane:
        """The lane of a policy; what is stored under its name from before belongs to it too. Before ``run``."""
        self.policies[policy.name] = policy
        return Lane(self, policy)

    @property
    def positions(self) -> Mapping[bytes, bytes]:
        """What sources have put into the journal; empty before ``run`` has started."""
        return _NO_POSITIONS if self._engine is None else self._engine.journal.positions

    @property
    def queued_items(self) -> int:
        """Accepted and neither delivered nor given up; after ``run``: what is left for the next one."""
        return self.store.queued_items if self._engine is None else self._engine.journal.queued_items

    def stats(self) -> OutboxStats:
        """The state now; after ``run``: as it ended."""
        engine = self._engine
        return OutboxStats(self.settings.max_bytes, self.counts) if engine is None else engine.stats()

    async def run(
        self,
        *,
        stop: trio.Event,
        grace: float = math.inf,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Recover the journal, then write, cut and deliver. May be cancelled anywhere, and called again.

        Args:
            stop: accept nothing more, deliver what is left, return.
            grace: seconds for that; what is left then stays in the journal.
            task_status: started when the journal is recovered and puts are accepted.

        Raises:
            StorageError: the journal cannot be read, or another outbox uses it.
        """
        self.store.acquire()
        try:
            engine = self._make_engine(Clock(self._wall_ns(), trio.current_time))
            await engine.recover()
            self._tell_recovery(engine.journal)
            self._engine = engine
            self._health.report(self.settings.name, "")
            self._health.report(f"{self.settings.name}: storage", "")
            try:
                await engine.run(stop=stop, grace=grace, started=lambda: task_status.started())
            finally:
                self.store.queued_items = engine.journal.queued_items
        finally:
            self.store.release()

    def _make_engine(self, clock: Clock) -> Engine:
        name = self.settings.name
        return Engine(
            self.settings,
            store=self.store,
            clock=clock,
            policies=self.policies,
            counts=self.counts,
            hooks=Hooks(
                deliver=self._deliver,
                split=self._split,
                observer=self._observer,
                report=lambda reason: self._health.report(name, reason),
                warn=lambda event, details: self._log.warning(event, outbox=name, **details),
                settled=self._settled,
                random=self._random,
            ),
            report_storage=lambda reason: self._health.report(f"{name}: storage", reason),
        )

    def _settled(self) -> None:
        engine = self._engine
        if engine is not None:
            self.store.queued_items = engine.journal.queued_items
            engine.room.wake()

    def _tell_recovery(self, journal: Journal) -> None:
        losses, name = journal.losses, self.settings.name
        if journal.queued_items:
            self._log.info("the journal holds undelivered items", outbox=name, items=journal.queued_items)
        if losses.torn_bytes:
            self._log.info("an unfinished write was cut off the journal", outbox=name, bytes=losses.torn_bytes)
        if losses.damaged_bytes:
            self._log.error(
                "the journal is damaged, what could not be read is lost",
                outbox=name,
                segments=", ".join(losses.damaged_segments),
                bytes=losses.damaged_bytes,
                known_items=losses.damaged_items,
                copies_in=DAMAGED_FOLDER,
            )
            self.counts.dropped_items += losses.damaged_items

    # Putting

    def reserve(self, size: int, woken: Room | None) -> Room | None:
        """Take room for a put; returns where to wait for it if there is none now.

        Args:
            size: bytes of its records.
            woken: the room at whose queue's head the caller just waited.

        Raises:
            QueueFullError: there will not be room: stopping; ``OversizeError``: more than fits at all.
        """
        engine = self._engine
        if engine is None or not engine.is_accepting:
            raise self.refusal("is not running")
        if size > self.settings.max_bytes:
            text = f"outbox {self.settings.name} takes at most {self.settings.max_bytes} bytes, the request has {size}"
            raise OversizeError(text, retry_after=self.settings.retry_after)
        room = engine.room
        if room.reserve(size, is_next=room is woken):
            return None
        engine.make_room()
        return None if room.reserve(size, is_next=room is woken) else room

    def halve(self, fragment: Fragment) -> list[Fragment]:
        """A fragment in two, the positions on the second; one that cannot be cut by itself."""
        parts = self._split(fragment.encoding, fragment.payload)
        if len(parts) < 2:
            return [fragment]
        halves = [Fragment(items, payload, fragment.encoding) for items, payload in parts]
        return [*halves[:-1], replace(halves[-1], positions=fragment.positions)]

    def unreserve(self, size: int) -> None:
        """Give room back without writing."""
        if self._engine is not None:
            self._engine.room.release(size)

    def enqueue(self, records: Sequence[Record], size: int) -> Group:
        """Have reserved records written with the next group."""
        assert self._engine is not None
        return self._engine.writer.enqueue(records, size)

    def refusal(self, reason: str) -> QueueFullError:
        """The error for a put that is not accepted."""
        return QueueFullError(f"outbox {self.settings.name} {reason}", retry_after=self.settings.retry_after)

    def count_refused(self, records: Sequence[Record], error: QueueFullError) -> None:
        """A put was answered with an error."""
        items = sum([record.items for record in records])
        self.counts.refused_items += items
        encodings = [record.key[1].decode() for record in records if record.kind == FRAGMENT]
        if encodings:
            self._observer.on_refused(encodings[0], items, str(error))
