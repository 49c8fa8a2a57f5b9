"""Nested tables → TOML text that people like to read: short tables on one line, long ones under a header.

``tomllib.loads(write_toml(tables)) == nest(tables)`` for everything that a configuration can hold.
Source: https://toml.io/en/v1.0.0
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
Data = Mapping[str, object]

LINE_LENGTH = 110
"""A table that fits is written on one line."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


@dataclass(slots=True)
class Remarks:
    """The comments of one key or table, without ``#``.

    Args:
        above: lines before it; None is a blank line.
        behind: at the end of its line.
        below: lines at the end of a table.
    """

    above: list[str | None] = field(default_factory=list)
    behind: str = ""
    below: list[str | None] = field(default_factory=list)


Comments = Mapping[KeyPath, Remarks]
Tables = Sequence[tuple[tuple[str, ...], Data]]
"""Path of a header and what stands below it, in the order of the file."""

_NONE = Remarks()


def nest(tables: Tables) -> dict[str, object]:
    """The tree that a file with these tables is."""
    root: dict[str, object] = {}
    for path, table in tables:
        at = root
        for key in path[:-1]:
            inner = at.setdefault(key, {})
            assert isinstance(inner, dict), "no table stands below a value"
            at = inner
        at[path[-1]] = table
    return root


def write_toml(tables: Tables, comments: Comments | None = None) -> str:
    """A TOML file.

    Args:
        tables: strings, numbers, booleans, lists and tables of them, under headers.
        comments: by path; those below the root, ``()``, stand at the end of the file.
    """
    writer = _Writer(comments or {})
    lines = [line for path, table in tables for line in writer.one(table, path, f"[{_dotted(path)}]")]
    end = (comments or {}).get((), _NONE).below
    lines += ["", *_comment_lines(end)] if end else []
    while lines and not lines[0]:
        del lines[0]
    return "".join(f"{line}\n" for line in lines)


class _Writer:
    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self._commented = {path[:length] for path in comments for length in range(len(path))}

    def one(self, table: Data, path: KeyPath, header: str) -> Iterator[str]:
        """A table under its header, then the tables in it."""
        remarks = self._remarks(path)
        early: list[tuple[str, object]] = []
        late: list[tuple[str, object]] = []
        for key, value in table.items():
            if self._needs_header(key, value, (*path, key)):
                late.append((key, value))
            else:
                early.append((key, value))
        if early or not late or header.startswith("[[") or remarks != _NONE:
            yield ""
            yield from _comment_lines(remarks.above)
            yield header + _behind(remarks)
        for key, value in early:
            yield from self._entry(key, value, (*path, key))
        yield from _comment_lines(remarks.below)
        for key, value in late:
            inner = (*path, key)
            if isinstance(value, list):
                for index, each in enumerate(value):
                    yield from self.one(each, (*inner, index), f"[[{_dotted(inner)}]]")
            else:
                assert isinstance(value, Mapping)
                yield from self.one(value, inner, f"[{_dotted(inner)}]")

    def _remarks(self, path: KeyPath) -> Remarks:
        return self._comments.get(path, _NONE)

    def _needs_header(self, key: str, value: object, path: KeyPath) -> bool:
        """Lists of tables, and tables that are long, deep or commented inside."""
        if not isinstance(value, Mapping):
            return _is_list_of_tables(value)
        commented = path in self._commented or bool(self._remarks(path).below)
        deep = any(
            _is_list_of_tables(each)
            or (isinstance(each, Mapping) and any(isinstance(e, Mapping) for e in each.values()))
            for each in value.values()
        )
        return commented or deep or len(f"{_key(key)} = {_inline(value)}") > LINE_LENGTH

    def _entry(self, key: str, value: object, path: KeyPath) -> Iterator[str]:
        remarks = self._remarks(path)
        yield from _comment_lines(remarks.above)
        text = f"{_key(key)} = {_inline(value)}"
        if isinstance(value, list) and value and (path in self._commented or len(text) > LINE_LENGTH):
            yield f"{_key(key)} = ["
            for index, each in enumerate(value):
                inner = self._remarks((*path, index))
                yield from (f"  {line}" for line in _comment_lines(inner.above))
                yield f"  {_inline(each)},{_behind(inner)}"
            text = "]"
        yield text + _behind(remarks)
        yield from _comment_lines(remarks.below)


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _comment_lines(lines: list[str | None]) -> Iterator[str]:
    for line in lines:
        yield "" if line is None else f"# {_printable(line)}".rstrip()


def _behind(remarks: Remarks) -> str:
    return f"  # {_printable(remarks.behind)}" if remarks.behind else ""


def _printable(text: str) -> str:
    """TOML allows no control characters in comments."""
    return "".join(character if character == "\t" or character.isprintable() else " " for character in text)


def _dotted(path: KeyPath) -> str:
    return ".".join(_key(key) for key in path if isinstance(key, str))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _inline(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _string(value)
        case list():
            return f"[{', '.join(map(_inline, value))}]"
        case Mapping():
            inner = ", ".join(f"{_key(str(key))} = {_inline(each)}" for key, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case _:
            raise TypeError(f"a configuration holds no {type(value).__name__}")


def _string(text: str) -> str:
    """A string in double quotes, or in single quotes if that spares backslashes (expressions)."""
    if ("\\" in text or '"' in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return '"' + "".join(_ESCAPES.get(c) or _unprintable(c) for c in text) + '"'


def _unprintable(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
