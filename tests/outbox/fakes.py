"""What the outbox' tests share: a backend, an outbox over a store, and files that fail on demand."""

import errno
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from alloytrio.errors import ExportError
from alloytrio.outbox import (
    Batch,
    BatchPolicy,
    Fragment,
    Lane,
    Outbox,
    OutboxSettings,
    Put,
    Storage,
    Store,
    decode_body,
    put_all,
)
from alloytrio.outbox.files import Directory, File, MemoryDirectory, Sync
from alloytrio.telemetry import Telemetry

START_NS = 1_700_000_000_000_000_000
"""The wall clock of the tests, where they look at it."""

ITEM_END = b";"


def items(*names: str) -> bytes:
    """A payload of the tests' own format: each item is a name and a semicolon."""
    return b"".join(name.encode() + ITEM_END for name in names)


def names(payload: bytes) -> list[str]:
    """The items in a payload."""
    return [name.decode() for name in payload.split(ITEM_END)[:-1]]


def split(encoding: str, payload: bytes) -> list[tuple[int, bytes]]:
    """Cut a payload in halves, by items."""
    parts = names(payload)
    middle = len(parts) // 2
    return [(len(half), items(*half)) for half in (parts[:middle], parts[middle:]) if half]


@dataclass(eq=False)
class FakeBackend:
    """Takes batches.

    Args:
        answers: what to do with the next attempts: None = take it, an error = raise it. After them: take all.
        poison: items that make a batch fail for good, with the error to raise.
        refused: encodings that it does not take, with the error to raise.
        latency: seconds that each attempt takes.
    """

    answers: list[ExportError | None] = field(default_factory=list)
    poison: dict[str, ExportError] = field(default_factory=dict)
    refused: dict[str, ExportError] = field(default_factory=dict)
    latency: float = 0.0
    attempts: list[tuple[float, Batch]] = field(default_factory=list)
    taken: list[Batch] = field(default_factory=list)
    is_down: ExportError | None = None
    in_flight: int = 0
    most_in_flight: int = 0

    async def deliver(self, batch: Batch) -> None:
        """One attempt."""
        self.attempts.append((trio.current_time(), batch))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await trio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        if self.is_down is not None:
            raise self.is_down
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        if batch.encoding in self.refused:
            raise self.refused[batch.encoding]
        for name in self.names_of(batch):
            if name in self.poison:
                raise self.poison[name]
        self.taken.append(batch)

    @staticmethod
    def names_of(batch: Batch) -> list[str]:
        """The items of a batch."""
        return names(decode_body(batch.encoding, batch.body))

    @property
    def received(self) -> list[str]:
        """All items of all batches taken."""
        return [name for batch in self.taken for name in self.names_of(batch)]

    @property
    def batches(self) -> list[list[str]]:
        """The items of each batch taken."""
        return [self.names_of(batch) for batch in self.taken]

    @property
    def times(self) -> list[float]:
        """When attempts were made."""
        return [time for time, _ in self.attempts]


class FakeObserver:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[Batch] = []
        self.failed: list[str] = []
        self.rejected: list[tuple[str, int, str]] = []
        self.dropped: list[tuple[str, int, str]] = []
        self.refused: list[tuple[str, int, str]] = []

    def on_batch_sent(self, batch: Batch, seconds: float) -> None:
        """Kept."""
        self.sent.append(batch)

    def on_attempt_failed(self, batch: Batch, error: ExportError, seconds: float) -> None:
        """Kept."""
        self.failed.append(str(error))

    def on_rejected(self, encoding: str, items: int, reason: str) -> None:
        """Kept."""
        self.rejected.append((encoding, items, reason))

    def on_dropped(self, encoding: str, items: int, reason: str) -> None:
        """Kept."""
        self.dropped.append((encoding, items, reason))

    def on_refused(self, encoding: str, items: int, reason: str) -> None:
        """Kept."""
        self.refused.append((encoding, items, reason))


class NoLog:
    """Where log lines go that no test looks at."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str, /) -> int:
        """Keep the line."""
        self.lines.append(text)
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""


class Bench:
    """An outbox with everything around it; ``async with`` is not needed: ``start`` and ``stop`` in a nursery.

    Args:
        backend: takes the batches.
        store: the journal's place; made in memory if not given.
        policy: of the first lane.
        settings: other settings than those of the tests (no fsync, no jitter, 1 sender).
    """

    def __init__(
        self,
        backend: FakeBackend,
        *,
        store: Store | None = None,
        policy: BatchPolicy | None = None,
        wall_ns: Callable[[], int] = lambda: START_NS,
        random: Callable[[], float] = lambda: 0.5,
        settings: OutboxSettings | None = None,
    ) -> None:
        self.backend = backend
        self.store = store or Storage.memory().open("test")
        self.log = NoLog()
        self.telemetry = Telemetry(output=self.log).component("test")
        self.observer = FakeObserver()
        self.stopping = trio.Event()
        self.ended = trio.Event()
        self.scope = trio.CancelScope()
        self._wall_ns = wall_ns
        self._random = random
        self.outbox = self.make_outbox(settings or make_settings())
        self.lane: Lane = self.outbox.lane(policy or BatchPolicy())

    def make_outbox(self, settings: OutboxSettings) -> Outbox:
        """An outbox between the store and the backend."""
        return Outbox(
            settings,
            store=self.store,
            deliver=self.backend.deliver,
            split=split,
            telemetry=self.telemetry,
            observer=self.observer,
            wall_ns=self._wall_ns,
            random=self._random,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the outbox until stopped or killed."""
        with self.scope:
            async with trio.open_nursery() as running:
                await running.start(partial(self.outbox.run, stop=self.stopping))
                task_status.started()
        self.ended.set()

    async def put(
        self, *item_names: str, encoding: str = "t/identity", positions: Mapping[bytes, bytes] | None = None
    ) -> None:
        """Put one fragment."""
        fragment = Fragment(len(item_names), items(*item_names), encoding, positions or {})
        await put_all([Put(self.lane, [fragment])])

    async def stop(self) -> None:
        """Deliver the rest and end."""
        self.stopping.set()
        await self.ended.wait()

    async def kill(self) -> None:
        """End without delivering: what is not settled stays in the journal."""
        self.scope.cancel()
        await self.ended.wait()


