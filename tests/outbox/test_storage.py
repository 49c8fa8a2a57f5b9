"""The data directory: one process at a time, clear errors, keys as folders, orphans."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from alloytrio.errors import StorageError
from alloytrio.outbox import Storage
from tests.outbox.fakes import Bench, FakeBackend
from tests.outbox.journals import new_journal, write

DAY = 86_400


def test_a_second_holder_is_refused(tmp_path: Path) -> None:
    """Whoever comes second is told who has the directory and what to do; after ``close`` it is free."""
    first = Storage.disk(tmp_path / "data")
    with pytest.raises(StorageError, match=f"in use by process {os.getpid()} on .*storage.path of its own"):
        Storage.disk(tmp_path / "data")
    first.close()
    first.close()
    Storage.disk(tmp_path / "data").close()


@pytest.mark.integration
def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """The process that holds the directory is named by its id; when it is killed the directory is free."""
    script = (
        "import sys, pathlib\nfrom alloytrio.outbox import Storage\n"
        "storage = Storage.disk(pathlib.Path(sys.argv[1]))\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=f"in use by process {holder.pid} on"):
            Storage.disk(tmp_path)
        holder.kill()
        holder.wait()
        Storage.disk(tmp_path).close()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A data directory that cannot be made is an error that says what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot use the data directory .*file/data: Not a directory.*memory"):
        Storage.disk(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory(tmp_path: Path) -> None:
    """A directory without write permission is an error that says what to do."""
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match=r"Permission denied.*storage.path"):
        Storage.disk(tmp_path / "data")


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_read_only_file_system(tmp_path: Path) -> None:
    """A read-only file system is an error that says what to do, for root as well."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", str(tmp_path)], check=True)
    try:
        with pytest.raises(StorageError, match=r"Read-only file system.*storage.path"):
            Storage.disk(tmp_path / "data")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("key", ["otelcol.exporter.otlp.tempo", "a/b", "..", ".", "../../x", "ü ö", "%2F", "x" * 200])
def test_a_key_is_one_folder_inside(tmp_path: Path, key: str) -> None:
    """Whatever a key holds, it names exactly one folder in the data directory, and is read back from it."""
    storage = Storage.disk(tmp_path / "data")
    write(new_journal(storage.open(key).directory), b"x")
    storage.close()
    again = Storage.disk(tmp_path / "data")
    assert again.orphans() == [key]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
    again.close()


def test_a_key_that_is_too_long(tmp_path: Path) -> None:
    """A key that no file system takes is an error with the key."""
    storage = Storage.disk(tmp_path)
    with pytest.raises(StorageError, match="too long"):
        storage.open("ü" * 100)
    storage.close()


@pytest.mark.parametrize("durable", [True, False])
def test_the_same_store_for_a_key(tmp_path: Path, durable: bool) -> None:
    """Opening a key again gives the same store, so that a reload finds what the outbox before left."""
    storage = Storage.disk(tmp_path) if durable else Storage.memory()
    assert storage.open("a") is storage.open("a")
    assert storage.open("a") is not storage.open("b")
    assert storage.is_durable is durable
    storage.close()


async def test_one_outbox_at_a_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Two outboxes never run on one journal."""
    storage = Storage.memory()
    first, second = (Bench(FakeBackend(), store=storage.open("x")) for _ in range(2))
    async with trio.open_nursery() as outboxes:
        await outboxes.start(first.run)
        with pytest.raises(StorageError, match="'x' is in use by another outbox"):
            await second.outbox.run(stop=trio.Event())
        await first.stop()


def test_orphans_are_listed_and_expire(tmp_path: Path) -> None:
    """A journal that nobody opened is reported, and deleted only when it is older than the limit."""
    storage = Storage.disk(tmp_path)
    for key in ("kept", "gone"):
        write(new_journal(storage.open(key).directory), b"x")
    storage.open("empty")
    storage.close()
    storage = Storage.disk(tmp_path)
    storage.open("kept")
    assert storage.orphans() == ["gone"]
    written = max(path.stat().st_mtime_ns for path in (tmp_path / "outbox" / "gone").iterdir())
    assert storage.remove_orphans(max_age=0, now_ns=written + 10**18) == []
    assert storage.remove_orphans(max_age=DAY, now_ns=written + DAY * 10**9) == []
    assert storage.remove_orphans(max_age=DAY, now_ns=written + DAY * 10**9 + 1) == ["gone"]
    assert storage.orphans() == []
    assert Storage.memory().orphans() == Storage.memory().remove_orphans(max_age=1, now_ns=10**18) == []
    storage.close()
