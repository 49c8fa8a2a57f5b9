"""``stage.match``: runs stages on, or leaves out, the entries that a selector selects.

Source: Alloy ``stages/match.go``. On purpose different: entries that are selected and those that are not keep their
order, unless a nested stage holds some back.
"""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.selector import compile_selector
from alloytrio.loki.process.stage import Pass, Stage, StageContext, StageTable

if TYPE_CHECKING:
    from alloytrio.loki.process.stages import StageEntry


class MatchConfig(StageTable):
    """``[loki.process.x.stage.match]``"""

    selector: str = Field(min_length=1, description='Such as {app="web"} |= "error".')
    stage: tuple["StageEntry", ...] = Field((), description="Stages for the selected entries, in order.")
    action: Literal["keep", "drop"] = Field(
        "keep", description="keep: selected entries run the stages, others pass. drop: selected entries are left out."
    )
    drop_counter_reason: str = Field("match_stage", min_length=1, description="The reason in the metric.")
    pipeline_name: str = Field("", description="Not used; taken because Alloy takes it.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        compile_selector(self.selector)
        if self.action == "keep" and not self.stage:
            raise ValueError('match needs at least one stage, or action = "drop"')
        if self.action == "drop" and self.stage:
            raise ValueError('match with action = "drop" takes no stages')
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return MatchStage(self, [entry.build(context) for entry in self.stage], context)


class MatchStage:
    """Nested stages see the extracted values as they are, with the labels copied over them once more."""

    def __init__(self, config: MatchConfig, stages: list[Stage], context: StageContext) -> None:
        self._selects = compile_selector(config.selector)
        self._stages = stages
        self.holds = any(stage.holds for stage in stages)
        self._drop = config.action == "drop"
        self._dropped = context.dropped(config.drop_counter_reason) if self._drop else None

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """All entries, those that are selected processed or left out."""
        selects = self._selects
        if self._drop:
            kept = [entry for entry in entries if not selects(entry)]
            if self._dropped is not None and len(kept) != len(entries):
                self._dropped.inc(len(entries) - len(kept))
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
