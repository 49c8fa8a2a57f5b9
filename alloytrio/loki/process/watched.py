"""Runs stages while somebody watches: the same result, and a picture of what each stage did to some of the lines."""

from collections.abc import Sequence

from alloytrio.entry import Entry
from alloytrio.entry_seen import key_of, line_seen, some_of
from alloytrio.loki.process.stage import Pass, Stage, text_of
from alloytrio.telemetry import LineSeen, LinesSeen, Tap


def run_watched(stages: Sequence[tuple[str, Stage]], entries: list[Entry], run: Pass, tap: Tap) -> list[Entry]:
    """Run named stages one after the other, and show what they did.

    Args:
        stages: in order.
        entries: as they came; stages change them.
        run: the batch.
        tap: somebody watches it.

    Returns:
        The entries that go on.
    """
    lines = [line_seen(entry, text_of) for entry in some_of(tap, entries)]
    shown = {line.key for line in lines}
    known = {key_of(entry) for entry in entries}
    released: dict[int, int] = {}
    after: list[tuple[str, list[LineSeen]]] = []
    for number, (name, stage) in enumerate(stages):
        entries = stage.process(entries, run)
        if stage.holds:
            for entry in entries:
                key = key_of(entry)
                if key not in known:  # it came with an earlier batch
                    known.add(key)
                    shown.add(key)
                    released[key] = number
                    lines.append(line_seen(entry, text_of))
        after.append((name, [line_seen(entry, text_of) for entry in entries if key_of(entry) in shown]))
    if lines:
        holding = frozenset(number for number, (_, stage) in enumerate(stages) if stage.holds)
        tap.show(LinesSeen(lines, after, holding, released))
    return entries
