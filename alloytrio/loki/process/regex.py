"""``stage.regex``: named groups of an expression become extracted values. Source: Alloy ``stages/regex.go``."""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import (
    Pass,
    PlainStage,
    Stage,
    StageContext,
    StageTable,
    check_label_names,
    line_text,
    source_of,
)
from alloytrio.regex import compile_regex, group_of


class RegexConfig(StageTable):
    """``[loki.process.x.stage.regex]``"""

    expression: str = Field(min_length=1, description="RE2 expression, found anywhere; needs a named group.")
    source: str | None = Field(None, min_length=1, description="An extracted value to read instead of the line.")
    labels_from_groups: bool = Field(False, description="The groups become labels too.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = compile_regex(self.expression).names
        if not names:
            raise ValueError("expression has no named group, so nothing would be extracted")
        if self.labels_from_groups:
            check_label_names(list(names))
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return RegexStage(self)


class RegexStage(PlainStage):
    """Takes the first match; without one the entry passes unchanged."""

    def __init__(self, config: RegexConfig) -> None:
        self._regex = compile_regex(config.expression)
        self._source = source_of(config.source)
        self._labels = config.labels_from_groups

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Add each entry's groups."""
        names = list(self._regex.names.items())
        for entry in entries:
            text = self._source(entry)
            spans = None if text is None else self._regex.search(text, 0)
            if text is None or spans is None:
                continue
            found = {name: line_text(group_of(text, spans, number)) for name, number in names}
            entry.extracted.update(found)
            if self._labels:
                entry.labels = {**entry.labels, **found}
        return entries
