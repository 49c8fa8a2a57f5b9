"""``stage.template``: computes an extracted value from others. Source: Alloy ``stages/template.go``.

What templates can do is said in ``gotemplate``.
"""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.gotemplate import Template, TemplateError
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, line_text, text_of


class TemplateConfig(StageTable):
    """``[loki.process.x.stage.template]``"""

    source: str = Field(min_length=1, description="The extracted value that is set; .Value is what it was.")
    template: str = Field(min_length=1, description='Go template, such as "{{ ToLower .Value }}".')

    @model_validator(mode="after")
    def _check(self) -> Self:
        Template(self.template)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return TemplateStage(self)


class EntryScope:
    """What a template sees of an entry: ``.Value``, ``.Entry`` (the line), and the extracted values.

    Args:
        entry: the entry.
        current: the value that the template is about; None if there is none.
    """

    __slots__ = ("current", "entry")

    def __init__(self, entry: Entry, current: str | None) -> None:
        self.entry = entry
        self.current = current

    def value(self, name: str) -> str | None:
        """The text of a name."""
        if name == "Value":
            return self.current
        if name == "Entry":
            return line_text(self.entry.line)
        return text_of(self.entry.extracted.get(name))


class TemplateStage(PlainStage):
    """An empty result removes the value; a template that fails leaves it as it was."""

    def __init__(self, config: TemplateConfig) -> None:
        self._source = config.source
        self._template = Template(config.template)

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Set the value of each entry."""
        source, render = self._source, self._template.render
        for entry in entries:
            try:
                result = render(EntryScope(entry, text_of(entry.extracted.get(source))))
            except TemplateError:
                continue
            if result:
                entry.extracted[source] = result
            else:
                entry.extracted.pop(source, None)
        return entries
