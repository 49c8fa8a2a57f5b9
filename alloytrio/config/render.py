"""Problems as a good compiler shows them: the line, a caret under the key, what would be right.

Values in the line are hidden behind ``…`` and comments are left out, since both may hold secrets.
"""

from alloytrio.config.alloy.diagnostics import AlloyError, render
from alloytrio.config.positions import Span, TomlMap, scan
from alloytrio.config.problems import InvalidConfigError, Problem, printable

HIDDEN = "…"


def render_error(error: InvalidConfigError) -> str:
    """All problems of an error, with excerpts of its source, an empty line between them."""
    if isinstance(error, AlloyError):
        return render(error.diagnostics)
    return "\n\n".join(render_text(problem, error.source) for problem in error.problems)


def render_text(problem: Problem, source: str) -> str:
    """One problem with an excerpt of the source.

    Args:
        problem: what to show.
        source: the TOML text it is about; empty if there is none: then there is no excerpt.
    """
    headline = str(
        Problem(problem.file, problem.line, problem.column, problem.path, problem.message, "", problem.variable)
    )
    shown = _excerpt(scan(source), problem) if source and problem.line and not problem.variable else None
    if shown is None:
        return f"{headline}\n  {problem.hint}" if problem.hint else headline
    text, column, width = shown
    margin = " " * len(str(problem.line))
    lines = [headline, f" {problem.line} | {text}", f" {margin} | {' ' * column}{'^' * width}"]
    return "\n".join([*lines, f" {margin}   {problem.hint}"] if problem.hint else lines)


def _excerpt(toml_map: TomlMap, problem: Problem) -> tuple[str, int, int] | None:
    """The problem's line without values, and where the carets go: offset and number."""
    line = toml_map.line_span(problem.line)
    if not toml_map.complete:
        return _statement_only(toml_map, problem, line)
    target = min(line.start + problem.column - 1, line.end)
    text, column, at, width = "", 0, line.start, 0
    for hidden, mark in _hidden(toml_map, line):
        start, end = max(hidden.start, line.start), min(hidden.end, line.end)
        text += toml_map.text[at:start]
        if at <= target < start:
            column = len(text) - (start - target)
        elif start <= target < end:
            column, width = len(text), 1
        text += mark
        at = end
    if target >= at:
        column = len(text) + target - at
    text = (text + toml_map.text[at : line.end]).rstrip()
    width = width or next((span.end - span.start for span in toml_map.spans.values() if span.start == target), 1)
    return printable(text), column, max(1, min(width, len(text) - column))


def _hidden(toml_map: TomlMap, line: Span) -> list[tuple[Span, str]]:
    """What of a line may not be shown, in order, and what stands for it."""
    spans = [(span, HIDDEN) for span in toml_map.scalars] + [(span, "") for span in toml_map.comments]
    return sorted(
        ((span, mark) for span, mark in spans if span.start < line.end and span.end > line.start),
        key=lambda entry: entry[0].start,
    )


def _statement_only(toml_map: TomlMap, problem: Problem, line: Span) -> tuple[str, int, int] | None:
    """In a text that is not TOML only the keys or the header are safe to show, where a statement begins there."""
    statement = toml_map.statements.get(problem.line)
    if statement is None:
        return None
    text = printable(toml_map.text[line.start : statement.end])
    is_header = text.lstrip().startswith("[")
    column = min(problem.column - 1, len(text))
    return (text if is_header else f"{text} = {HIDDEN}"), (column if is_header else min(column, len(text) + 3)), 1
