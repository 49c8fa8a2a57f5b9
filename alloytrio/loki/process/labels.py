"""``stage.labels``: extracted values become labels.

Source: Alloy ``stages/labels.go``. On purpose different: names are checked when the configuration is read.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, check_label_names, text_of


class LabelsConfig(StageTable):
    """``[loki.process.x.stage.labels]``"""

    values: dict[str, str] = Field(
        min_length=1, description="Label → extracted value; an empty text is the label's name."
    )
    source_type: Literal["extracted", "structured_metadata"] = Field(
        "extracted", description="Where the values come from."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_label_names(self.values)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return LabelsStage(self)


class LabelsStage(PlainStage):
    """A value that is missing or null leaves the label as it was; an empty one makes it empty, and Loki drops it."""

    def __init__(self, config: LabelsConfig) -> None:
        self._pairs = [(name, source or name) for name, source in config.values.items()]
        self._from_metadata = config.source_type == "structured_metadata"

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Set the labels of each entry."""
        pairs = self._pairs
        for entry in entries:
            values: dict[str, object] | dict[str, str] = (
                (entry.metadata or {}) if self._from_metadata else entry.extracted
            )
            labels = dict(entry.labels)
            for name, source in pairs:
                value = values.get(source)
                if type(value) is str:
                    labels[name] = value
                elif value is not None and (text := text_of(value)) is not None:
                    labels[name] = text
            entry.labels = labels
        return entries
