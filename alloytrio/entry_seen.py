"""Log entries as a tap shows them: snapshots, since stages change entries in place.

Making snapshots takes time from the pipeline, so only so many lines of a batch are shown, and none while nobody could
take them. Whoever calls this has asked ``tap.is_watched`` first.
"""

from collections.abc import Callable, Sequence

from alloytrio.entry import Entry
from alloytrio.telemetry import LineSeen, LinesSeen, Tap

MAX_LINES = 100  # of one batch: 0.3 ms with six stages
MAX_LINE_BYTES = 8192  # of a line; the page shows half of it
ValueText = Callable[[object], str | None]


def show_entries(tap: Tap, entries: Sequence[Entry]) -> None:
    """Show entries that pass a component which changes nothing."""
    if entries and tap.has_room():
        tap.show(LinesSeen([line_seen(entry) for entry in some_of(tap, entries)]))


def some_of(tap: Tap, entries: Sequence[Entry]) -> Sequence[Entry]:
    """At most ``MAX_LINES`` of them, evenly spread; the others count as missed."""
    if len(entries) <= MAX_LINES:
        return entries
    tap.miss(len(entries) - MAX_LINES)
    return [entries[index * len(entries) // MAX_LINES] for index in range(MAX_LINES)]


def line_seen(entry: Entry, text_of: ValueText = str) -> LineSeen:
    """An entry at this moment; ``text_of`` writes what stages took out of it."""
    return LineSeen(
        key=key_of(entry),
        ts_ns=entry.ts_ns,
        labels=entry.labels,
        line=entry.line[:MAX_LINE_BYTES],
        metadata=dict(entry.metadata or {}),
        extracted={name: text_of(value) or "" for name, value in entry.extracted.items()},
    )


def key_of(entry: Entry) -> int:
    """Equal for an entry and its copies, within one batch."""
    return hash((id(entry.origin), entry.seq))
