"""The live view: what a tap shows, item by item, filtered and thinned out, as server-sent events.

In: the taps of a component. Out: events ``item`` (one span, point, line or target), ``count`` (seen, shown, missed).
Errors: what cannot be decoded is shown as such.

Looking takes at most a 250th of a core, whatever passes: after each piece of work the stream rests so
many times as long. What came meanwhile waits in the tap's bounded channel, or is missed and counted. What to decode
is chosen first: as few parts of a request as can fill what may be shown, or those parts that hold the text that is
looked for, until enough is found or the time for one look is over. Measured at 100 000 spans/s: 4 to 5 ms of CPU per
second, with a filter and without, of the 220 that the service needs then.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeVar

import trio

from alloytrio.admin.live import COMMENT, HEARTBEAT, event
from alloytrio.admin.tap_items import TapItem, TapQuery, items_of
from alloytrio.admin.view import EdgeView
from alloytrio.errors import DecodeError
from alloytrio.telemetry import Telemetry
from alloytrio.telemetry.tap import LinesSeen, OtlpSeen, SamplesSeen, Seen, Tap, TargetsSeen, Watch
from alloytrio.wire import split
from alloytrio.wire.remote_write import split_write_request

MAX_WATCHES = 16
WAITING_ITEMS = 64  # requests or batches that wait to be looked at
WAITING_BYTES = 2 << 20  # of them together
REST_FACTOR = 250.0
MAX_REST = 1.0  # seconds; a reader that takes its pieces slowly is not work
COUNT_INTERVAL = 0.25  # seconds between counts while nothing is shown
LOOK_SECONDS = 0.002  # of searching in one request
THREAD_BYTES = 256 << 10  # a request that is larger is looked at in a thread: dividing it takes longer than one hop
PART_ITEMS = 32  # of a request, decoded together

T = TypeVar("T")


class TapEvents:
    """One reader's stream of a component's items; a context manager, entered when the stream begins.

    Args:
        taps: what to watch.
        query: what to show.
        stop: ends the stream.
        watches: all streams that are open; this one adds and removes itself.
        clock: a monotonic time in seconds.
    """

    def __init__(
        self,
        taps: Sequence[Tap],
        query: TapQuery,
        stop: trio.Event,
        watches: "set[TapEvents]",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._watch = Watch(taps, WAITING_ITEMS, WAITING_BYTES)
        self._query = query
        self._stop = stop
        self._clock = clock
        self._allowance = float(query.per_second)
        self._allowed_at = clock()
        self._began: float | None = None  # when the work began that is not rested for yet
        self._counted: tuple[int, int, int] = (0, 0, 0)
        self._count_at = trio.current_time()
        self._seen = self._shown = 0
        self._watches = watches

    def __enter__(self) -> "TapEvents":
        self._watches.add(self)
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, error, traceback)
        self._watches.discard(self)

    async def next(self) -> bytes | None:
        """The next piece of the stream; None when the service stops."""
        while True:
            await self._rest()
            item = await self._next_item()
            if self._stop.is_set():
                return None
            if item is None:
                return self._count() if self._has_news() else COMMENT
            self._began = self._clock()
            chosen = await self._look(item)
            if chosen or (self._has_news() and trio.current_time() >= self._count_at):
                return b"".join([*(event("item", each.as_json()) for each in chosen), self._count()])

    async def _rest(self) -> None:
        """For the work since the last rest, the sending of its piece included."""
        if self._began is not None:
            worked, self._began = self._clock() - self._began, None
            with trio.move_on_after(min(worked * REST_FACTOR, MAX_REST)):
                await self._stop.wait()

    async def _next_item(self) -> Seen | None:
        """What passed next; None at the stop, or when there is something to say first."""
        item: Seen | None = None
        patience = max(0.0, self._count_at - trio.current_time()) if self._has_news() else HEARTBEAT
        async with trio.open_nursery() as waiting:
            waiting.start_soon(self._wait_for_stop, waiting.cancel_scope)
            with trio.move_on_after(patience):
                item = await self._watch.receive()
            waiting.cancel_scope.cancel()
        return item

    async def _wait_for_stop(self, scope: trio.CancelScope) -> None:
        await self._stop.wait()
        scope.cancel()

    async def _look(self, item: Seen) -> list[TapItem]:
        """What of it is shown."""
        if isinstance(item, OtlpSeen) and self._query.kinds and item.signal not in self._query.kinds:
            return []
        looking = Look(item, self._query, self._granted(), self._seen, self._clock)
        if isinstance(item, OtlpSeen | SamplesSeen) and len(item.payload) > THREAD_BYTES:
            await trio.to_thread.run_sync(looking.run)
        else:
            looking.run()
        self._seen += looking.size
        self._shown += len(looking.found)
        self._allowance -= len(looking.found)
        return looking.found

    def _has_news(self) -> bool:
        return self._counted != (self._seen, self._shown, self._watch.missed)

    def _count(self) -> bytes:
        self._counted = (self._seen, self._shown, self._watch.missed)
        self._count_at = trio.current_time() + COUNT_INTERVAL
        return event("count", {"seen": self._seen, "shown": self._shown, "missed": self._watch.missed})

    def _granted(self) -> int:
        """How many items may be shown now: a bucket that fills with ``per_second``."""
        now = self._clock()
        self._allowance += (now - self._allowed_at) * self._query.per_second
        self._allowance = min(self._allowance, float(self._query.per_second))
        self._allowed_at = now
        return int(self._allowance)


def taps_of(component_id: str, edges: Sequence[EdgeView], telemetry: Telemetry) -> tuple[list[Tap], frozenset[str]]:
    """Where to look for what passes a component, and for which kinds.

    A component that shows nothing itself (a batch, an exporter) is looked at where its data comes from.
    """
    own = telemetry.tap(component_id)
    if own is not None and own.is_offered:
        return [own], frozenset()
    kinds = frozenset(edge.kind for edge in edges if edge.target_id == component_id)
    found: list[Tap] = []
    waiting, reached = [component_id], {component_id}
    while waiting:
        current = waiting.pop()
        for edge in edges:
            if edge.target_id != current or edge.source_id in reached:
                continue
            reached.add(edge.source_id)
            tap = telemetry.tap(edge.source_id)
            if tap is not None and tap.is_offered:
                found.append(tap)
            else:
                waiting.append(edge.source_id)
    return found, kinds


@dataclass(frozen=True, slots=True)
class Unit:
    """What is decoded at once: a part of a request, or one line or target.

    Args:
        size: items in it.
        raw: bytes that hold the text of its items; None = look at the items themselves.
        seen: the part alone.
    """

    size: int
    raw: bytes | None
    seen: Seen

    def may_hold(self, wanted: str) -> bool:
        """Whether a text may be in it; one outside ASCII may be there in another case."""
        return self.raw is None or not wanted.isascii() or wanted.lower().encode() in self.raw.lower()


class Look:
    """One look at what passed.

    Args:
        seen: what passed.
        query: what to show.
        wanted: items at most.
        turn: where a search begins, in any range: not always at the beginning of a request.
        clock: a monotonic time in seconds.

    Attributes:
        size: items in what passed.
        found: those to be shown, in their order.
    """

    def __init__(self, seen: Seen, query: TapQuery, wanted: int, turn: int, clock: Callable[[], float]) -> None:
        self._seen = seen
        self._query = query
        self._wanted = wanted
        self._turn = turn
        self._clock = clock
        self.size = 0
        self.found: list[TapItem] = []

    def run(self) -> None:
        """Look; takes about ``LOOK_SECONDS`` at most, and the time to divide the request."""
        deadline = self._clock() + LOOK_SECONDS
        units = units_of(self._seen)
        self.size = sum(unit.size for unit in units)
        if not self._wanted:
            return
        found: dict[int, list[TapItem]] = {}
        missing = self._wanted
        for index in self._order(units):
            unit = units[index]
            if not self._query.text or unit.may_hold(self._query.text):
                items = [item for item in items_of(unit.seen) if item.matches(self._query)]
                found[index] = items
                missing -= len(items)
            if missing <= 0 or self._clock() > deadline:
                break
        self.found = thin_out([item for index in sorted(found) for item in found[index]], self._wanted)

    def _order(self, units: Sequence[Unit]) -> Sequence[int]:
        """The units to look at: all in a search, else as few as hold enough."""
        if self._query.text or self._query.labels:
            start = self._turn % max(len(units), 1)
            return [*range(start, len(units)), *range(start)]
        largest = max((unit.size for unit in units), default=1)
        return thin_out(range(len(units)), -(-self._wanted // max(largest, 1)))


def units_of(seen: Seen) -> list[Unit]:
    """What passed in parts that can be decoded one by one; what cannot be divided is one."""
    match seen:
        case OtlpSeen() | SamplesSeen():
            try:
                return [Unit(size, payload, replace(seen, payload=payload)) for size, payload in _parts(seen)]
            except DecodeError:
                return [Unit(1, None, seen)]
        case LinesSeen():
            return [Unit(1, line.line, replace(seen, lines=[line])) for line in seen.lines]
        case TargetsSeen():
            return [Unit(1, None, TargetsSeen([target])) for target in seen.targets]


def _parts(seen: OtlpSeen | SamplesSeen) -> list[tuple[int, bytes]]:
    if isinstance(seen, SamplesSeen):
        return split_write_request(seen.payload, PART_ITEMS, 0)
    return split(seen.signal, seen.payload, PART_ITEMS, 0)


def thin_out(items: Sequence[T], wanted: int) -> list[T]:
    """So many of them, evenly spread."""
    if wanted >= len(items):
        return list(items)
    return [items[index * len(items) // wanted] for index in range(wanted)]
