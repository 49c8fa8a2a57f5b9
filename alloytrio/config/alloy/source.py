"""A text with its name, and places in it."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source text: character offsets, ``end`` exclusive."""

    start: int
    end: int

    def to(self, other: "Span") -> "Span":
        """From the start of this to the end of the other."""
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class Position:
    """A place that people can find: line and column count characters from 1."""

    line: int
    column: int


class Source:
    """A configuration text and the name under which errors speak of it.

    Args:
        text: the whole text.
        name: file name for messages.

    Attributes:
        hidden: stretches that may hold secrets and are never shown, in order; whoever reads the text fills them in.
    """

    def __init__(self, text: str, name: str = "config.alloy") -> None:
        self.text = text
        self.name = name
        self.hidden: list[Span] = []
        self._starts = [0]
        self._starts.extend(index + 1 for index, character in enumerate(text) if character == "\n")

    def line_of(self, offset: int) -> int:
        """The line, from 1, of a character offset."""
        return bisect_right(self._starts, offset)

    def position(self, offset: int) -> Position:
        """Line and column of a character offset; the offset may be the text's end."""
        line = self.line_of(offset)
        return Position(line, offset - self._starts[line - 1] + 1)

    def line_start(self, line: int) -> int:
        """The offset of the first character of a line."""
        return self._starts[line - 1]

    def line_text(self, line: int) -> str:
        """A line, from 1, without its line break."""
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        return self.text[start:end].removesuffix("\r")

    @property
    def line_count(self) -> int:
        """How many lines there are; a break at the very end opens no new one."""
        return len(self._starts) - (1 if len(self._starts) > 1 and self._starts[-1] == len(self.text) else 0)

    def within(self, span: Span) -> tuple["Source", Span]:
        """The file that a stretch stands in, and where."""
        return self, span

    def place(self, offset: int) -> str:
        """``file:line`` of a character offset."""
        source, span = self.within(Span(offset, offset))
        return f"{source.name}:{source.line_of(span.start)}"


class JoinedSource(Source):
    """Several files as one text, each below a comment with its name.

    Args:
        parts: the files, in order.
        name: of the whole.
    """

    def __init__(self, parts: Sequence[Source], name: str) -> None:
        self._parts: list[tuple[int, Source]] = []
        text = ""
        for part in parts:
            text += f"// {part.name.rpartition('/')[2]}\n\n"
            self._parts.append((len(text), part))
            text += part.text.removeprefix("\ufeff") + "\n"
        super().__init__(text, name)

    def within(self, span: Span) -> tuple[Source, Span]:
        """The file that a stretch stands in, and where."""
        index = bisect_right(self._parts, span.start, key=lambda part: part[0])
        if index == 0:
            return self, span
        start, part = self._parts[index - 1]
        start -= len(part.text) - len(part.text.removeprefix("\ufeff"))
        return part, Span(min(span.start - start, len(part.text)), min(span.end - start, len(part.text)))
