"""``stage.logfmt``: takes values out of lines such as ``level=info msg="hello world"``.

Source: Alloy ``stages/logfmt.go``, go-logfmt's decoder.
"""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, line_text, source_of
from alloytrio.loki.process.structured_metadata import matches
from alloytrio.regex import compile_regex
from alloytrio.wire.logfmt import read_logfmt


class LogfmtConfig(StageTable):
    """``[loki.process.x.stage.logfmt]``"""

    mapping: dict[str, str] = Field({}, description="Name → key in the line; an empty key is the name itself.")
    regex: str = Field("", description="Keys that match are taken under their own name.")
    source: str | None = Field(None, min_length=1, description="An extracted value to read instead of the line.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.mapping and not self.regex:
            raise ValueError("logfmt needs mapping or regex")
        compile_regex(self.regex)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return LogfmtStage(self)


class LogfmtStage(PlainStage):
    """All values are texts. Where a line stops being logfmt, what was read until there counts."""

    def __init__(self, config: LogfmtConfig) -> None:
        self._names: dict[str, list[str]] = {}
        for name, key in config.mapping.items():
            self._names.setdefault(key or name, []).append(name)
        self._regex = compile_regex(config.regex) if config.regex else None
        self._source = source_of(config.source)

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Add each entry's values."""
        for entry in entries:
            text = self._source(entry)
            if text is None:
                continue
            for key, value in read_logfmt(line_text(text))[0]:
                for name in self._names.get(key, ()):
                    entry.extracted[name] = value
                if self._regex is not None and matches(self._regex, key):
                    entry.extracted[key] = value
        return entries
