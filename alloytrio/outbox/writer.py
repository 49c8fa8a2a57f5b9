"""The journal's writer: takes all puts that wait, writes them in one go, acknowledges each; and the fsync behind it.

The write happens on the event loop, fsync in a thread. With ``fsync = "always"`` all puts of a group wait for one.
After a failed write nothing of the group is in the journal. After a failed fsync the segment is not written to any
more; what the group held is delivered all the same, since parts of it may be on the disk: its senders are told that it
failed, so they may send it twice.
"""

import os
from collections.abc import Callable, Sequence

import trio

from alloytrio.errors import QueueFullError
from alloytrio.outbox.clock import Clock
from alloytrio.outbox.files import Sync, run_all
from alloytrio.outbox.journal import Journal, Place
from alloytrio.outbox.record import FRAGMENT, Record
from alloytrio.outbox.settings import OutboxSettings

Accept = Callable[[Record, Place, int, float], None]
"""A record was written: (record, where, accepted wall-clock ns, now)."""


class Group:
    """Puts that are written together.

    Attributes:
        puts: their records.
        size: bytes of all.
        done: set when they are written, or could not be.
        error: why they could not be.
    """

    __slots__ = ("done", "error", "puts", "size")

    def __init__(self) -> None:
        self.puts: list[Sequence[Record]] = []
        self.size = 0
        self.done = trio.Event()
        self.error: QueueFullError | None = None


class Writer:
    """Writes one journal.

    Args:
        settings: of the outbox.
        journal: only this object appends to it.
        clock: stamps the records.
        accept: called for each FRAGMENT record that is written, in order.
        release: called with the bytes that were reserved for a group, when it is written or failed.
        report: called with what the disk suffers from, or "" when it works.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        journal: Journal,
        *,
        clock: Clock,
        accept: Accept,
        release: Callable[[int], None],
        report: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock = clock
        self._accept = accept
        self._release = release
        self._report = report
        self._group = Group()  # takes what comes
        self._taken = Group()  # is being written, or was
        self._taken.done.set()
        self._wake = trio.Event()
        self._write_error = self._sync_error = ""
        self._syncing = trio.Lock()
        self._sync_failures = 0

    @property
    def error(self) -> str:
        """Why the last write or fsync failed; empty when it did not."""
        return self._write_error or self._sync_error

    def enqueue(self, records: Sequence[Record], size: int) -> Group:
        """Have a put written with the next group. From here on it cannot be called back.

        Args:
            records: of one put, at least one.
            size: their bytes, which are reserved.
        """
        group = self._group
        group.puts.append(records)
        group.size += size
        if len(group.puts) == 1:
            self._wake.set()
        return group

    async def written(self) -> None:
        """Wait until all that is enqueued now is answered."""
        if self._group.puts:
            await self._group.done.wait()
        elif not self._taken.done.is_set():
            await self._taken.done.wait()

    async def run(self) -> None:
        """Write group after group. What waits when this is cancelled is answered with an error."""
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                self._taken, self._group = self._group, Group()
                self._answer(self._taken, await self._commit(self._taken))
        finally:
            for group in (self._taken, self._group):
                self._answer(group, "is stopping")

    async def _commit(self, group: Group) -> str:
        """Write a group; returns what went wrong, if anything."""
        now = self._clock.now()
        stamp = self._clock.stamp(now)
        try:
            places = self._append(group.puts, stamp)
        except OSError as exc:
            self._note(write_error=f"cannot write to the journal: {_words(exc)}")
            return self._write_error
        self._note(write_error="")
        error = ""
        if self._settings.fsync == "always":
            error = await self.sync()
        remaining = iter(places)
        for records in group.puts:
            for record in records:
                if record.kind == FRAGMENT:
                    self._accept(record, next(remaining), stamp, now)
        return error

    def _append(self, puts: Sequence[Sequence[Record]], stamp: int) -> list[Place]:
        try:
            return self._journal.append(puts, stamp)
        except OSError:
            if not self._journal.make_room(stamp):
                raise
        return self._journal.append(puts, stamp)

    def _answer(self, group: Group, error: str) -> None:
        if group.done.is_set():
            return
        if error:
            message = f"outbox {self._settings.name}: {error}"
            group.error = QueueFullError(message, retry_after=self._settings.retry_after)
        self._release(group.size)
        group.done.set()

    async def sync_regularly(self) -> None:
        """Fsync what was written, once per interval."""
        while True:
            await trio.sleep(self._settings.fsync_interval)
            self._journal.write_marks()
            if self._journal.is_dirty:
                await self.sync()

    async def sync(self) -> str:
        """Fsync what was written; returns what went wrong, if anything. Then nothing more goes into that segment."""
        failures = self._sync_failures
        async with self._syncing:
            point = self._journal.sync_point
            syncs: list[Sync] = []
            try:
                syncs += self._journal.syncs()
                if syncs:
                    await trio.to_thread.run_sync(run_all, syncs, abandon_on_cancel=True)
            except OSError as exc:
                self._sync_failures += 1
                self._journal.sync_failed()
                self._note(sync_error=f"fsync failed: {_words(exc)}")
                return self._sync_error
            finally:
                for sync in syncs:
                    sync.cancel()
            self._journal.synced(point)
            if failures != self._sync_failures:
                # The kernel tells a failure once: to the sync before ours, which may have been about our bytes.
                return "fsync failed"
            self._note(sync_error="")
            return ""

    def _note(self, *, write_error: str | None = None, sync_error: str | None = None) -> None:
        before = self._write_error, self._sync_error
        if write_error is not None:
            self._write_error = write_error
        if sync_error is not None:
            self._sync_error = sync_error
        if (self._write_error, self._sync_error) != before:
            self._report(self.error)


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
