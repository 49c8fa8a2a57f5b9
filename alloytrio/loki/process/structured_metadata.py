"""``stage.structured_metadata``: extracted values and labels become structured metadata.

Loki keeps it beside each line without making a stream of it, which is where ids belong: a trace id as a label makes
one stream per trace. Source: Alloy ``stages/structured_metadata.go``.
"""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, text_of
from alloytrio.regex import Regex, compile_regex


class StructuredMetadataConfig(StageTable):
    """``[loki.process.x.stage.structured_metadata]``"""

    values: dict[str, str] = Field({}, description="Name → extracted value or label; an empty text is the name itself.")
    regex: str = Field("", description="Extracted values and labels whose names match are taken too.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.values and not self.regex:
            raise ValueError("structured_metadata needs values or regex")
        compile_regex(self.regex)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return StructuredMetadataStage(self)


class StructuredMetadataStage(PlainStage):
    """First what was extracted, then labels; a label that is used leaves the stream's labels."""

    def __init__(self, config: StructuredMetadataConfig) -> None:
        self._pairs = [(name, source or name) for name, source in config.values.items()]
        self._regex = compile_regex(config.regex) if config.regex else None

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Fill the metadata of each entry."""
        for entry in entries:
            self._fill(entry)
        return entries

    def _fill(self, entry: Entry) -> None:
        found: dict[str, str] = {}
        extracted, labels = entry.extracted, entry.labels
        for name, source in self._pairs:
            text = text_of(extracted.get(source))
            if text is not None:
                found[name] = text
        if self._regex is not None:
            for source, value in extracted.items():
                if matches(self._regex, source) and (text := text_of(value)) is not None:
                    found[source] = text
        used: set[str] = set()
        for name, source in self._pairs:
            if source in labels:
                found[name] = labels[source]
                used.add(source)
        if self._regex is not None:
            for source, value in labels.items():
                if matches(self._regex, source):
                    found[source] = value
                    used.add(source)
        if used:
            entry.labels = {name: value for name, value in labels.items() if name not in used}
        if found:
            entry.metadata = {**(entry.metadata or {}), **found}


def matches(regex: Regex, name: str) -> bool:
    """Whether an expression finds something in a name."""
    return regex.search(name.encode(errors="surrogateescape"), 0) is not None
