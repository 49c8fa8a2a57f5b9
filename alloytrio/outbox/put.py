"""Puts fragments into several outboxes at once: room is reserved in all of them before any is written to."""

from collections.abc import Sequence

import trio

from alloytrio.errors import QueueFullError
from alloytrio.outbox.outbox import Outbox, Put
from alloytrio.outbox.record import Record
from alloytrio.outbox.room import Room
from alloytrio.outbox.writer import Group

WRITE_TIMEOUT = 10.0
"""Seconds that a cancelled put still waits for the writer; writes take milliseconds, so this is a hanging disk."""

LONG_WORK_BYTES = 1 << 20
"""Bytes packed before others may run: about 0.8 ms with gzip."""


class _Job:
    """What goes into one outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.records: list[Record] = []
        self.size = 0

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.size += record.size


async def put_all(puts: Sequence[Put]) -> None:
    """Put fragments into their outboxes; returns when all are in the journals.

    What goes into one outbox is there whole or not at all. Cancelling while it waits for room takes nothing; after
    that it is written, whatever happens to the caller.

    Raises:
        QueueFullError: no room in time, or a disk does not take it. The sender should keep all of it and try again;
            an outbox that had taken its part gets it twice then. ``OversizeError``: it would never fit.
        ValueError: an encoding names no codec.
    """
    try:
        jobs = await _pack(puts)
        if not jobs:
            await trio.lowlevel.checkpoint()
            return
        not_before = max([put.not_before for put in puts])
        if not_before > trio.current_time():
            await trio.sleep_until(not_before)
        await _reserve(jobs)
    except BaseException:
        _undo(puts)
        raise
    groups = {job.outbox: job.outbox.enqueue(job.records, job.size) for job in jobs}
    try:
        await _written(list(groups.values()))
    finally:
        refused = [outbox for outbox, group in groups.items() if group.error is not None or not group.done.is_set()]
        _undo([put for put in puts if put.lane.outbox in refused])
    failed = [(job, error) for job in jobs if (error := groups[job.outbox].error) is not None]
    for job, error in failed:
        job.outbox.count_refused(job.records, error)
    if failed:
        raise QueueFullError(str(failed[0][1]), retry_after=failed[0][1].retry_after)


async def _pack(puts: Sequence[Put]) -> list[_Job]:
    """The records for each outbox that gets any."""
    jobs: dict[Outbox, _Job] = {}
    packed_bytes = 0
    for put in puts:
        outbox = put.lane.outbox
        for fragment in put.fragments:
            record = put.lane.record(fragment)
            if record is not None:
                job = jobs.get(outbox)
                if job is None:
                    job = jobs[outbox] = _Job(outbox)
                job.add(record)
            packed_bytes += len(fragment.payload)
            if packed_bytes >= LONG_WORK_BYTES:
                packed_bytes = 0
                await trio.lowlevel.checkpoint()
    return list(jobs.values())


def _undo(puts: Sequence[Put]) -> None:
    for put in puts:
        if put.undo is not None:
            put.undo()


async def _written(groups: Sequence[Group]) -> None:
    try:
        for group in groups:
            await group.done.wait()
    except trio.Cancelled:
        with trio.move_on_after(WRITE_TIMEOUT, shield=True):
            for group in groups:
                await group.done.wait()
        raise


async def _reserve(jobs: Sequence[_Job]) -> None:
    """Take room in all outboxes, or in none."""
    try:
        full = _try(jobs, None)
        if full is None:
            return
        timeout = max(job.outbox.settings.put_timeout for job in jobs)
        with trio.move_on_after(timeout):
            await _wait_for_room(jobs, full)
            return
        settings = full[0].outbox.settings
        raise full[0].outbox.refusal(f"is full ({settings.max_bytes} bytes), no room within {timeout:g} s")
    except QueueFullError as exc:
        for job in jobs:
            job.outbox.count_refused(job.records, exc)
        raise


async def _wait_for_room(jobs: Sequence[_Job], full: tuple[_Job, Room]) -> None:
    woken: Room | None = None
    while True:
        room = full[1]
        if woken is not None and woken is not room:
            woken.wake()  # we leave this queue
        await room.wait(first=woken is room)
        woken = room
        try:
            again = _try(jobs, woken)
        except QueueFullError:
            woken.wake()
            raise
        if again is None:
            woken.wake()
            return
        full = again


def _try(jobs: Sequence[_Job], woken: Room | None) -> tuple[_Job, Room] | None:
    """Take room in all; if one has none, give back what was taken and return that one."""
    for number, job in enumerate(jobs):
        try:
            full = job.outbox.reserve(job.size, woken)
        except QueueFullError:
            _give_back(jobs[:number])
            raise
        if full is not None:
            _give_back(jobs[:number])
            return job, full
    return None


def _give_back(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.outbox.unreserve(job.size)
