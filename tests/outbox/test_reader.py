"""Reading records: across chunk borders, over damage of any kind, never into what is not written yet."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.outbox.files import MemoryFile
from alloytrio.outbox.reader import CHUNK_BYTES, RecordReader
from alloytrio.outbox.record import (
    HEADER_BYTES,
    MARKER,
    Record,
    decode_header,
    decode_positions,
    encode_positions,
    merge_positions,
)
from tests.outbox.journals import fragment


def file_of(*parts: bytes) -> MemoryFile:
    """A file with these bytes."""
    file = MemoryFile()
    file.append(parts)
    return file


def encoded(record: Record, index: int = 0) -> bytes:
    """A record as it is in a file."""
    return record.encode(index, 1) + record.payload


def payloads(file: MemoryFile, start: int = 0) -> tuple[list[bytes | None], int]:
    """All payloads from an offset (None: its CRC is wrong), and how many bytes between them were lost."""
    reader = RecordReader(file, start, file.size())
    found, lost = [], 0
    while (one := reader.next()) is not None:
        body = reader.body(one)
        found.append(None if body is None else body[one.header.payload_at :])
        lost += one.lost_bytes
    return found, lost


sizes = st.one_of(st.integers(0, 100), st.integers(CHUNK_BYTES - 200, CHUNK_BYTES + 200), st.just(3 * CHUNK_BYTES))


@settings(max_examples=60, deadline=None)
@given(st.lists(sizes, max_size=8), st.lists(st.booleans(), min_size=8, max_size=8))
def test_records_of_all_sizes(lengths: list[int], looked_at: list[bool]) -> None:
    """Records are found in order whatever their sizes and whichever bodies are read."""
    file = file_of(*(encoded(fragment(bytes([number]) * size), number) for number, size in enumerate(lengths)))
    reader = RecordReader(file, 0, file.size())
    for number, size in enumerate(lengths):
        found = reader.next()
        assert found is not None
        assert (found.header.index, found.lost_bytes) == (number, 0)
        if looked_at[number]:
            body = reader.body(found)
            assert body is not None
            assert body[found.header.payload_at :] == bytes([number]) * size
            assert reader.names(found) == b"lanet/identity"
            assert reader.record(found) == encoded(fragment(bytes([number]) * size), number)
    assert reader.next() is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300) | st.sampled_from([MARKER, MARKER * 30, MARKER[:2]]), st.integers(0, 2))
def test_rubbish_between_records_is_skipped(rubbish: bytes, chunks: int) -> None:
    """Whatever lies between two records, markers too, the second one is found behind it."""
    rubbish += bytes(max(0, chunks * CHUNK_BYTES - 2))
    file = file_of(encoded(fragment(b"one")), rubbish, encoded(fragment(b"two"), 1))
    assert payloads(file) == ([b"one", b"two"], len(rubbish))


@pytest.mark.parametrize("distance", range(-HEADER_BYTES - 2, 6))
def test_a_marker_across_a_chunk_border(distance: int) -> None:
    """A record behind damage is found wherever the borders of what is read at a time fall."""
    rubbish = bytes(CHUNK_BYTES + distance)
    file = file_of(rubbish, encoded(fragment(b"found")))
    assert payloads(file) == ([b"found"], len(rubbish))


def test_a_payload_that_holds_a_record() -> None:
    """A record inside a payload is not taken for one, unless the record around it is damaged."""
    inner = encoded(fragment(b"inner"), 7)
    outer = encoded(fragment(b"<" + inner + b">"))
    assert payloads(file_of(outer)) == ([b"<" + inner + b">"], 0)
    assert payloads(file_of(b"?" + outer[1:]))[0] == [b"inner"]


def test_nothing_is_read_behind_the_end() -> None:
    """A record that reaches beyond the end given is not found: it is not written in full."""
    whole = encoded(fragment(b"one"))
    for end in range(len(whole)):
        assert RecordReader(file_of(whole), 0, end).next() is None
    assert RecordReader(file_of(whole), 0, len(whole)).next() is not None


@pytest.mark.parametrize("offset", range(HEADER_BYTES))
def test_each_byte_of_a_header_is_checked(offset: int) -> None:
    """A header with any byte changed is no header."""
    whole = bytearray(encoded(fragment(b"one")))
    whole[offset] ^= 0xFF
    assert decode_header(bytes(whole), 0) is None


@given(st.dictionaries(st.binary(max_size=20), st.binary(max_size=20), max_size=6))
def test_positions_round_trip(positions: dict[bytes, bytes]) -> None:
    """Positions read back as they were written, empty values too."""
    assert decode_positions(encode_positions(positions)) == positions


def test_an_empty_value_forgets() -> None:
    """The last value of a key holds; an empty one removes the key, also one that was not there."""
    into = {b"a": b"1", b"b": b"1"}
    merge_positions(into, {b"a": b"2", b"b": b"", b"c": b""})
    assert into == {b"a": b"2"}
