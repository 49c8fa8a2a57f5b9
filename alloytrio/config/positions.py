"""Where in a TOML text each key and list element stands; tomllib and tomlkit both do not say.

The scanner reads the grammar of TOML 1.0 only as far as needed to tell keys, values and comments apart. It is
meant for texts that tomllib has accepted; in any other text it stops at the first thing it cannot read
(``complete`` is then False), and what it saw before is still right. It also notes what is defined twice, which
tomllib reports without the first place.

Source: https://toml.io/en/v1.0.0
"""

import bisect
import re
import tomllib
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""Keys from the root; list elements by index: ``("loki", "process", "x", "stage", 0, "json")``."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_MULTILINE_BASIC = re.compile(r'"""(?:[^\\]|\\[\s\S])*?"{3,5}(?!")')
_MULTILINE_LITERAL = re.compile(r"'''[\s\S]*?'{3,5}(?!')")
_OTHER_VALUE = re.compile(r"[^,\]}#\n]+")
_BLANK = re.compile(r"[ \t]*")
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text: line and column from 1, both in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text by offsets, ``end`` exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Repetition:
    """A key or table that is defined a second time."""

    path: KeyPath
    first: Position
    second: Position
    is_table: bool


@dataclass
class TomlMap:
    """What the scanner saw.

    Args:
        text: the text, with ``\\n`` line ends; all offsets refer to it.
        spans: by path: the key's token; for a list element the scalar, or the opening bracket.
        scalars: every string, number and date, in order.
        comments: every comment, in order.
        statements: by line: the keys or the header with which a statement begins there.
        repetitions: what is defined twice.
        complete: the whole text was read.
    """

    text: str
    spans: dict[KeyPath, Span] = field(default_factory=dict)
    scalars: list[Span] = field(default_factory=list)
    comments: list[Span] = field(default_factory=list)
    statements: dict[int, Span] = field(default_factory=dict)
    repetitions: list[Repetition] = field(default_factory=list)
    complete: bool = False

    def __post_init__(self) -> None:
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def place(self, offset: int) -> Position:
        """Line and column of an offset."""
        line = bisect.bisect_right(self._line_starts, offset)
        return Position(line, offset - self._line_starts[line - 1] + 1)

    def line_span(self, line: int) -> Span:
        """The text of a line, without its end. An empty span for a line that does not exist."""
        if not 1 <= line <= len(self._line_starts):
            return Span(0, 0)
        end = self._line_starts[line] - 1 if line < len(self._line_starts) else len(self.text)
        return Span(self._line_starts[line - 1], end)

    def positions(self) -> dict[KeyPath, Position]:
        """The place of every path."""
        return {path: self.place(span.start) for path, span in self.spans.items()}


class _UnreadableError(Exception):
    """The text is not TOML from here on."""


