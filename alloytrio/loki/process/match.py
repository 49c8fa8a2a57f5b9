"""``stage.match``: runs stages on, or leaves out, the entries that a selector selects.

Its table is in ``stages.py``, since it lists stages itself. Source: Alloy ``stages/match.go``. On purpose different:
entries that are selected and those that are not keep their order, unless a nested stage holds some back.
"""

from collections.abc import Callable, Sequence

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, Stage
from alloytrio.telemetry import Counter


class MatchStage:
    """Nested stages see the extracted values as they are, with the labels copied over them once more.

    Args:
        selects: tells the entries that are meant.
        stages: for those.
        left_out: counts those where the stage is to leave them out; None: it keeps them.
    """

    def __init__(self, selects: Callable[[Entry], bool], stages: Sequence[Stage], left_out: Counter | None) -> None:
        self._selects = selects
        self._stages = stages
        self.holds = any(stage.holds for stage in stages)
        self._left_out = left_out

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """All entries, those that are selected processed or left out."""
        selects = self._selects
        if self._left_out is not None:
            kept = [entry for entry in entries if not selects(entry)]
            if len(kept) != len(entries):
                self._left_out.inc(len(entries) - len(kept))
            return kept
        selected = [entry for entry in entries if selects(entry)]
        others = [entry for entry in entries if not selects(entry)] if len(selected) != len(entries) else []
        for entry in selected:
            entry.extracted.update(entry.labels)
        for stage in self._stages:
            selected = stage.process(selected, batch)
        if not others or not selected:
            return selected or others
        return sorted([*selected, *others], key=_order)

    def forget(self, source: bytes) -> None:
        """Drop what the nested stages hold for a reader."""
        for stage in self._stages:
            stage.forget(source)


def _order(entry: Entry) -> int:
    return entry.seq
