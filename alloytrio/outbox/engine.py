"""The parts of a running outbox, wired together. Made anew for each run, which begins with what is on disk."""

import math
from collections.abc import Callable, Mapping

import trio

from alloytrio.errors import StorageError
from alloytrio.outbox.backlog import Backlog
from alloytrio.outbox.clock import Clock
from alloytrio.outbox.delivery import Delivery, Hooks
from alloytrio.outbox.fragment import BatchPolicy
from alloytrio.outbox.journal import Journal
from alloytrio.outbox.observer import OutboxCounts, OutboxStats
from alloytrio.outbox.recovery import recover
from alloytrio.outbox.rejected import RejectedFolder
from alloytrio.outbox.room import Room
from alloytrio.outbox.settings import OutboxSettings
from alloytrio.outbox.storage import Store
from alloytrio.outbox.writer import Writer

CLOSE_TIMEOUT = 2.0
"""Seconds for the last fsync: a disk that hangs must not keep the process from ending."""


class Engine:
    """One run of an outbox.

    Args:
        settings: of the outbox.
        store: where its journal is.
        clock: of this run.
        policies: of the lanes, by name.
        counts: are counted up.
        hooks: what delivery calls.
        report_storage: called with what the disk suffers from, or "" when it works.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        *,
        store: Store,
        clock: Clock,
        policies: Mapping[str, BatchPolicy],
        counts: OutboxCounts,
        hooks: Hooks,
        report_storage: Callable[[str], None],
    ) -> None:
        directory = store.directory
        self._settings = settings
        self._clock = clock
        self._counts = counts
        self.is_accepting = False
        self.journal = Journal(
            directory,
            segment_bytes=settings.segment_bytes,
            max_bytes=settings.max_bytes,
            durable=settings.fsync != "never",
        )
        self.room = Room(settings.max_bytes, lambda: self.journal.used_bytes)
        self.backlog = Backlog(settings, self.journal, clock, policies)
        self.delivery = Delivery(
            settings,
            journal=self.journal,
            backlog=self.backlog,
            rejected=RejectedFolder(directory, settings.rejected_max_bytes),
            clock=clock,
            counts=counts,
            hooks=hooks,
        )
        self.writer = Writer(
            settings,
            self.journal,
            clock=clock,
            accept=self.delivery.accept,
            release=self.room.release,
            report=report_storage,
        )

    async def recover(self) -> None:
        """Read the journal back.

        Raises:
            StorageError: it cannot be read; the message says what to do.
        """
        try:
            for waiting in recover(self.journal, self._settings.rejected_max_bytes):
                for key, place in waiting.items():
                    self.backlog.begin_at(key, place)
                await trio.lowlevel.checkpoint()
        except OSError as exc:
            raise StorageError(
                f"outbox {self._settings.name}: cannot read its journal: {exc}. "
                "Make its files readable and writable for this user, or move them away"
            ) from exc

    async def run(self, *, stop: trio.Event, grace: float, started: Callable[[], None]) -> None:
        """Write and deliver until ``stop``, then deliver what is left for at most ``grace`` seconds.

        Args:
            stop: see there.
            grace: see there.
            started: called when puts are accepted.
        """
        try:
            async with trio.open_nursery() as writing:
                writing.start_soon(self.writer.run)
                if self._settings.fsync != "never":
                    writing.start_soon(self.writer.sync_regularly)
                async with trio.open_nursery() as delivering:
                    delivering.start_soon(self.delivery.run)
                    self.is_accepting = True
                    started()
                    await stop.wait()
                    self.stop_accepting()
                    delivering.cancel_scope.deadline = trio.current_time() + grace
                    await self.writer.written()
                    self.delivery.flush()
                writing.cancel_scope.cancel()
        finally:
            self.stop_accepting()
            with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
                await self._close()

    def stop_accepting(self) -> None:
        """Refuse all puts from now on, those that wait for room too."""
        self.is_accepting = False
        self.room.wake_all()

    async def _close(self) -> None:
        try:
            self.journal.write_marks()
            if self._settings.fsync != "never":
                await self.writer.sync()
        finally:
            self.journal.close()

    def make_room(self) -> None:
        """Somebody found none."""
        self.journal.make_room(self._clock.now_ns())

    def stats(self) -> OutboxStats:
        """The state now."""
        now = self._clock.now()
        schedule = self.delivery.schedule
        oldest = [entry.accepted_ns for flight in schedule.flights for entry in flight.entries]
        if (waiting := self.backlog.oldest_ns) is not None:
            oldest.append(waiting)
        retry_wait = schedule.next_due_at - now
        return OutboxStats(
            queued_items=self.journal.queued_items,
            queued_bytes=self.journal.queued_bytes,
            used_bytes=self.journal.used_bytes,
            capacity_bytes=self._settings.max_bytes,
            memory_bytes=self.backlog.window.used,
            batches_in_flight=len(schedule.flights),
            batches_waiting=schedule.waiting,
            puts_waiting=self.room.waiting,
            oldest_age=max(0.0, (self._clock.stamp(now) - min(oldest)) / 1e9) if oldest else 0.0,
            retry_wait=max(0.0, retry_wait) if retry_wait < math.inf else None,
            write_error=self.writer.error,
            counts=self._counts,
        )
