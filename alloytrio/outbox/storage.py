"""Where outboxes keep their journals: the data directory, which one process has at a time, or memory.

``<path>/lock`` is locked (flock) as long as the process lives, and holds its id; ``<path>/outbox/<key>/`` is an outbox.
In memory the same objects live as long as the ``Storage``, so what a reload closes and opens again is still there.
"""

import fcntl
import os
import socket
from pathlib import Path
from urllib.parse import quote, unquote

from alloytrio.errors import StorageError
from alloytrio.outbox.files import Directory, DiskDirectory, MemoryDirectory
from alloytrio.outbox.segment import SEGMENT_SUFFIX

_LOCK_NAME = "lock"
_OUTBOXES_FOLDER = "outbox"
_MAX_NAME_BYTES = 255  # of a file name, on every file system that Linux has


class Store:
    """The place of one outbox. One outbox at a time runs on it.

    Args:
        key: the outbox's name in the storage.
        directory: its files.

    Attributes:
        queued_items: what the outbox had not delivered when it last counted.
    """

    def __init__(self, key: str, directory: Directory) -> None:
        self.key = key
        self.directory = directory
        self.queued_items = 0
        self._is_used = False

    def acquire(self) -> None:
        """Use it alone.

        Raises:
            StorageError: another outbox runs on it.
        """
        if self._is_used:
            raise StorageError(f"the journal {self.key!r} is in use by another outbox of this process")
        self._is_used = True

    def release(self) -> None:
        """Another outbox may use it."""
        self._is_used = False


class Storage:
    """All stores of one process. Made by ``disk`` or ``memory``."""

    def __init__(self, path: Path | None, lock: int | None) -> None:
        self._path = path
        self._lock = lock
        self._stores: dict[str, Store] = {}

    @classmethod
    def disk(cls, path: Path) -> "Storage":
        """The data directory, made if it is missing, and locked until ``close``.

        Raises:
            StorageError: it cannot be written, or another process has it; the message says what to do.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / _OUTBOXES_FOLDER).mkdir(mode=0o700, exist_ok=True)
            lock = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StorageError(
                f"cannot use the data directory {path}: {os.strerror(exc.errno or 0)}. Make it a directory that "
                f'user {os.geteuid()} may write, set storage.path to another one, or set storage.mode = "memory" '
                "(then what is not delivered is lost when the process ends)"
            ) from exc
        try:
            _lock(lock, path)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock)

    @classmethod
    def memory(cls) -> "Storage":
        """Keeps everything in memory; what is not delivered is lost with the process."""
        return cls(None, None)

    @property
    def is_durable(self) -> bool:
        """Whether what it holds outlives the process."""
        return self._path is not None

    @property
    def path(self) -> Path | None:
        """The data directory; None in memory."""
        return self._path

    def open(self, key: str) -> Store:
        """The store of a key, made if it is new. The same object each time.

        Raises:
            StorageError: its folder cannot be made.
        """
        if key not in self._stores:
            self._stores[key] = Store(key, self._directory(key))
        return self._stores[key]

    def _directory(self, key: str) -> Directory:
        if self._path is None:
            return MemoryDirectory()
        name = _folder_name(key)
        if len(name) > _MAX_NAME_BYTES:
            raise StorageError(f"the name {key!r} is too long for a folder of the data directory")
        path = self._path / _OUTBOXES_FOLDER / name
        try:
            return DiskDirectory(path)
        except OSError as exc:
            raise StorageError(f"cannot make the folder {path}: {os.strerror(exc.errno or 0)}") from exc

    def orphans(self) -> list[str]:
        """Keys that hold a journal from before and were not opened: their components are gone."""
        if self._path is None:
            return []
        found = []
        for entry in sorted((self._path / _OUTBOXES_FOLDER).iterdir()):
            key = unquote(entry.name)
            if key not in self._stores and entry.is_dir() and _newest_ns(entry):
                found.append(key)
        return found

    def remove_orphans(self, *, max_age: float, now_ns: int) -> list[str]:
        """Delete the journals of orphans that were last written longer ago than ``max_age`` seconds (0 = never).

        Returns:
            the keys of those deleted.
        """
        if self._path is None or not max_age:
            return []
        removed = []
        for key in self.orphans():
            folder = self._path / _OUTBOXES_FOLDER / _folder_name(key)
            if _newest_ns(folder) < now_ns - int(max_age * 1e9):
                for file in folder.iterdir():
                    if file.is_file():
                        file.unlink(missing_ok=True)
                removed.append(key)
        return removed

    def undelivered_items(self) -> int:
        """What all opened outboxes had not delivered when they last counted."""
        return sum(store.queued_items for store in self._stores.values())

    def close(self) -> None:
        """Unlock the data directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 256, 0).decode(errors="replace").strip() or "unknown"
        raise StorageError(
            f"the data directory {path} is in use by process {holder}. "
            "Stop that process, or give this one a storage.path of its own"
        ) from None
    except OSError as exc:
        raise StorageError(f"cannot lock the data directory {path}: {os.strerror(exc.errno or 0)}") from exc
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _folder_name(key: str) -> str:
    """A key as a file name: no slashes, and no dot in front (".." must stay inside)."""
    name = quote(key, safe="")
    return "%2E" + name[1:] if name.startswith(".") else name


def _newest_ns(folder: Path) -> int:
    """When a journal was last written; 0 if there is none."""
    return max((file.stat().st_mtime_ns for file in folder.iterdir() if file.suffix == SEGMENT_SUFFIX), default=0)
