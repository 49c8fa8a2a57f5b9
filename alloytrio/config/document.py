"""A configuration file as read: its tree of tables, and the place of everything in it.

In: the bytes of a TOML file (another reader may build a `Document` from another language).
Out: `Document`; nothing is interpreted yet.
Errors: `InvalidConfigError` for a file that cannot be read or is not TOML. A syntax error comes alone; what is
defined twice is listed completely, with both places.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alloytrio.config.positions import KeyPath, Position, TomlMap, scan
from alloytrio.config.problems import InvalidConfigError, Problem, dotted

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TWICE = re.compile(r"Cannot (?:declare|overwrite|mutate|redefine)|Duplicate inline table key")

# tomllib's words where they quote nothing from the file. All others might hold a piece of a secret.
_SYNTAX_MESSAGES = (
    "Invalid statement",
    "Expected newline or end of document after a statement",
    "Expected ']' at the end of a table declaration",
    "Expected ']]' at the end of an array declaration",
    "Expected '=' after a key in a key/value pair",
    "Invalid initial character for a key part",
    "Unclosed array",
    "Unclosed inline table",
    "Unescaped '\\' in a string",
    "Invalid hex value",
    "Escaped character is not a Unicode scalar value",
    "Unterminated string",
    "Invalid date or datetime",
    "Invalid value",
)
_SYNTAX_HINTS = {
    "Invalid value": 'texts, durations and sizes need quotes, such as "5s"',
    "Unescaped '\\' in a string": "in double quotes a backslash is written \\\\; in single quotes it stands for itself",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file before it is understood.

    Args:
        name: the file's name for messages.
        folder: where ``${file:relative/path}`` starts.
        text: the source, with ``\\n`` line ends.
        data: tables, lists and scalars as tomllib gives them.
        positions: the place of every key and list element in ``data``.
    """

    name: str
    folder: Path
    text: str = field(repr=False)
    data: Mapping[str, object] = field(repr=False)
    positions: Mapping[KeyPath, Position]

    @property
    def warnings(self) -> Sequence[Problem]:
        """What keeps nothing from being run, but should be known."""
        return ()

    def error(self, problems: Sequence[Problem]) -> InvalidConfigError:
        """The error of a document with problems."""
        return InvalidConfigError(problems, self.text)

    def problem(self, path: KeyPath, message: str, hint: str = "") -> Problem:
        """A problem at a path, or, if that is not in the file, at the nearest table above it."""
        place = self.position(path)
        line, column = (place.line, place.column) if place else (0, 0)
        return Problem(self.name, line, column, dotted(path), message, hint)

    def position(self, path: KeyPath) -> Position | None:
        """The place of a path or of the longest part of it that the file has."""
        for length in range(len(path), 0, -1):
            if found := self.positions.get(path[:length]):
                return found
        return None


def read_file(path: Path) -> Document:
    """The document in a TOML file.

    Raises:
        InvalidConfigError: it cannot be read, or is not TOML.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        message = f"cannot be read: {exc.strerror or type(exc).__name__}"
        raise InvalidConfigError([Problem(str(path), 0, 0, "", message)]) from exc
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        column = exc.start - (content.rfind(b"\n", 0, exc.start) + 1) + 1
        raise InvalidConfigError([Problem(str(path), line, column, "", "not UTF-8")]) from exc
    return read_text(text, name=str(path), folder=path.parent)


def read_text(text: str, *, name: str, folder: Path) -> Document:
    """The document in a TOML text.

    Raises:
        InvalidConfigError: it is not TOML.
    """
    text = text.replace("\r\n", "\n")
    toml_map = scan(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        problems = _repetitions(toml_map, name) if _TWICE.match(str(exc)) else []
        raise InvalidConfigError(problems or [_syntax_problem(str(exc), text, name)], text) from exc
    except RecursionError as exc:
        raise InvalidConfigError([Problem(name, 0, 0, "", "nested too deeply")], text) from exc
    return Document(name, folder, text, data, toml_map.positions())


def _repetitions(toml_map: TomlMap, name: str) -> list[Problem]:
    return [
        Problem(
            name,
            each.second.line,
            each.second.column,
            dotted(each.path),
            f"{'table' if each.is_table else 'key'} defined twice; the first is in line {each.first.line}",
            "each component needs a label of its own" if each.is_table else "",
        )
        for each in toml_map.repetitions
    ]


def _syntax_problem(tomllib_message: str, text: str, name: str) -> Problem:
    place = _PLACE.search(tomllib_message)
    if place is not None and place[1]:
        line, column = int(place[1]), int(place[2])
    else:
        line, column = text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
    known = next((each for each in _SYNTAX_MESSAGES if tomllib_message.startswith(each)), None)
    if tomllib_message.startswith("Illegal character '\\n'"):
        known = "a text in single quotation marks must end on its line"
    elif known is None:
        known = "defined twice" if _TWICE.match(tomllib_message) else "a character that may not stand here"
    message = f"not TOML: {known[0].lower()}{known[1:]}"
    return Problem(name, line, column, "", message, _SYNTAX_HINTS.get(known, ""))
