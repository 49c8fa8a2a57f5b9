"""Real kills and real full disks."""

import os
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from alloytrio.errors import QueueFullError, RetryableExportError
from alloytrio.outbox import BatchPolicy, RetryPolicy, Storage
from tests.outbox import process
from tests.outbox.fakes import Bench, FakeBackend, make_settings

pytestmark = pytest.mark.integration

ROUNDS = 20
MEBIBYTE = 1 << 20


def start(directory: Path, first: int, count: int) -> "subprocess.Popen[bytes]":
    """A process with an outbox, see ``process.py``."""
    command = [sys.executable, str(Path(process.__file__)), str(directory), str(first), str(count)]
    root = Path(process.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root, env=environment)


def test_kill_at_random_moments(tmp_path: Path) -> None:
    """kill -9 under load, again and again: all that was acknowledged arrives; twice only what was in flight."""
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    moments = random.Random(seed)
    acknowledged: list[int] = []
    for round_ in range(ROUNDS):
        with start(tmp_path, round_ * 1_000_000, 1_000_000) as running:
            assert running.stdout is not None
            lines = [running.stdout.readline() for _ in range(moments.randrange(1, 400))]
            running.kill()
            lines += running.stdout.readlines()
        acknowledged += [int(line) for line in lines if line.endswith(b"\n")]
    with start(tmp_path, 0, 0) as rest:
        assert rest.wait(timeout=60) == 0
    delivered = Counter(int(number) for number in (tmp_path / "delivered").read_bytes().split())
    assert set(acknowledged) - set(delivered) == set()
    twice = sum(count - 1 for count in delivered.values())
    assert twice <= ROUNDS * process.SENDERS * 3 * process.BATCH_ITEMS  # three encodings
    assert len(acknowledged) > ROUNDS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


async def check_full_disk(directory: Path, backend: FakeBackend) -> None:
    """Fill the disk, deliver, fill it again: senders are told, nothing accepted is lost, and all goes on."""
    storage = Storage.disk(directory)
    down = RetryableExportError("down")
    retry = RetryPolicy(initial_interval=0.01, max_interval=0.01)
    bench = Bench(
        backend,
        store=storage.open("x"),
        policy=BatchPolicy("b", 0.01, 20),
        settings=make_settings(fsync="interval", fsync_interval=0.01, retry=retry),
    )
    accepted: list[str] = []
    async with trio.open_nursery() as outboxes:
        await outboxes.start(bench.run)
        for round_ in range(3):
            backend.is_down = down
            words = await put_until_refused(bench, str(round_), accepted)
            assert "No space left on device" in words
            backend.is_down = None
            await all_delivered(bench)
            await bench.put(f"{round_} again")
            accepted.append(f"{round_} again")
            await all_delivered(bench)
        await bench.stop()
    storage.close()
    assert sorted(set(backend.received)) == sorted(accepted)
    assert len(accepted) > 300


async def put_until_refused(bench: Bench, prefix: str, accepted: list[str]) -> str:
    """Put items of 1 000 bytes; returns what the sender of the first one was told that was not accepted."""
    for number in range(1_000):
        name = f"{prefix}-{number}" + "x" * 1_000
        try:
            await bench.put(name)
        except QueueFullError as exc:
            return str(exc)
        accepted.append(name)
    return "all accepted"


async def all_delivered(bench: Bench) -> None:
    """Wait until the outbox is empty."""
    with trio.fail_after(20):
        while bench.outbox.queued_items:  # noqa: ASYNC110 - the outbox has no event for it
            await trio.sleep(0.01)


async def test_a_full_disk(small_disk: Path) -> None:
    """On a file system without room senders are told to try again; it recovers when the backend takes the data."""
    await check_full_disk(small_disk, FakeBackend())


def limited() -> None:
    """Let this process write files of 200 KiB at most, then do the same as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200 << 10, resource.RLIM_INFINITY))
    trio.run(check_full_disk, Path(sys.argv[1]), FakeBackend())


def test_a_file_size_limit(tmp_path: Path) -> None:
    """A limit for the size of files is treated like a full disk: a short write, then an error."""
    root = Path(process.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", "from tests.outbox.test_crash import limited; limited()", str(tmp_path)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()
