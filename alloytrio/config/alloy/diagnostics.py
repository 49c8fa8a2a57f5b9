"""What is wrong with a configuration, and how it is shown.

The text form is that of Alloy's ``validate`` (one line of context before and after, a caret under the span), with a
line of help below. Source: Alloy ``syntax/diag/printer.go``; the JSON and GitHub forms are ours.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from alloytrio.config.alloy.source import Source, Span
from alloytrio.config.problems import InvalidConfigError, Problem, workflow_command
from alloytrio.config.problems import nearest as nearest_name

TAB_WIDTH = 4
"""Alloy's printer shows a tab as four spaces."""

HIDDEN = "…"
"""Stands for the text of strings and comments: errors are logged, and any string may be a secret."""

LONGEST_SPAN = 8
"""Lines of a span that are shown in full; of longer ones the first and the last three."""

Format = Literal["text", "json", "github"]


class Severity(Enum):
    """How bad it is. An error stops; a warning says what will be different."""

    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong or worth saying.

    Args:
        source: where the span points into.
        span: what is marked.
        message: what is wrong, and what was expected; one line, no final stop.
        help: what to do about it, or "".
    """

    source: Source
    span: Span
    message: str
    help: str = ""
    severity: Severity = Severity.ERROR

    @property
    def place(self) -> str:
        """``file:line:column``; where there is no text the name alone."""
        if not self.source.text:
            return self.source.name
        position = self.source.position(self.span.start)
        return f"{self.source.name}:{position.line}:{position.column}"

    @property
    def problem(self) -> Problem:
        """The same without the excerpt."""
        position = self.source.position(self.span.start)
        return Problem(self.source.name, position.line, position.column, "", self.message, self.help)


class AlloyError(InvalidConfigError):
    """An Alloy configuration cannot be used; ``diagnostics`` says all that is wrong with it."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__([each.problem for each in diagnostics])
        self.diagnostics = tuple(diagnostics)


class AlloySyntaxError(AlloyError):
    """The text is not Alloy syntax. The only exception that parsing raises, whatever the text."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A sentence that names the closest of the known names, or ""."""
    meant = nearest_name(name, sorted(names))
    return f'did you mean "{meant}"?' if meant else ""


def render(diagnostics: Iterable[Diagnostic], output: Format = "text") -> str:
    """All diagnostics for people (text), programs (json) or a GitHub workflow's log (github)."""
    match output:
        case "text":
            return "\n\n".join(_render_text(diagnostic) for diagnostic in diagnostics)
        case "json":
            return json.dumps([_as_json(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False)
        case "github":
            return "\n".join(_render_github(diagnostic) for diagnostic in diagnostics)


def _as_json(diagnostic: Diagnostic) -> dict[str, str | int]:
    start = diagnostic.source.position(diagnostic.span.start)
    end = diagnostic.source.position(diagnostic.span.end)
    return {
        "severity": diagnostic.severity.value.lower(),
        "file": diagnostic.source.name,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "message": diagnostic.message,
        "help": diagnostic.help,
    }


def _render_github(diagnostic: Diagnostic) -> str:
    start = diagnostic.source.position(diagnostic.span.start)
    command = {Severity.INFO: "notice", Severity.WARNING: "warning", Severity.ERROR: "error"}[diagnostic.severity]
    message = diagnostic.message + (f" ({diagnostic.help})" if diagnostic.help else "")
    return workflow_command(command, diagnostic.source.name, start.line, start.column, message)


def _render_text(diagnostic: Diagnostic) -> str:
    source, span = diagnostic.source, diagnostic.span
    head = f"{diagnostic.severity.value}: {diagnostic.place}: {diagnostic.message}"
    if not source.text:
        return f"{head}\n  = help: {diagnostic.help}" if diagnostic.help else head
    first = min(source.line_of(span.start), source.line_count)
    last = min(source.line_of(max(span.end - 1, span.start)), source.line_count)
    shown = range(max(first - 1, 1), min(last + 1, source.line_count) + 1)
    width = len(str(shown[-1]))
    lines = _one_line(source, span, shown, width) if first == last else _many_lines(source, span, shown, width)
    tail = [f"{'':{width}} = help: {diagnostic.help}"] if diagnostic.help else []
    return "\n".join([head, "", *lines, *tail])


def _one_line(source: Source, span: Span, shown: range, width: int) -> list[str]:
    marked = source.line_of(span.start)
    lines = []
    for line in shown:
        pieces = _pieces(source, line)
        lines.append(_numbered(line, width, f" {''.join(pieces)}"))
        if line == min(marked, source.line_count):
            start = source.position(span.start).column - 1 if line == marked else len(pieces)
            before = _width(pieces[:start])
            length = max(_width(pieces[: start + span.end - span.start]) - before, 1)
            lines.append(f"{'':{width}} | {' ' * before}{'^' * length}")
    return lines


def _many_lines(source: Source, span: Span, shown: range, width: int) -> list[str]:
    first, last = source.line_of(span.start), source.line_of(span.end - 1)
    lines = []
    for line in shown:
        if last - first >= LONGEST_SPAN and first + 2 < line < last - 2:
            if line == first + 3:
                lines.append(f"{'':{width}} | | ...")
            continue
        pieces = _pieces(source, line)
        lines.append(_numbered(line, width, f" {'|' if first < line <= last else ' '} {''.join(pieces)}"))
        if line == first:
            before = _width(pieces[: source.position(span.start).column - 1])
            lines.append(f"{'':{width}} |  {'_' * (before + 1)}^")
        if line == last:
            before = _width(pieces[: source.position(span.end - 1).column - 1])
            lines.append(f"{'':{width}} | |{'_' * (before + 1)}^")
    return lines


def _numbered(line: int, width: int, text: str) -> str:
    return f"{line:{width}} |{text}".rstrip()


def _pieces(source: Source, line: int) -> list[str]:
    """What is shown for each character of a line: tabs are spaces, what may be secret is one ellipsis."""
    text, start = source.line_text(line), source.line_start(line)
    pieces = [_shown(character) for character in text]
    for span in source.hidden:
        first, end = max(span.start - start, 0), min(span.end - start, len(text))
        if first < end:
            pieces[first:end] = [HIDDEN] + [""] * (end - first - 1)
    return pieces


def _shown(character: str) -> str:
    if character == "\t":
        return " " * TAB_WIDTH
    return character if character.isprintable() else repr(character)[1:-1]


def _width(pieces: Sequence[str]) -> int:
    return sum(map(len, pieces))
