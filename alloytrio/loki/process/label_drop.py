"""``stage.label_drop`` and ``stage.structured_metadata_drop``: remove by exact name.

Source: Alloy ``stages/labeldrop.go``, ``stages/structured_metadata_drop.go``.
"""

from pydantic import Field

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable


class LabelDropConfig(StageTable):
    """``[loki.process.x.stage.label_drop]``"""

    values: tuple[str, ...] = Field(min_length=1, description="Labels to remove.")

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return LabelDropStage(self.values)


class LabelDropStage(PlainStage):
    """Removes labels."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Remove the labels from each entry."""
        for entry in entries:
            if not self._names.isdisjoint(entry.labels):
                entry.labels = {name: value for name, value in entry.labels.items() if name not in self._names}
        return entries


class StructuredMetadataDropConfig(StageTable):
    """``[loki.process.x.stage.structured_metadata_drop]``"""

    values: tuple[str, ...] = Field(min_length=1, description="Structured metadata to remove.")

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return StructuredMetadataDropStage(self.values)


class StructuredMetadataDropStage(PlainStage):
    """Removes structured metadata."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Remove the metadata from each entry."""
        for entry in entries:
            if entry.metadata:
                for name in self._names:
                    entry.metadata.pop(name, None)
        return entries