class _Scanner:
    """One pass over a text; ``at`` is the offset of what comes next."""

    def __init__(self, text: str) -> None:
        self.map = TomlMap(text.replace("\r\n", "\n"))
        self.text = self.map.text
        self.at = 0
        self.table: KeyPath = ()  # what the latest header opened
        self.list_lengths: dict[KeyPath, int] = {}  # arrays of tables
        self.defined: dict[KeyPath, Span] = {}  # what may not be defined again
        self.dotted: dict[KeyPath, Span] = {}  # tables made by dotted keys: no header may name them

    def run(self) -> TomlMap:
        """Read statements until the end, or until one is unreadable."""
        try:
            while self._to_statement():
                start = self.at
                if self._next("[["):
                    self._list_header()
                elif self._next("["):
                    self._table_header()
                else:
                    self._key_and_value(self.table, statement=True)
                if self.at == start:
                    raise _UnreadableError
                self._line_end()
            self.map.complete = True
        except (_UnreadableError, RecursionError):
            pass
        return self.map

    # What stands between things

    def _to_statement(self) -> bool:
        while True:
            self._blank()
            if self.text.startswith("\n", self.at):
                self.at += 1
            elif not self._comment():
                return self.at < len(self.text)

    def _line_end(self) -> None:
        self._blank()
        self._comment()
        if self.at < len(self.text) and self.text[self.at] != "\n":
            raise _UnreadableError

    def _blank(self, *, newlines: bool = False) -> None:
        while True:
            match = _BLANK.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if not newlines or not (self._next("\n") or self._comment()):
                return

    def _comment(self) -> bool:
        match = _COMMENT.match(self.text, self.at)
        if match is None:
            return False
        self.map.comments.append(Span(match.start(), match.end()))
        self.at = match.end()
        return True

    def _next(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def _expect(self, token: str) -> None:
        if not self._next(token):
            raise _UnreadableError

    # Headers

    def _table_header(self) -> None:
        start = self.at - 1
        keys = self._keys()
        self._expect("]")
        self._statement(start, self.at)
        self.table = self._enter(keys)
        self._define(self.table, keys[-1][1], is_table=True)

    def _list_header(self) -> None:
        start = self.at - 2
        keys = self._keys()
        self._expect("]]")
        self._statement(start, self.at)
        path = (*self._enter(keys[:-1]), keys[-1][0])
        if path not in self.list_lengths:
            self._define(path, keys[-1][1], is_table=True)
        index = self.list_lengths.get(path, 0)
        self.list_lengths[path] = index + 1
        self.table = (*path, index)
        self.map.spans[self.table] = keys[-1][1]

    def _enter(self, keys: list[tuple[str, Span]]) -> KeyPath:
        """The path of a header's keys: where one names an array of tables, its latest table is meant."""
        path: KeyPath = ()
        for key, span in keys:
            path = (*path, key)
            self.map.spans.setdefault(path, span)
            if path in self.list_lengths:
                path = (*path, self.list_lengths[path] - 1)
        return path

    # Keys and values

    def _key_and_value(self, table: KeyPath, *, statement: bool = False) -> None:
        keys = self._keys()
        if statement:
            self._statement(keys[0][1].start, keys[-1][1].end)
        self._expect("=")
        path = table
        for key, span in keys[:-1]:
            path = (*path, key)
            self.map.spans.setdefault(path, span)
            self.dotted.setdefault(path, span)
        path = (*path, keys[-1][0])
        self._define(path, keys[-1][1], is_table=False)
        self._blank()
        self._value(path)

    def _keys(self) -> list[tuple[str, Span]]:
        keys: list[tuple[str, Span]] = []
        while True:
            self._blank()
            keys.append(self._key())
            self._blank()
            if not self._next("."):
                return keys

    def _key(self) -> tuple[str, Span]:
        for pattern in (_BARE_KEY, _BASIC, _LITERAL):
            if match := pattern.match(self.text, self.at):
                self.at = match.end()
                span = Span(match.start(), match.end())
                return (match[0] if pattern is _BARE_KEY else _unquote(match[0])), span
        raise _UnreadableError

    def _value(self, path: KeyPath) -> None:
        if self._next("["):
            self._list(path)
        elif self._next("{"):
            self._inline_table(path)
        else:
            self._scalar()

    def _list(self, path: KeyPath) -> None:
        index = 0
        self._blank(newlines=True)
        while not self._next("]"):
            start = self.at
            element = (*path, index)
            self._value(element)
            is_scalar = self.text[start] not in "[{"
            self.map.spans[element] = Span(start, self.at if is_scalar else start + 1)
            index += 1
            self._blank(newlines=True)
            if not self._next(","):
                self._expect("]")
                return
            self._blank(newlines=True)

    def _inline_table(self, path: KeyPath) -> None:
        self._blank(newlines=True)  # newlines and a last comma are TOML 1.1
        while not self._next("}"):
            self._key_and_value(path)
            self._blank(newlines=True)
            if not self._next(","):
                self._expect("}")
                return
            self._blank(newlines=True)

    def _scalar(self) -> None:
        for pattern in (_MULTILINE_BASIC, _MULTILINE_LITERAL, _BASIC, _LITERAL, _OTHER_VALUE):
            if match := pattern.match(self.text, self.at):
                end = match.start() + len(match[0].rstrip(" \t")) if pattern is _OTHER_VALUE else match.end()
                if end == match.start():
                    raise _UnreadableError
                self.map.scalars.append(Span(match.start(), end))
                self.at = end
                return
        raise _UnreadableError

    # Notes

    def _statement(self, start: int, end: int) -> None:
        self.map.statements[self.map.place(start).line] = Span(start, end)

    def _define(self, path: KeyPath, span: Span, *, is_table: bool) -> None:
        first = self.defined.get(path) or (self.dotted.get(path) if is_table else None)
        if first is not None:
            places = self.map.place(first.start), self.map.place(span.start)
            self.map.repetitions.append(Repetition(path, *places, is_table=is_table))
            return
        self.defined[path] = span
        self.map.spans[path] = span  # a table's own header is a better place than a mention in a longer one


def _unquote(token: str) -> str:
    try:
        (key,) = tomllib.loads(f"{token} = 0")
    except tomllib.TOMLDecodeError as exc:
        raise _UnreadableError from exc
    return key


def scan(text: str) -> TomlMap:
    """The places of all keys, values and comments of a TOML text."""
    return _Scanner(text).run()
