"""A process with an outbox, for tests that kill it: puts numbers, says which were acknowledged, delivers to a file.

Usage: python process.py DIRECTORY FIRST COUNT

With COUNT 0 it delivers what is left and ends. Batches are appended to DIRECTORY/delivered, a line each. Acknowledged
numbers go to standard output, a line each.
"""

import os
import random
import sys
from functools import partial
from pathlib import Path

import trio

from alloytrio.errors import RetryableExportError
from alloytrio.outbox import (
    Batch,
    BatchPolicy,
    Fragment,
    Outbox,
    OutboxSettings,
    Put,
    RetryPolicy,
    Storage,
    decode_body,
    put_all,
)
from alloytrio.telemetry import Telemetry

SENDERS = 4
BATCH_ITEMS = 8


class FileBackend:
    """Appends batches to a file; sometimes it does not take one."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def deliver(self, batch: Batch) -> None:
        """Take a batch, or not."""
        await trio.sleep(random.random() / 500)
        if random.random() < 0.2:
            raise RetryableExportError("busy")
        os.write(self._descriptor, decode_body(batch.encoding, batch.body).replace(b";", b" ") + b"\n")


async def put_numbers(outbox: Outbox, first: int, count: int) -> None:
    """Put numbers, of all sizes and encodings, from several tasks."""
    lane = outbox.lane(BatchPolicy("numbers", timeout=0.005, send_batch_size=BATCH_ITEMS))

    async def put_some(task: int) -> None:
        for number in range(first + task, first + count, 4):
            encoding = f"numbers/{('gzip', 'snappy', 'identity')[number % 3]}"
            payload = b"%d;" % number + (b";" * 20_000 if number % 7 == 0 else b"")
            await put_all([Put(lane, [Fragment(1, payload, encoding, {b"%d" % task: b"%d" % number})])])
            os.write(1, b"%d\n" % number)

    async with trio.open_nursery() as senders:
        for task in range(4):
            senders.start_soon(put_some, task)


async def main(directory: Path, first: int, count: int) -> None:
    """Run until killed, or until all is delivered."""
    settings = OutboxSettings(
        "numbers",
        segment_bytes=64 * 1024,
        memory_bytes=32 * 1024,
        senders=SENDERS,
        fsync_interval=0.05,
        retry=RetryPolicy(initial_interval=0.005, max_interval=0.02),
    )
    outbox = Outbox(
        settings,
        store=Storage.disk(directory).open("numbers"),
        deliver=FileBackend(directory / "delivered").deliver,
        split=lambda encoding, payload: [],
        telemetry=Telemetry().component("numbers"),
    )
    stop = trio.Event()
    async with trio.open_nursery() as outboxes:
        await outboxes.start(partial(outbox.run, stop=stop))
        if count:
            await put_numbers(outbox, first, count)
        stop.set()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
