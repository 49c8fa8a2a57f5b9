"""``stage.multiline``: joins lines that belong together, such as a stack trace, into one entry.

Source: Alloy ``stages/multiline.go``. On purpose different: lines of two readers never mix, even if their labels are
the same; a block that is open holds back the position of its stream, so a restart reads it again from its first line.
"""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry, Origin
from alloytrio.loki.process.stage import Pass, Stage, StageContext, StageTable
from alloytrio.regex import compile_regex
from alloytrio.values import ByteSize, Duration


class MultilineConfig(StageTable):
    """``[loki.process.x.stage.multiline]``"""

    firstline: str = Field(min_length=1, description="RE2 expression, found anywhere in a line that begins a block.")
    max_wait_time: Duration = Field(3.0, gt=0, description="A block without a new line for so long goes on.")
    max_lines: int = Field(128, ge=1, description="Lines of a block at most; what follows is a block of its own.")
    trim_newlines: bool = Field(True, description="Take newlines off the end of each line.")
    max_block_size: ByteSize = Field(
        256 * 1024, ge=1, description="Bytes of a block at most; what follows is a block of its own."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        compile_regex(self.firstline)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return MultilineStage(self)


_Key = tuple[Origin, frozenset[tuple[str, str]]]


class _Block:
    """An open block.

    Args:
        first: its first entry, which gives the block its time, labels, values and metadata.
    """

    __slots__ = ("deadline", "first", "lines", "size")

    def __init__(self, first: Entry) -> None:
        self.first = first
        self.lines: list[bytes] = []
        self.size = 0
        self.deadline = 0.0


class MultilineStage:
    """Blocks are kept per reader, stream and labels."""

    holds = True

    def __init__(self, config: MultilineConfig) -> None:
        self._config = config
        self._search = compile_regex(config.firstline).search
        self._blocks: dict[bytes, dict[_Key, _Block]] = {}

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Blocks that are complete, and lines that belong to none."""
        blocks = self._blocks.setdefault(batch.source, {})
        out: list[Entry] = []
        _release([key for key, block in blocks.items() if block.deadline <= batch.now], blocks, out)
        for entry in entries:
            self._take(entry, blocks, batch, out)
        if batch.ended:
            _release(list(blocks), blocks, out)
        for block in blocks.values():
            if block.lines:
                batch.hold(block.first)
            batch.wake_at = min(batch.wake_at, block.deadline)
        if not blocks:
            del self._blocks[batch.source]
        return out

    def forget(self, source: bytes) -> None:
        """Drop the open blocks of a reader."""
        self._blocks.pop(source, None)

    def _take(self, entry: Entry, blocks: dict[_Key, _Block], batch: Pass, out: list[Entry]) -> None:
        key = (entry.origin, frozenset(entry.labels.items()))
        line = entry.line.rstrip(b"\r\n") if self._config.trim_newlines else entry.line
        block = blocks.get(key)
        if self._search(entry.line, 0) is not None:
            if block is not None:
                _flush(block, out)
            block = blocks[key] = _Block(entry)
        elif block is None:
            out.append(entry)
            return
        elif block.lines and block.size + 1 + len(line) > self._config.max_block_size:
            _flush(block, out)
        if not block.lines and block.first is not entry:  # goes on after a block that was full
            block.first = _continued(block.first, entry)
        block.lines.append(line)
        block.size += len(line) + (len(block.lines) > 1)
        block.deadline = batch.now + self._config.max_wait_time
        if len(block.lines) >= self._config.max_lines:
            _flush(block, out)


def _release(due: list[_Key], blocks: dict[_Key, _Block], out: list[Entry]) -> None:
    """Let go of blocks and forget them."""
    for key in due:
        _flush(blocks.pop(key), out)


def _flush(block: _Block, out: list[Entry]) -> None:
    """Send a block on; it may go on with the next line."""
    if block.lines:
        whole = block.first.copy()
        whole.extracted = dict(block.first.extracted)
        whole.line = b"\n".join(block.lines)
        out.append(whole)
        block.lines = []
        block.size = 0


def _continued(first: Entry, entry: Entry) -> Entry:
    """The first entry of a block that goes on: as in Alloy the same but for its place in the stream."""
    new = first.copy()
    new.extracted = dict(first.extracted)
    new.seq = entry.seq
    return new
