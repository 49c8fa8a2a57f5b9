"""Journals for tests: written record by record, read back as lists of payloads."""

from collections.abc import Mapping, Sequence

from alloytrio.outbox.codec import Part
from alloytrio.outbox.entry import Entry
from alloytrio.outbox.files import Directory, MemoryDirectory
from alloytrio.outbox.journal import Journal, Place
from alloytrio.outbox.record import FRAGMENT, POSITIONS, Record
from alloytrio.outbox.recovery import recover
from alloytrio.outbox.segment import SETTLED, STARTED
from tests.outbox.fakes import START_NS

LANE = b"lane"
ENCODING = b"t/identity"


def fragment(
    payload: bytes, *, encoding: bytes = ENCODING, lane: bytes = LANE, positions: Mapping[bytes, bytes] | None = None
) -> Record:
    """A record with one item."""
    return Record(FRAGMENT, lane, encoding, positions or {}, payload, items=1, plain_bytes=len(payload))


def positions_only(positions: Mapping[bytes, bytes]) -> Record:
    """A record without payload."""
    return Record(POSITIONS, LANE, b"", positions)


def new_journal(
    directory: Directory | None = None, *, segment_bytes: int = 1 << 20, max_bytes: int = 1 << 30, durable: bool = False
) -> Journal:
    """An empty journal object over a folder."""
    return Journal(directory or MemoryDirectory(), segment_bytes=segment_bytes, max_bytes=max_bytes, durable=durable)


def reopen(directory: Directory, *, segment_bytes: int = 1 << 20, durable: bool = False) -> Journal:
    """The journal as the next process finds it."""
    journal = new_journal(directory, segment_bytes=segment_bytes, durable=durable)
    for _ in recover(journal, 1 << 20):
        pass
    return journal


def write(journal: Journal, *puts: Sequence[Record] | bytes, now_ns: int = START_NS) -> list[Place]:
    """Append puts in one go; bytes stand for a put of one fragment."""
    return journal.append([[fragment(put)] if isinstance(put, bytes) else put for put in puts], now_ns)


def entry_of(place: Place, size: int = 0) -> Entry:
    """An entry for settling."""
    return Entry(place.segment, place.index, size, 1, Part(b"", 0), START_NS, 0.0)


def waiting(journal: Journal) -> list[bytes]:
    """Payloads of all records that are not settled, in order."""
    return [payload for payload, _ in records(journal)]


def in_flight(journal: Journal) -> list[bytes]:
    """Payloads of those that a former process had begun to send."""
    return [payload for payload, state in records(journal) if state == STARTED]


def records(journal: Journal) -> list[tuple[bytes, int]]:
    """Payload and state of all records that are not settled, in order."""
    found = []
    for segment in journal.segments.values():
        reader = segment.reader(0)
        while (one := reader.next()) is not None:
            body = reader.body(one)
            if body is None or one.header.kind != FRAGMENT or segment.states[one.header.index] == SETTLED:
                continue
            found.append((body[one.header.payload_at :], segment.states[one.header.index]))
    return found
