"""The folder of rejected items: readable, bounded, and no reason to stop."""

import pytest

from alloytrio.outbox.files import Directory, MemoryDirectory
from alloytrio.outbox.rejected import REJECTED_FOLDER, RejectedFolder, parse_rejected
from tests.outbox.fakes import START_NS, Faults, FaultyDirectory, content

BLOCK = 4096


def add(folder: RejectedFolder, payload: bytes, *, now_ns: int = START_NS, reason: str = "bad") -> bool:
    """Add one item."""
    return folder.add(encoding="t/gzip", items=1, payload=payload, reason=reason, now_ns=now_ns)


def payloads(directory: Directory) -> list[bytes]:
    """What is kept, oldest first."""
    return [parse_rejected(file)[1] for file in content(directory.folder(REJECTED_FOLDER)).values()]


def test_a_file_tells_what_when_and_why() -> None:
    """A file is a line of JSON and the plain bytes, whatever they are."""
    directory = MemoryDirectory()
    assert add(RejectedFolder(directory, 1 << 20), b"pay\nload", reason="the \u00fcbel\nwords")
    ((header, payload),) = [parse_rejected(file) for file in content(directory.folder(REJECTED_FOLDER)).values()]
    assert payload == b"pay\nload"
    assert header == {
        "time_ns": START_NS,
        "encoding": "t/gzip",
        "items": 1,
        "bytes": 8,
        "reason": "the \u00fcbel\nwords",
    }


@pytest.mark.parametrize(("room", "kept"), [(3 * BLOCK, [b"2", b"3", b"4"]), (3 * BLOCK - 1, [b"3", b"4"])])
def test_the_oldest_goes_first(room: int, kept: list[bytes]) -> None:
    """The folder stays within its bound, counted in blocks, by deleting the oldest files."""
    directory = MemoryDirectory()
    folder = RejectedFolder(directory, room)
    for number in range(5):
        assert add(folder, b"%d" % number, now_ns=START_NS + number)
    assert payloads(directory) == kept


def test_the_bound_holds_over_restarts() -> None:
    """What is there already counts, and a clock that was set back overwrites nothing."""
    directory = MemoryDirectory()
    for number in range(4):
        add(RejectedFolder(directory, 3 * BLOCK), b"%d" % number)
    assert payloads(directory) == [b"1", b"2", b"3"]


@pytest.mark.parametrize(("max_bytes", "size"), [(0, 1), (BLOCK, BLOCK), (2 * BLOCK, 2 * BLOCK)])
def test_what_never_fits_is_not_kept(max_bytes: int, size: int) -> None:
    """With no room, or for something larger than all of it, nothing is kept and nothing is deleted for it."""
    directory = MemoryDirectory()
    folder = RejectedFolder(directory, max_bytes)
    kept = add(folder, b"small")
    assert not add(folder, b"x" * size)
    assert payloads(directory) == ([b"small"] if kept else [])


def test_a_full_disk_is_no_error() -> None:
    """If it cannot be written the item is not kept, and no half of it is left behind."""
    faults = Faults()
    directory = FaultyDirectory(faults)
    folder = RejectedFolder(directory, 1 << 20)
    faults.room = 20
    assert not add(folder, b"x" * 100)
    assert content(directory.folder(REJECTED_FOLDER)) == {}
    faults.room = None
    assert add(folder, b"x")


@pytest.mark.parametrize("file", [b"", b"{}", b"[]\nx", b"no json\nx"])
def test_other_files_are_not_read(file: bytes) -> None:
    """What is no such file is an error."""
    with pytest.raises(ValueError, match=r"rejected file|Expecting value"):
        parse_rejected(file)
