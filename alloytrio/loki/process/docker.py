"""``stage.docker``: lines that are records of Docker's json-file driver.

Not needed behind ``loki.source.docker``, which reads the text itself. Source: Alloy ``stages/extensions.go``.
"""

import orjson

from alloytrio.entry import Entry
from alloytrio.loki.process.golayout import compile_layout
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, line_bytes, set_label


class DockerConfig(StageTable):
    """``[loki.process.x.stage.docker]``, an empty table."""

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return DockerStage()


class DockerStage(PlainStage):
    """A line that is no such record passes unchanged."""

    def __init__(self) -> None:
        self._parse_time = compile_layout("RFC3339")

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Set line, label ``stream`` and time of each entry."""
        for entry in entries:
            try:
                record = orjson.loads(entry.line)
            except orjson.JSONDecodeError:
                continue
            text = record.get("log") if isinstance(record, dict) else None
            if not isinstance(text, str) or not text:
                continue
            stream, time = record.get("stream"), record.get("time")
            entry.extracted.update(output=text, stream=stream, timestamp=time)
            entry.line = line_bytes(text)
            if isinstance(stream, str):
                set_label(entry, "stream", stream)
            instant = self._parse_time(time, batch.now_ns) if isinstance(time, str) else None
            if instant is not None:
                entry.ts_ns = instant
        return entries
