"""``stage.drop``: leaves out entries that meet all given conditions. Source: Alloy ``stages/drop.go``."""

from collections.abc import Callable
from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, line_bytes, text_of
from alloytrio.regex import compile_regex
from alloytrio.values import ByteSize, Duration

_Condition = Callable[[Entry, Pass], bool]


class DropConfig(StageTable):
    """``[loki.process.x.stage.drop]``"""

    source: str = Field(
        "", description="Extracted values, separated by commas, that must exist, or that value or expression look at."
    )
    value: str = Field("", description="The joined values of source must equal this.")
    expression: str = Field(
        "", description="RE2 expression to be found in the joined values of source, or in the line."
    )
    separator: str = Field(";", description="Put between the values of source.")
    older_than: Duration = Field(0.0, ge=0, description="The entry must be older than this; 0 = any age.")
    longer_than: ByteSize = Field(0, ge=0, description="The line must be longer than this; 0 = any length.")
    drop_counter_reason: str = Field("drop_stage", min_length=1, description="The reason in the metric.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.source or self.expression or self.older_than or self.longer_than):
            raise ValueError("drop needs at least one of source, expression, older_than and longer_than")
        if self.value and self.expression:
            raise ValueError("drop takes value or expression, not both")
        if self.value and not self.source:
            raise ValueError("value needs source")
        compile_regex(self.expression)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return DropStage(self, context)


class DropStage(PlainStage):
    """Conditions are tried in the order in which they are cheap."""

    def __init__(self, config: DropConfig, context: StageContext) -> None:
        self._conditions = _conditions(config)
        self._dropped = context.dropped(config.drop_counter_reason)

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Leave out what meets every condition."""
        kept = [entry for entry in entries if not all(condition(entry, batch) for condition in self._conditions)]
        if len(kept) != len(entries):
            self._dropped.inc(len(entries) - len(kept))
        return kept


def _conditions(config: DropConfig) -> list[_Condition]:
    conditions: list[_Condition] = []
    if config.longer_than:
        conditions.append(lambda entry, batch: len(entry.line) > config.longer_than)
    if config.older_than:
        age_ns = int(config.older_than * 1e9)
        conditions.append(lambda entry, batch: entry.ts_ns < batch.now_ns - age_ns)
    if config.source:
        conditions.append(_source_condition(config))
    elif config.expression:
        search = compile_regex(config.expression).search
        conditions.append(lambda entry, batch: search(entry.line, 0) is not None)
    return conditions


def _source_condition(config: DropConfig) -> _Condition:
    names = config.source.split(",")
    search = compile_regex(config.expression).search if config.expression else None

    def condition(entry: Entry, batch: Pass) -> bool:
        extracted = entry.extracted
        if search is None and not config.value:
            return all(name in extracted for name in names)  # null counts
        texts = [text_of(extracted[name]) for name in names if name in extracted]
        found = [text for text in texts if text is not None]
        if len(found) != len(texts):
            return False
        joined = config.separator.join(found)
        return search(line_bytes(joined), 0) is not None if search is not None else joined == config.value

    return condition
