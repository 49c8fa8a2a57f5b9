"""``stage.truncate``: shortens lines, labels, structured metadata and extracted values.

Source: Alloy ``stages/truncate.go``. On purpose different: no character is cut in two.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, line_bytes, text_of
from alloytrio.values import ByteSize

TRUNCATED = "loki_process_truncated_fields_total"
TRUNCATED_HELP = "A count of all log lines, labels, extracted values, or structured metadata truncated."


class TruncateRule(StageTable):
    """``[[loki.process.x.stage.truncate.rule]]``"""

    limit: ByteSize = Field(gt=0, description="Bytes at most, the suffix included.")
    suffix: str = Field("", description="Ends what was shortened.")
    source_type: Literal["line", "label", "structured_metadata", "extracted"] = Field(
        "line", description="What is shortened."
    )
    sources: tuple[str, ...] = Field((), description="Names to shorten; empty = all.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.suffix.encode()) >= self.limit:
            raise ValueError("suffix must be shorter than limit")
        if self.sources and self.source_type == "line":
            raise ValueError("sources does not go with source_type line")
        return self


class TruncateConfig(StageTable):
    """``[loki.process.x.stage.truncate]``"""

    rule: tuple[TruncateRule, ...] = Field(min_length=1, description="Rules, in order.")

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return TruncateStage(self, context)


class TruncateStage(PlainStage):
    """What was shortened stands in the extracted value ``truncated``, as a list of kinds."""

    def __init__(self, config: TruncateConfig, context: StageContext) -> None:
        self._rules = config.rule
        self._counters = {
            kind: context.telemetry.counter(TRUNCATED, TRUNCATED_HELP, field=kind)
            for kind in sorted({rule.source_type for rule in config.rule})
        }

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Shorten what is too long in each entry."""
        for entry in entries:
            kinds: dict[str, None] = {}
            for rule in self._rules:
                count = _apply(rule, entry)
                if count:
                    kinds[rule.source_type] = None
                    self._counters[rule.source_type].inc(count)
            if kinds:
                entry.extracted["truncated"] = ",".join(kinds)
        return entries


def _apply(rule: TruncateRule, entry: Entry) -> int:
    """Shorten by one rule; how many values were too long."""
    match rule.source_type:
        case "line":
            if len(entry.line) <= rule.limit:
                return 0
            entry.line = _cut(entry.line, rule)
            return 1
        case "label":
            cut = _cut_values(rule, entry.labels)
            if cut:
                entry.labels = {**entry.labels, **cut}
            return len(cut)
        case "structured_metadata":
            cut = _cut_values(rule, entry.metadata or {})
            if entry.metadata is not None:
                entry.metadata.update(cut)
            return len(cut)
        case "extracted":
            texts = {name: text for name, value in entry.extracted.items() if (text := text_of(value)) is not None}
            cut = _cut_values(rule, texts)
            entry.extracted.update(cut)
            return len(cut)


def _cut_values(rule: TruncateRule, values: dict[str, str]) -> dict[str, str]:
    names = rule.sources or tuple(values)
    encoded = {name: line_bytes(values[name]) for name in names if name in values}
    return {
        name: _cut(data, rule).decode(errors="surrogateescape")
        for name, data in encoded.items()
        if len(data) > rule.limit
    }


def _cut(data: bytes, rule: TruncateRule) -> bytes:
    suffix = rule.suffix.encode()
    keep = rule.limit - len(suffix)
    while keep > 0 and data[keep] & 0xC0 == 0x80:  # inside a character
        keep -= 1
    return data[:keep] + suffix
