"""``stage.decolorize``: removes ANSI escape sequences. Source: Alloy ``stages/decolorize.go``."""

import re

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable

# ESC or U+009B, then operating system commands up to their end, or control sequences (ECMA-48, section 5.4).
_ESCAPES = re.compile(
    rb"(?:\x1b|\xc2\x9b)(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|[\[\]()#;?]*(?:\d{1,4}(?:[;:]\d{0,4})*)?[0-9A-PR-TZcf-nq-uy=><~])"
)


class DecolorizeConfig(StageTable):
    """``[loki.process.x.stage.decolorize]``, an empty table."""

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return DecolorizeStage()


class DecolorizeStage(PlainStage):
    """Leaves the text alone."""

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Remove the escapes from each line."""
        for entry in entries:
            line = entry.line
            if b"\x1b" in line or b"\xc2\x9b" in line:
                entry.line = _ESCAPES.sub(b"", line)
        return entries
