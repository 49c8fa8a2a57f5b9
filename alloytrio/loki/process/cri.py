"""``stage.cri``: lines in the format of Kubernetes' container runtimes, ``<time> stdout F <text>``.

Source: Alloy ``stages/extensions.go``. On purpose different: lines of two readers never mix, and pieces that wait for
their end hold back the position of their stream.
"""

import re

from pydantic import Field

from alloytrio.entry import Entry, Origin
from alloytrio.loki.process.golayout import compile_layout
from alloytrio.loki.process.stage import Pass, Stage, StageContext, StageTable, line_text, set_label
from alloytrio.values import ByteSize

FLUSHED = "loki_process_cri_partial_lines_flushed_total"
TRUNCATED = "loki_process_cri_lines_truncated_total"
_LINE = re.compile(rb"(?s)(\S+?) (stdout|stderr) (?:([FP]) )?(.*)")

_Key = tuple[Origin, frozenset[tuple[str, str]]]


class CriConfig(StageTable):
    """``[loki.process.x.stage.cri]``"""

    max_partial_lines: int = Field(
        100, gt=0, description="Pieces that may wait for their end at once; when there are more, all go on as they are."
    )
    max_partial_line_size: ByteSize = Field(0, ge=0, description="Bytes that may wait for one line; 0 = any number.")
    max_partial_line_size_truncate: bool = Field(False, description="Cut lines that reach max_partial_line_size.")

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return CriStage(self, context)


class CriStage:
    """A line in another format passes unchanged."""

    holds = True

    def __init__(self, config: CriConfig, context: StageContext) -> None:
        self._config = config
        self._parse_time = compile_layout("RFC3339")
        self._partial: dict[bytes, dict[_Key, list[Entry]]] = {}
        self._flushed = context.telemetry.counter(
            FLUSHED, "A count of partial lines that were flushed prematurely due to the max_partial_lines limit."
        )
        self._truncated = context.telemetry.counter(
            TRUNCATED, "A count of lines that were truncated due to the max_partial_line_size limit."
        )

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Whole lines."""
        waiting = self._partial.setdefault(batch.source, {})
        out: list[Entry] = []
        for entry in entries:
            self._take(entry, waiting, batch, out)
        if batch.ended:
            out += [self._joined(pieces) for pieces in waiting.values()]
            waiting.clear()
        for pieces in waiting.values():
            batch.hold(pieces[0])
        if not waiting:
            del self._partial[batch.source]
        return out

    def forget(self, source: bytes) -> None:
        """Drop the pieces of a reader."""
        self._partial.pop(source, None)

    def _take(self, entry: Entry, waiting: dict[_Key, list[Entry]], batch: Pass, out: list[Entry]) -> None:
        match = _LINE.fullmatch(entry.line)
        instant = None if match is None else self._parse_time(line_text(match[1]), batch.now_ns)
        if match is None or instant is None:
            out.append(entry)
            return
        stream, flag, text = line_text(match[2]), line_text(match[3] or b"F"), match[4]
        entry.extracted.update(time=line_text(match[1]), stream=stream, flags=flag, content=line_text(text))
        entry.ts_ns = instant
        entry.line = text
        set_label(entry, "stream", stream)
        key = (entry.origin, frozenset(entry.labels.items()))
        if flag == "F":
            out.append(self._joined([*waiting.pop(key, []), entry]))
            return
        if sum([len(pieces) for pieces in waiting.values()]) >= self._config.max_partial_lines:
            self._flushed.inc(len(waiting))
            out += [self._joined(pieces) for pieces in waiting.values()]
            waiting.clear()
        waiting.setdefault(key, []).append(entry)

    def _joined(self, pieces: list[Entry]) -> Entry:
        """One entry of the pieces: text of all, the rest of the last."""
        whole = pieces[-1]
        if len(pieces) > 1:
            whole.line = b"".join([piece.line for piece in pieces])
        limit = self._config.max_partial_line_size
        if limit and self._config.max_partial_line_size_truncate and len(whole.line) > limit:
            whole.line = whole.line[:limit]
            self._truncated.inc()
        return whole
