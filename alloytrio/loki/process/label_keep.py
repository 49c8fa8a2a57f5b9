"""``stage.label_keep``: removes all other labels, ``__tenant_id__`` too. Source: Alloy ``stages/labelallow.go``."""

from pydantic import Field

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable


class LabelKeepConfig(StageTable):
    """``[loki.process.x.stage.label_keep]``"""

    values: tuple[str, ...] = Field(min_length=1, description="Labels to keep; all others are removed.")

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return LabelKeepStage(self.values)


class LabelKeepStage(PlainStage):
    """Keeps only the labels that are named."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Remove the other labels from each entry."""
        names = self._names
        for entry in entries:
            entry.labels = {name: value for name, value in entry.labels.items() if name in names}
        return entries
