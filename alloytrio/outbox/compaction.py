"""Writes a segment anew with only what still waits in it.

When one backend of several (or one tenant) takes nothing for long, each segment keeps a few of its records alive, and
the journal fills up with what was delivered. A compacted segment has the same number and its records have the same
numbers, so order and marks stay as they are.

The new file is written beside the old one, and takes its place when it is durable. Errors: ``OSError``; then the old
one stays.
"""

from alloytrio.outbox.files import Directory, File
from alloytrio.outbox.record import FRAGMENT
from alloytrio.outbox.segment import MAGIC, SEGMENT_SUFFIX, SETTLED, Segment

NEW_SUFFIX = ".new"
_WRITE_BYTES = 256 * 1024  # written at a time


class Compaction:
    """One segment being written anew.

    Args:
        segment: sealed; what a later snapshot does not hold must not be needed from its settled records.

    Attributes:
        file: the new file, complete.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._name = segment.name.removesuffix(SEGMENT_SUFFIX) + NEW_SUFFIX
        self._size = 0
        self.file: File = segment.directory.create(self._name)
        try:
            self._write()
        except OSError:
            self.abandon()
            raise

    def _write(self) -> None:
        segment = self.segment
        reader = segment.reader(len(MAGIC))
        buffers, size = [MAGIC], len(MAGIC)
        while (found := reader.next()) is not None:
            if found.header.kind == FRAGMENT and segment.states[found.header.index] == SETTLED:
                continue
            buffers.append(reader.record(found))
            size += found.header.size
            if size >= _WRITE_BYTES:
                self._append(buffers, size)
                buffers, size = [], 0
        self._append(buffers, size)

    def _append(self, buffers: list[bytes], size: int) -> None:
        if buffers:
            self.file.append(buffers)
            self._size += size

    def finish(self) -> None:
        """Let the new file take the place of the old one."""
        segment = self.segment
        segment.directory.replace(self._name, segment.name)
        self.file.close()
        segment.was_compacted(self._size)

    def abandon(self) -> None:
        """Delete the new file."""
        self.file.close()
        try:
            self.segment.directory.remove(self._name)
        except OSError:
            pass  # recovery deletes it


def remove_leftovers(directory: Directory) -> None:
    """Delete what a process that died in the middle left behind."""
    for name in directory.names():
        if name.endswith(NEW_SUFFIX):
            directory.remove(name)
