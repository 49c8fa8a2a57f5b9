"""``stage.output``: an extracted value becomes the line. Source: Alloy ``stages/output.go``."""

from pydantic import Field

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, source_of


class OutputConfig(StageTable):
    """``[loki.process.x.stage.output]``"""

    source: str = Field(min_length=1, description="The extracted value.")

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return OutputStage(self)


class OutputStage(PlainStage):
    """A value that is missing or has no text leaves the line as it was."""

    def __init__(self, config: OutputConfig) -> None:
        self._source = source_of(config.source)

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Put the value in the place of the line."""
        for entry in entries:
            text = self._source(entry)
            if text is not None:
                entry.line = text
        return entries
