"""Searches in a recorder, each in a worker thread and within a time.

In: snapshots of the rings, taken on the event loop. Out: what ``traces.py``, ``lines.py`` and ``series.py`` find.
Errors: none; a search that runs out of time answers with what it has and says that it is not everything.

One search runs at a time. What searches learn (an index of traces, the points of series) is kept for the next one and
forgotten when nobody has looked for ``IDLE_SECONDS``.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar, runtime_checkable

import trio

from alloytrio.recorder.lines import EntryFields, Line, LineQuery, newest, search_entries, search_requests
from alloytrio.recorder.samples import SampleStore
from alloytrio.recorder.series import Series, SeriesStore
from alloytrio.recorder.traces import Kept, Trace, TraceIndex, TraceQuery, TraceSummary, find_trace

SEARCH_SECONDS = 2.0
WORK_SECONDS = 0.001  # of a search, after which the event loop gets a turn: compiled code does not let go by itself
BREATH_SECONDS = 0.0002  # long enough for the loop to wake up
IDLE_SECONDS = 300.0
MAX_NAMES = 1_000  # that a reader can choose from
MAX_TRACE_SPANS = 2_000  # of one trace on a page: what a browser still scrolls

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The answer to a search.

    Args:
        items: what matches.
        services: that a reader can choose from.
        is_complete: everything that is kept was searched.
        total: matches, those beyond the limit included; 0 = not counted.
        names: of metrics that match, sorted, at most ``MAX_NAMES``.
    """

    items: Sequence[T]
    services: Sequence[str]
    is_complete: bool
    total: int = 0
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Rings:
    """Where a recorder keeps things; each function gives a snapshot, newest first.

    Args:
        entries: batches of container lines, each oldest first.
        seen: items of each kind that came by since the start.
        samples: encoded remote write requests.
        metadata: such requests with the types, units and descriptions of samples.
    """

    traces: Callable[[], Sequence[Kept]]
    metrics: Callable[[], Sequence[Kept]]
    logs: Callable[[], Sequence[Kept]]
    entries: Callable[[], Sequence[Sequence[EntryFields]]]
    seen: Callable[[], Mapping[str, int]]
    samples: Callable[[], Sequence[Kept]] = tuple
    metadata: Callable[[], Sequence[bytes]] = tuple


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of what searches in series learn.

    Args:
        max_series: of each of the two kinds, OpenTelemetry's and Prometheus'.
        max_points: per series.
    """

    max_series: int = 2_000
    max_points: int = 240


class Viewer:
    """Reads one recorder.

    Args:
        rings: of the recorder.
        bounds: see there.
        clock: a monotonic time in seconds.
    """

    def __init__(self, rings: Rings, bounds: Bounds | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rings = rings
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._searching = trio.CapacityLimiter(1)
        self._last_used = clock()
        self._forget()

    def kept(self) -> Mapping[str, int]:
        """Items of each kind that were seen."""
        return self._rings.seen()

    def forget_if_idle(self) -> None:
        """Give back memory that nobody has used for a while."""
        if self._clock() - self._last_used > IDLE_SECONDS:
            self._forget()

    def _forget(self) -> None:
        self._index = TraceIndex()
        self._series = SeriesStore(self._bounds.max_series, self._bounds.max_points)
        self._samples = SampleStore(self._bounds.max_series, self._bounds.max_points)

    async def search_traces(self, query: TraceQuery) -> Found[TraceSummary]:
        """Traces, newest first."""
        return await self._in_thread(partial(self._find_traces, self._rings.traces(), query))

    async def trace(self, trace_id: str) -> Trace | None:
        """One trace, whose id is 32 hex digits; None if nothing of it is kept."""
        return await self._in_thread(partial(find_trace, self._rings.traces(), trace_id, MAX_TRACE_SPANS))

    async def search_lines(self, query: LineQuery) -> Found[Line]:
        """Log lines of both kinds, newest first."""
        return await self._in_thread(partial(self._find_lines, self._rings.logs(), self._rings.entries(), query))

    async def search_series(self, name: str, service: str, limit: int) -> Found[Series]:
        """Series whose metric's name holds ``name``."""
        return await self._in_thread(partial(self._find_series, self._snapshot(), name, service, limit))

    async def _in_thread(self, search: Callable[[], R]) -> R:
        self._last_used = self._clock()
        return await trio.to_thread.run_sync(search, limiter=self._searching)

    def _lateness(self) -> Callable[[], bool]:
        """Asked before each request that a search reads: whether its time is over. Lets the event loop go first."""
        deadline = self._clock() + SEARCH_SECONDS
        worked_from = self._clock()

        def is_late() -> bool:
            nonlocal worked_from
            if self._clock() - worked_from > WORK_SECONDS:
                time.sleep(BREATH_SECONDS)
                worked_from = self._clock()
            return self._clock() > deadline

        return is_late

    def _find_traces(self, kept: Sequence[Kept], query: TraceQuery) -> Found[TraceSummary]:
        is_complete = self._index.refresh(kept, self._lateness())
        return Found(self._index.search(query), self._index.services(), is_complete)

    def _find_lines(
        self, kept: Sequence[Kept], batches: Sequence[Sequence[EntryFields]], query: LineQuery
    ) -> Found[Line]:
        is_late = self._lateness()
        records, all_records = search_requests(kept, query, is_late)
        entries, all_entries = search_entries(batches, query, is_late)
        lines = newest(records + entries, query.limit)
        return Found(lines, sorted({line.service for line in lines}), all_records and all_entries)

    def _snapshot(self) -> tuple[Sequence[Kept], Sequence[Kept], Sequence[bytes]]:
        return self._rings.metrics(), self._rings.samples(), self._rings.metadata()

    def _find_series(
        self,
        kept: tuple[Sequence[Kept], Sequence[Kept], Sequence[bytes]],
        name: str,
        service: str,
        limit: int,
    ) -> Found[Series]:
        metrics, samples, metadata = kept
        is_late = self._lateness()
        all_metrics, all_samples = self._series.refresh(metrics, is_late), self._samples.refresh(samples, is_late)
        most = 2 * self._bounds.max_series
        found = self._series.search(name, service, most) + self._samples.search(metadata, name, service, most)
        found.sort(key=lambda each: (each.info.name, each.info.service))
        services = sorted({*self._series.services(), *self._samples.services()})
        names = list(dict.fromkeys(each.info.name for each in found))
        return Found(found[:limit], services, all_metrics and all_samples, len(found), names[:MAX_NAMES])


@runtime_checkable
class KeepsRecent(Protocol):
    """A component that keeps the latest data for the viewer pages to search."""

    @property
    def viewer(self) -> Viewer:
        """Searches in it."""
