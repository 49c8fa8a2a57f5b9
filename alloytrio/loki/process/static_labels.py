"""``stage.static_labels``: constant labels. Source: Alloy ``stages/static_labels.go``."""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, check_label_names


class StaticLabelsConfig(StageTable):
    """``[loki.process.x.stage.static_labels]``"""

    values: dict[str, str | None] = Field(min_length=1, description="Label → value; an empty value sets nothing.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_label_names(self.values)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return StaticLabelsStage(self)


class StaticLabelsStage(PlainStage):
    """Sets the same labels on every entry."""

    def __init__(self, config: StaticLabelsConfig) -> None:
        self._labels = {name: value for name, value in config.values.items() if value}

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Set the labels of each entry."""
        for entry in entries:
            entry.labels = {**entry.labels, **self._labels}
        return entries
