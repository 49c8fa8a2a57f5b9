"""Takes batches from the backlog and sends them: N at a time, again and again until delivered.

In: records that the writer wrote (``accept``). Out: batches to the exporter's ``deliver``; settled entries to the
journal. Errors: retryable → the same batch again, later; permanent → cut in halves until what is refused stands alone,
which is set aside; permanent as a whole → again, slowly. Anything else that ``deliver`` raises is a bug and goes
through.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import trio

from alloytrio.errors import ExportError, PermanentExportError, RetryableExportError
from alloytrio.outbox.backlog import Backlog
from alloytrio.outbox.clock import Clock
from alloytrio.outbox.codec import IDENTITY, Codec, codec_of
from alloytrio.outbox.entry import Entry
from alloytrio.outbox.flight import Flight, Split
from alloytrio.outbox.fragment import Batch
from alloytrio.outbox.journal import Journal, Place
from alloytrio.outbox.observer import OutboxCounts, OutboxObserver
from alloytrio.outbox.record import Record
from alloytrio.outbox.rejected import REJECTED_FOLDER, RejectedFolder
from alloytrio.outbox.retry import Retry
from alloytrio.outbox.schedule import Schedule
from alloytrio.outbox.settings import OutboxSettings

Deliver = Callable[[Batch], Awaitable[None]]
"""Sends a batch; raises RetryableExportError or PermanentExportError."""

DROP_LOG_INTERVAL = 60.0
"""Seconds between two log lines about items that are given up: an outage must not fill the log."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What delivery calls.

    Args:
        deliver: sends a batch.
        split: cuts a fragment in halves.
        observer: told of everything that happens to items.
        report: called with what delivery suffers from, or "" when it works.
        warn: writes a warning to the log: (event, details).
        settled: called when entries were settled: there may be room now.
        random: uniform in [0, 1).
    """

    deliver: Deliver
    split: Split
    observer: OutboxObserver
    report: Callable[[str], None]
    warn: Callable[[str, Mapping[str, object]], None]
    settled: Callable[[], None]
    random: Callable[[], float]


class Delivery:
    """The senders of one outbox.

    Args:
        settings: bounds and retry policy.
        journal: where entries are settled.
        backlog: where batches come from.
        rejected: where refused items go.
        clock: of the outbox.
        counts: are counted up.
        hooks: see there.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        *,
        journal: Journal,
        backlog: Backlog,
        rejected: RejectedFolder,
        clock: Clock,
        counts: OutboxCounts,
        hooks: Hooks,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._backlog = backlog
        self._rejected = rejected
        self._clock = clock
        self._counts = counts
        self._hooks = hooks
        self._wake = trio.Event()
        self._is_flushing = False
        self._failing: dict[Flight, str] = {}
        self._reported: str | None = None
        self._unlogged_drops: dict[str, int] = {}
        self._log_drops_at = -math.inf
        self.schedule = Schedule(settings.senders, 1 if settings.in_order else settings.senders)

    def accept(self, record: Record, place: Place, stamp: int, now: float) -> None:
        """A record was written."""
        self._counts.accepted_items += record.items
        if self._backlog.accept(record, place, stamp, now):
            self._wake.set()

    def flush(self) -> None:
        """Nothing more will come: send all there is without waiting, then ``run`` returns."""
        self._is_flushing = True
        self.schedule.hurry(self._clock.now())
        self._wake.set()

    async def run(self) -> None:
        """Send until there is nothing left after ``flush``. May be cancelled anywhere: what was not settled stays."""
        timeout = self._settings.attempt_timeout or math.inf
        async with trio.open_nursery() as attempts:
            while not self._is_finished:
                self._wake = trio.Event()
                now = self._clock.now()
                self._drop_unusable(now)
                while self.schedule.has_free_sender and (flight := self._next_flight(now)) is not None:
                    self.schedule.send()
                    attempts.start_soon(self._attempt, flight, timeout)
                self._report()
                if not self._is_finished:
                    with trio.move_on_at(self._next_at(now)):
                        await self._wake.wait()

    @property
    def _is_finished(self) -> bool:
        return self._is_flushing and self._backlog.is_empty and not self.schedule.flights

    def _next_at(self, now: float) -> float:
        times = [self._backlog.next_expiry_at()]
        if self.schedule.has_free_sender:
            times.append(self.schedule.next_due_at)
            times.append(self._backlog.next_at(now, self.schedule.may_begin_at))
        return min(times)

    # One flight

    def _next_flight(self, now: float) -> Flight | None:
        while (flight := self.schedule.take_due(now)) is not None:
            self._drop_expired(flight, now)
            if not flight.is_done:
                return flight
            self._end(flight)
        taken = self._backlog.take(now, self.schedule.may_begin_at, flush=self._is_flushing)
        if taken is None:
            return None
        encoding, entries = taken
        flight = Flight(encoding, entries, _known_codec(encoding), Retry(self._settings.retry, self._hooks.random))
        self.schedule.begin(flight)
        self._journal.start(entries)
        return flight

    async def _attempt(self, flight: Flight, timeout: float) -> None:  # noqa: ASYNC109 - from the settings, at one place
        began = self._clock.now()
        flight.attempt += 1
        flight.retry.begin(began)
        batch = flight.make_batch()
        error: ExportError | None = None
        try:
            with trio.fail_after(timeout):
                await self._hooks.deliver(batch)
        except trio.TooSlowError:
            error = RetryableExportError(f"no answer within {timeout:g} s", unknown_outcome=True)
        except ExportError as exc:
            error = exc
        finally:
            self.schedule.sent()
            self._wake.set()
        now = self._clock.now()
        if error is None:
            self._succeeded(flight, batch, now - began)
        else:
            self._failed(flight, batch, error, now - began)
            self._decide(flight, error, now)

    def _succeeded(self, flight: Flight, batch: Batch, seconds: float) -> None:
        self._counts.sent_items += batch.items
        self._counts.last_success_ns = self._clock.now_ns()
        self._hooks.observer.on_batch_sent(batch, seconds)
        self._settle(flight.finish_current())
        self._failing.pop(flight, None)
        self._go_on(flight)
        self._report()

    def _failed(self, flight: Flight, batch: Batch, error: ExportError, seconds: float) -> None:
        self._counts.failed_attempts += 1
        self._counts.last_error = str(error)
        self._counts.last_error_ns = self._clock.now_ns()
        self._hooks.observer.on_attempt_failed(batch, error, seconds)
        if isinstance(error, RetryableExportError) and error.unknown_outcome:
            flight.is_unknown = True

    def _decide(self, flight: Flight, error: ExportError, now: float) -> None:
        """What becomes of a flight whose attempt failed."""
        if isinstance(error, PermanentExportError) and not error.whole:
            if not flight.cut_current(self._hooks.split):
                self._reject(flight, str(error))
            self._failing.pop(flight, None)
            self._go_on(flight)
        elif isinstance(error, PermanentExportError):
            self._wait(flight, str(error), flight.retry.slowly_at(now))
        else:
            retry_after = error.retry_after if isinstance(error, RetryableExportError) else None
            if retry_after:
                self.schedule.hold(flight.encoding, now, now + retry_after)
            next_at = flight.retry.next_at(now, retry_after)
            if next_at is None:
                self._give_up(flight)
            else:
                self._wait(flight, str(error), next_at)
        self._report()

    def _wait(self, flight: Flight, words: str, until: float) -> None:
        self._failing.pop(flight, None)  # so that it is the latest
        self._failing[flight] = words
        self.schedule.wait(flight, until)

    def _go_on(self, flight: Flight) -> None:
        """Send the rest of a flight that was cut, or end it."""
        if flight.is_done:
            self._end(flight)
        else:
            self.schedule.wait(flight, self._clock.now())

    def _end(self, flight: Flight) -> None:
        self._failing.pop(flight, None)
        self.schedule.end(flight)
        if flight.refused_items:
            details = {"items": flight.refused_items, "reason": flight.refusal, "kept_in": REJECTED_FOLDER}
            self._hooks.warn("the backend refuses items for good, they are set aside", details)

    # Items that are not delivered

    def _reject(self, flight: Flight, reason: str) -> None:
        items = self._set_aside(flight, reason)
        flight.refused_items += items
        flight.refusal = reason
        self._counts.rejected_items += items
        self._hooks.observer.on_rejected(flight.encoding, items, reason)
        self._settle(flight.finish_current())

    def _set_aside(self, flight: Flight, reason: str) -> int:
        """Keep what the last attempt sent in the ``rejected/`` folder; returns its items."""
        items = sum([slice_.items for slice_ in flight.current])
        payload = flight.plain_current()
        self._rejected.add(
            encoding=flight.encoding, items=items, payload=payload, reason=reason, now_ns=self._clock.now_ns()
        )
        return items

    def _give_up(self, flight: Flight) -> None:
        """The user's limit for retries is reached; the bytes go where rejected ones go, as long as there is room."""
        while not flight.is_done:
            items = self._set_aside(flight, f"retries exhausted: {self._counts.last_error}")
            self._drop(flight.encoding, items, "retries exhausted", flight.finish_current())
        self._end(flight)

    def _drop_expired(self, flight: Flight, now: float) -> None:
        limit_ns = self._backlog.oldest_allowed_ns(now)
        while not flight.is_done:
            items, done = flight.drop_current_before(limit_ns)
            if not items and not done:
                return
            self._drop(flight.encoding, items, "max_age", done)

    def _drop_unusable(self, now: float) -> None:
        for dropped in self._backlog.drop_unusable(now):
            items = sum([entry.items for entry in dropped.entries])
            self._drop(dropped.encoding, items, dropped.reason, list(dropped.entries))

    def _drop(self, encoding: str, items: int, reason: str, done: list[Entry]) -> None:
        self._counts.dropped_items += items
        self._hooks.observer.on_dropped(encoding, items, reason)
        self._unlogged_drops[reason] = self._unlogged_drops.get(reason, 0) + items
        now = self._clock.now()
        if now >= self._log_drops_at:
            self._log_drops_at = now + DROP_LOG_INTERVAL
            self._hooks.warn("accepted items are given up", dict(self._unlogged_drops))
            self._unlogged_drops.clear()
        self._settle(done)

    def _settle(self, entries: list[Entry]) -> None:
        if entries:
            self._journal.settle(entries)
            self._backlog.window.forget(entries)
            self._hooks.settled()

    def _report(self) -> None:
        """Tell how delivery does: what the latest failing batch suffers from, and how many wait."""
        words = next(reversed(self._failing.values()), "")
        reason = f"{len(self._failing)} batches wait, the latest error: {words}" if words else ""
        reason = reason or self._backlog.read_error
        if reason != self._reported:
            self._reported = reason
            self._hooks.report(reason)


def _known_codec(encoding: str) -> Codec:
    """The codec of an encoding; what a later version stored with one that we do not know is sent as it is kept."""
    try:
        return codec_of(encoding)
    except ValueError:
        return IDENTITY
