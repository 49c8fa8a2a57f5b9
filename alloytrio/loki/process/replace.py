"""``stage.replace``: replaces what the groups of an expression matched. Source: Alloy ``stages/replace.go``."""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.gotemplate import Template, TemplateError
from alloytrio.loki.process.stage import (
    Pass,
    PlainStage,
    Stage,
    StageContext,
    StageTable,
    line_bytes,
    line_text,
    source_of,
)
from alloytrio.loki.process.template import EntryScope
from alloytrio.regex import Spans, compile_regex


class ReplaceConfig(StageTable):
    """``[loki.process.x.stage.replace]``"""

    expression: str = Field(min_length=1, description="RE2 expression; what its groups match is replaced.")
    source: str | None = Field(None, min_length=1, description="An extracted value to work on instead of the line.")
    replace: str = Field("", description="Go template of the new text; .Value is what the group matched.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        compile_regex(self.expression)
        Template(self.replace)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return ReplaceStage(self)


class ReplaceStage(PlainStage):
    """Every group of every match is replaced; of groups inside each other, the outer one."""

    def __init__(self, config: ReplaceConfig) -> None:
        self._regex = compile_regex(config.expression)
        self._names = {number: name for name, number in self._regex.names.items()}
        self._name = config.source
        self._source = source_of(config.source)
        self._template = Template(config.replace, missing="")

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Replace in each entry."""
        for entry in entries:
            text = self._source(entry)
            matches = [] if text is None else self._matches(text)
            if text is None or not matches:
                continue
            try:
                result = self._replaced(entry, text, matches)
            except TemplateError:
                continue
            if self._name is None:
                entry.line = result
            else:
                entry.extracted[self._name] = line_text(result)
        return entries

    def _matches(self, text: bytes) -> list[Spans]:
        matches: list[Spans] = []
        start = 0
        while start <= len(text):
            spans = self._regex.search(text, start)
            if spans is None:
                break
            matches.append(spans)
            begin, end = spans[0]
            start = end if end > begin else end + 1
        return matches

    def _replaced(self, entry: Entry, text: bytes, matches: list[Spans]) -> bytes:
        out: list[bytes] = []
        at = 0
        found: dict[str, object] = {}
        for spans in matches:
            groups = sorted(
                [(span, number) for number, span in enumerate(spans) if number and span[0] >= 0],
                key=lambda group: (group[0][0], -group[0][1], group[1]),
            )
            for (begin, end), number in groups:
                if begin < at:
                    continue
                new = self._template.render(EntryScope(entry, line_text(text[begin:end])))
                out += [text[at:begin], line_bytes(new)]
                at = end
                if number in self._names:
                    found[self._names[number]] = new
        entry.extracted.update(found)
        return b"".join([*out, text[at:]])
