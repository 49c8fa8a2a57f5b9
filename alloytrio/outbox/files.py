"""The few file operations that a journal needs, on a disk and in memory.

Everything but ``Sync.run`` is called on the event loop: a write of 38 kB to the page cache takes 45 µs, a hop to a
thread 264 µs. Errors are ``OSError``, in memory too.
"""

import errno
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

_IOV_MAX = 1024  # buffers that Linux takes in one writev


class Sync(Protocol):
    """Makes what was written so far survive a power cut."""

    def run(self) -> None:
        """Wait for the disk. Called once, in a thread.

        Raises:
            OSError: what was written may be lost; a second call proves nothing.
        """

    def cancel(self) -> None:
        """Not needed any more. Does nothing if ``run`` was called."""


class File(Protocol):
    """One file, which only grows at its end or is cut there."""

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write all buffers at the end, in one go.

        Raises:
            OSError: not all of it was written; the file may have grown by a part of it.
        """

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of the file."""

    def truncate(self, size: int) -> None:
        """Cut the file."""

    def size(self) -> int:
        """Bytes in the file."""

    def sync(self) -> Sync | None:
        """What makes the content durable; None where that means nothing."""

    def close(self) -> None:
        """Give the file back. It can be opened again by its name."""


class Directory(Protocol):
    """A folder of files, and folders in it."""

    def names(self) -> list[str]:
        """Of the files, in order."""

    def create(self, name: str) -> File:
        """A new, empty file; an old one of that name is gone."""

    def open(self, name: str) -> File:
        """A file that is there."""

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""

    def replace(self, name: str, new_name: str) -> None:
        """Give a file another name; a file that has it is gone."""

    def copy_to(self, name: str, folder: "Directory") -> None:
        """Have the file in another folder as well, under the same name."""

    def folder(self, name: str) -> "Directory":
        """A folder in this one, made at its first use."""

    def sync(self) -> Sync | None:
        """What makes names durable: new files, deleted ones."""


class DiskSync:
    """An fsync for a thread.

    It has its own file descriptor, so that neither a cancelled wait nor a closed file can make it sync or close
    another file that got the same number.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._claim = threading.Lock()

    def run(self) -> None:
        """Fsync, then close our descriptor."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def cancel(self) -> None:
        """Close our descriptor, unless a thread has it."""
        if self._claim.acquire(blocking=False):
            os.close(self._descriptor)


class DiskFile:
    """A file that is open for reading and appending."""

    def __init__(self, path: Path, flags: int = 0) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)

    def append(self, buffers: Sequence[bytes]) -> None:
        """One ``writev`` (several if there are more buffers than the kernel takes)."""
        for start in range(0, len(buffers), _IOV_MAX):
            chunk = buffers[start : start + _IOV_MAX] if len(buffers) > _IOV_MAX else buffers
            wanted = sum(map(len, chunk))
            if os.writev(self._descriptor, chunk) != wanted:
                raise OSError(errno.ENOSPC, "only a part was written: " + os.strerror(errno.ENOSPC))

    def read(self, offset: int, size: int) -> bytes:
        """Read at an offset."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) < size:  # the end, or a signal
            while more := os.pread(self._descriptor, size - len(data), offset + len(data)):
                data += more
        return data

    def truncate(self, size: int) -> None:
        """Cut."""
        os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        """As the kernel says."""
        return os.fstat(self._descriptor).st_size

    def sync(self) -> Sync | None:
        """An fsync."""
        return DiskSync(self._descriptor)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class DiskDirectory:
    """A folder on disk, made if it is missing.

    Args:
        path: its place.

    Raises:
        OSError: it cannot be made or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Of plain files."""
        return sorted(entry.name for entry in os.scandir(self.path) if entry.is_file(follow_symlinks=False))

    def create(self, name: str) -> File:
        """Replace or make."""
        return DiskFile(self.path / name, os.O_CREAT | os.O_TRUNC)

    def open(self, name: str) -> File:
        """Open."""
        return DiskFile(self.path / name)

    def remove(self, name: str) -> None:
        """Unlink."""
        (self.path / name).unlink(missing_ok=True)

    def replace(self, name: str, new_name: str) -> None:
        """Rename."""
        (self.path / name).rename(self.path / new_name)

    def copy_to(self, name: str, folder: Directory) -> None:
        """A second link to the same bytes, which takes no room."""
        assert isinstance(folder, DiskDirectory)
        target = folder.path / name
        target.unlink(missing_ok=True)
        target.hardlink_to(self.path / name)

    def folder(self, name: str) -> Directory:
        """A subfolder."""
        return DiskDirectory(self.path / name)

    def sync(self) -> Sync | None:
        """An fsync of the folder itself."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return DiskSync(descriptor)
        finally:
            os.close(descriptor)


class MemoryFile:
    """A file in memory; it lives as long as its directory holds it."""

    def __init__(self) -> None:
        self._content = bytearray()

    def append(self, buffers: Sequence[bytes]) -> None:
        """Extend."""
        for buffer in buffers:
            self._content += buffer

    def read(self, offset: int, size: int) -> bytes:
        """Copy."""
        return bytes(self._content[offset : offset + size])

    def truncate(self, size: int) -> None:
        """Cut."""
        del self._content[size:]

    def size(self) -> int:
        """Its length."""
        return len(self._content)

    def sync(self) -> Sync | None:
        """Nothing to do."""
        return None

    def close(self) -> None:
        """Nothing to do: the content stays for the next who opens it."""


class MemoryDirectory:
    """Files in memory, by name."""

    def __init__(self) -> None:
        self._files: dict[str, MemoryFile] = {}
        self._folders: dict[str, MemoryDirectory] = {}

    def names(self) -> list[str]:
        """Of the files."""
        return sorted(self._files)

    def create(self, name: str) -> File:
        """A new one."""
        self._files[name] = MemoryFile()
        return self._files[name]

    def open(self, name: str) -> File:
        """The one of that name."""
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from None

    def remove(self, name: str) -> None:
        """Forget it."""
        self._files.pop(name, None)

    def replace(self, name: str, new_name: str) -> None:
        """Rename it."""
        self._files[new_name] = self._files.pop(name)

    def copy_to(self, name: str, folder: Directory) -> None:
        """Copy the bytes."""
        source = self.open(name)
        folder.create(name).append([source.read(0, source.size())])

    def folder(self, name: str) -> Directory:
        """The folder of that name."""
        return self._folders.setdefault(name, MemoryDirectory())

    def sync(self) -> Sync | None:
        """Nothing to do."""
        return None


def run_all(syncs: Iterable[Sync]) -> None:
    """Run each, for a thread; the first error is raised after all were tried."""
    failed: OSError | None = None
    for sync in syncs:
        try:
            sync.run()
        except OSError as exc:
            failed = failed or exc
    if failed is not None:
        raise failed
