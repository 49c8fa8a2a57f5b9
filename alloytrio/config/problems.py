"""What is wrong with a configuration, as data: for people on a terminal, for CI annotations, for the page.

No problem ever holds a value that a user wrote, since any value may be a secret. Keys, component names and
positions are shown; values are not.
"""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alloytrio.errors import ConfigError

_PLAIN_KEY = re.compile(r"[\w-]+")
NAMES_SHOWN = 24  # names listed in a hint; more than that would bury the message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a configuration from being run.

    Args:
        file: the file's name as the user gave it; empty if the value came from the environment.
        line: from 1; 0 where no line is known.
        column: from 1, in characters; 0 where no line is known.
        path: where in the configuration, such as ``otelcol.exporter.otlp.tempo.client.endpoint``.
        message: what is wrong.
        hint: what is allowed, and the nearest valid name; may be empty.
        variable: the environment variable that the value came from, if it did.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    variable: str = ""

    def __str__(self) -> str:
        """The problem on one line: ``file:line:column: path: message (hint)``."""
        if self.variable:
            place = f"environment variable {self.variable}: "
        elif self.line:
            place = f"{self.file}:{self.line}:{self.column}: "
        else:
            place = f"{self.file}: "
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return printable(f"{place}{path}{self.message}{hint}")


class InvalidConfigError(ConfigError):
    """A configuration with problems; ``str()`` lists them, one per line.

    Args:
        problems: at least one, in the order in which they should be read.
        source: the text of the file, for `render_text`; empty if it could not be read.
    """

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(map(str, self.problems)))


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """By place in the file; what came from the environment last. No two problems for the same place and path."""
    seen: dict[tuple[str, int, int, str], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.variable, problem.line, problem.column, problem.path), problem)
    return [seen[key] for key in sorted(seen)]


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a misspelt name most probably meant, if one is near enough; case does not count."""
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def name_hint(name: str, candidates: Iterable[str], *, what: str = "allowed") -> str:
    """``did you mean "x"? allowed: x, y, z``, as far as there is something to say."""
    names = list(candidates)
    parts = []
    if meant := nearest(name, names):
        parts.append(f'did you mean "{meant}"?')
    if names and (not meant or len(names) <= NAMES_SHOWN):
        shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
        parts.append(f"{what}: {shown}")
    return " ".join(parts)


def workflow_command(level: str, file: str, line: int, column: int, message: str) -> str:
    """A message for the log of a GitHub workflow, which shows it at its place in the code.

    Source: GitHub's documentation of workflow commands, ``error``.

    Args:
        level: ``error``, ``warning`` or ``notice``.
        file: may be empty.
        line, column: 0 where none is known.
        message: in any characters.
    """
    place = [f"file={_escaped(file).replace(':', '%3A').replace(',', '%2C')}"] if file else []
    place += [f"line={line}", f"col={column}"] if line else []
    return f"::{' '.join([level, ','.join(place)]).rstrip()}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def dotted(path: Iterable[str | int]) -> str:
    """A path as messages show it: ``("a", "b", 0, "c.d")`` → ``a.b[0]."c.d"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _PLAIN_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{key}" if text else key
    return text


def printable(text: str) -> str:
    """A text in which nothing can move the cursor of a terminal or end the line."""
    return text if text.isprintable() else "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character == "\t" else f"\\u{ord(character):04x}"
