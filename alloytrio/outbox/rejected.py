"""The ``rejected/`` folder: items that a backend refuses for good, with its words, for a person to look at.

One file per item or indivisible group: a line of JSON (what, when, why), then the plain bytes as they were sent. The
folder is bounded; the oldest files go first.
"""

import json

from alloytrio.outbox.files import Directory

REJECTED_FOLDER = "rejected"
_SUFFIX = ".rejected"
_BLOCK_BYTES = 4096  # a small file takes one block of most file systems
_MAX_REASON_CHARACTERS = 4096


class RejectedFolder:
    """Keeps what was refused.

    Args:
        directory: the outbox's own; the folder is made in it when first needed.
        max_bytes: bound of the folder; 0 = keep nothing.
    """

    def __init__(self, directory: Directory, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._folder: Directory | None = None
        self._sizes: dict[str, int] = {}  # oldest first
        self._count = 0

    def add(self, *, encoding: str, items: int, payload: bytes, reason: str, now_ns: int) -> bool:
        """Keep one piece of data; tells whether it was kept (not: no room, no disk).

        Args:
            encoding: of the fragment that it was a part of.
            items: spans, samples or lines in it.
            payload: plain bytes.
            reason: the backend's words.
            now_ns: wall-clock nanoseconds.
        """
        header = {
            "time_ns": now_ns,
            "encoding": encoding,
            "items": items,
            "bytes": len(payload),
            "reason": reason[:_MAX_REASON_CHARACTERS],
        }
        content = json.dumps(header).encode() + b"\n" + payload
        if _size_on_disk(len(content)) > self._max_bytes:
            return False
        try:
            folder = self._open()
            name = self._new_name(now_ns)
            self._make_room(folder, _size_on_disk(len(content)))
            file = folder.create(name)
            try:
                file.append([content])
            except OSError:
                folder.remove(name)
                raise
            finally:
                file.close()
        except OSError:
            return False
        self._sizes[name] = _size_on_disk(len(content))
        return True

    def _open(self) -> Directory:
        if self._folder is None:
            folder = self._directory.folder(REJECTED_FOLDER)
            for name in folder.names():
                file = folder.open(name)
                self._sizes[name] = _size_on_disk(file.size())
                file.close()
            self._folder = folder
        return self._folder

    def _new_name(self, now_ns: int) -> str:
        """Names sort by time; the clock may have been set back to a time that was used already."""
        while True:
            self._count += 1
            name = f"{now_ns:020d}-{self._count:08d}{_SUFFIX}"
            if name not in self._sizes:
                return name

    def _make_room(self, folder: Directory, size: int) -> None:
        used = sum(self._sizes.values())
        for name in list(self._sizes):
            if used + size <= self._max_bytes:
                return
            folder.remove(name)
            used -= self._sizes.pop(name)


def _size_on_disk(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def parse_rejected(content: bytes) -> tuple[dict[str, object], bytes]:
    """The header and the payload of a file in the folder.

    Raises:
        ValueError: it is not one.
    """
    line, separator, payload = content.partition(b"\n")
    if not separator:
        raise ValueError("not a rejected file: its first line has no end")
    header = json.loads(line)
    if not isinstance(header, dict):
        raise ValueError("not a rejected file: its first line is no JSON object")
    return header, payload