def make_settings(**changes: object) -> OutboxSettings:
    """Settings that make times exact: no fsync threads, no jitter, one sender."""
    values: dict[str, object] = {"name": "test", "fsync": "never", "senders": 1} | changes
    return OutboxSettings(**values)  # type: ignore[arg-type]


class Faults:
    """Which file operations fail, shared by all files of a ``FaultyDirectory``.

    Attributes:
        room: bytes that can still be written; None = no limit. A write above it writes what fits, then fails: ENOSPC.
        truncate: error numbers of the next truncations.
        sync: error numbers of the next fsyncs.
        read: error numbers of the next reads.
        syncs: how many fsyncs there were.
        on_sync: awaited on the event loop at each fsync, before it fails or succeeds.
    """

    def __init__(self) -> None:
        self.room: int | None = None
        self.truncate: list[int] = []
        self.sync: list[int] = []
        self.read: list[int] = []
        self.syncs = 0
        self.on_sync: Callable[[], Awaitable[None]] | None = None

    def fail(self, errors: list[int]) -> None:
        """Raise the next error of a list, if there is one."""
        if errors:
            number = errors.pop(0)
            if number:
                raise OSError(number, os.strerror(number))


class FaultyFile:
    """A file of a ``FaultyDirectory``."""

    def __init__(self, file: File, faults: Faults) -> None:
        self._file = file
        self._faults = faults

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write as much as there is room for."""
        content = b"".join(buffers)
        room = self._faults.room
        if room is None:
            self._file.append([content])
            return
        self._file.append([content[:room]])
        self._faults.room = max(0, room - len(content))
        if len(content) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def read(self, offset: int, size: int) -> bytes:
        """Read, or fail."""
        self._faults.fail(self._faults.read)
        return self._file.read(offset, size)

    def truncate(self, size: int) -> None:
        """Cut, or fail; what is cut off is room again."""
        self._faults.fail(self._faults.truncate)
        if self._faults.room is not None:
            self._faults.room += self._file.size() - size
        self._file.truncate(size)

    def size(self) -> int:
        """As it is."""
        return self._file.size()

    def sync(self) -> Sync | None:
        """One that may fail."""
        return FaultySync(self._faults)

    def close(self) -> None:
        """Nothing to do."""


class FaultySync:
    """An fsync that may fail."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def run(self) -> None:
        """Count, and fail if it is to."""
        self._faults.syncs += 1
        if self._faults.on_sync is not None:
            trio.from_thread.run(self._faults.on_sync)
        self._faults.fail(self._faults.sync)

    def cancel(self) -> None:
        """Nothing to do."""


class FaultyDirectory:
    """Files in memory that fail on demand."""

    def __init__(self, faults: Faults, directory: MemoryDirectory | None = None) -> None:
        self.faults = faults
        self.inner = directory or MemoryDirectory()

    def names(self) -> list[str]:
        """Of the files."""
        return self.inner.names()

    def create(self, name: str) -> File:
        """A new one."""
        return FaultyFile(self.inner.create(name), self.faults)

    def open(self, name: str) -> File:
        """The one of that name."""
        return FaultyFile(self.inner.open(name), self.faults)

    def remove(self, name: str) -> None:
        """Its bytes are room again."""
        if self.faults.room is not None and name in self.inner.names():
            self.faults.room += self.inner.open(name).size()
        self.inner.remove(name)

    def replace(self, name: str, new_name: str) -> None:
        """Rename."""
        self.inner.replace(name, new_name)

    def copy_to(self, name: str, folder: Directory) -> None:
        """Copy."""
        assert isinstance(folder, FaultyDirectory)
        self.inner.copy_to(name, folder.inner)

    def folder(self, name: str) -> Directory:
        """A folder with the same faults."""
        inner = self.inner.folder(name)
        assert isinstance(inner, MemoryDirectory)
        return FaultyDirectory(self.faults, inner)

    def sync(self) -> Sync | None:
        """One that may fail."""
        return FaultySync(self.faults)


def content(directory: Directory) -> dict[str, bytes]:
    """All files of a folder."""
    found = {}
    for name in directory.names():
        file = directory.open(name)
        found[name] = file.read(0, file.size())
        file.close()
    return found


def directory_of(files: Mapping[str, bytes]) -> MemoryDirectory:
    """A folder with these files."""
    directory = MemoryDirectory()
    for name, content_ in files.items():
        directory.create(name).append([content_])
    return directory


def store_of(directory: Directory) -> Store:
    """A store over a folder."""
    return Store("test", directory)


def flatten(lists: Iterable[Sequence[str]]) -> list[str]:
    """All elements in order."""
    return [element for list_ in lists for element in list_]
