"""How errors are shown."""

import json
import re

import pytest

from alloytrio.config.alloy.diagnostics import AlloySyntaxError, Diagnostic, Severity, nearest, render
from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.source import Source, Span

TEXT = 'logging {\n\ttest = "test"\n}\n'


def diagnostic(text: str, marked: str, message: str = "wrong", help: str = "") -> Diagnostic:  # noqa: A002
    """A diagnostic that marks the first occurrence of a text."""
    start = text.index(marked)
    return Diagnostic(Source(text, "main.alloy"), Span(start, start + len(marked)), message, help)


def test_one_line() -> None:
    """A line of context above and below, tabs as four spaces, carets under what is marked."""
    shown = render([diagnostic(TEXT, 'test = "test"', 'unrecognized attribute name "test"', 'did you mean "level"?')])
    assert shown == (
        'Error: main.alloy:2:2: unrecognized attribute name "test"\n'
        "\n"
        "1 | logging {\n"
        '2 |     test = "test"\n'
        "  |     ^^^^^^^^^^^^^\n"
        "3 | }\n"
        '  = help: did you mean "level"?'
    )


def test_several_lines() -> None:
    """A span over several lines is drawn from its first to its last character."""
    text = 'block "label" {\n    attr = (\n        "hello"\n    )\n}\n'
    assert render([diagnostic(text, '(\n        "hello"\n    )')]) == (
        "Error: main.alloy:2:12: wrong\n"
        "\n"
        '1 |   block "label" {\n'
        "2 |       attr = (\n"
        "  |  ____________^\n"
        '3 | |         "hello"\n'
        "4 | |     )\n"
        "  | |_____^\n"
        "5 |   }"
    )


def test_long_spans_are_shortened() -> None:
    """Of a span of more than eight lines the first and last three are shown."""
    lines = [f"l{number:02}" for number in range(1, 13)]
    shown = render([diagnostic("\n".join(lines), "\n".join(lines[1:11]))]).splitlines()
    numbered = [line.split()[-1] for line in shown if line.lstrip()[:1].isdigit()]
    assert numbered == ["l01", "l02", "l03", "l04", "l09", "l10", "l11", "l12"]
    assert any(line.endswith("| | ...") for line in shown)


@pytest.mark.parametrize(
    ("text", "marked", "lines"),
    [
        ("\n", "", ["1 |", "  | ^"]),
        ("a", "", ["1 | a", "  | ^"]),
        ("\u4e2d\tx", "x", ["1 | \u4e2d    x", "  |      ^"]),
        ("a \x1b[31m", "\x1b", ["1 | a \\x1b[31m", "  |   ^^^^"]),
    ],
)
def test_odd_places(text: str, marked: str, lines: list[str]) -> None:
    """An empty line, an empty span, tabs in the line, and characters that a terminal would act on."""
    assert render([diagnostic(text, marked)]).splitlines()[2:] == lines


def test_place_behind_the_last_line_break() -> None:
    """An error at the very end of a file is shown at the end of its last line."""
    source = Source("a = 1\n", "f")
    shown = render([Diagnostic(source, Span(6, 6), "wrong")])
    assert shown == "Error: f:2:1: wrong\n\n1 | a = 1\n  |      ^"


def test_several_diagnostics() -> None:
    """A blank line stands between two, and each says how bad it is."""
    warning = Diagnostic(Source("a", "f"), Span(0, 1), "odd", severity=Severity.WARNING)
    assert render([warning, warning]).split("\n\n") == ["Warning: f:1:1: odd", "1 | a\n  | ^"] * 2


def test_json() -> None:
    """For programs: a list of objects with places as numbers."""
    [shown] = json.loads(render([diagnostic(TEXT, "test", help="x")], "json"))
    assert shown == {
        "severity": "error",
        "file": "main.alloy",
        "line": 2,
        "column": 2,
        "end_line": 2,
        "end_column": 6,
        "message": "wrong",
        "help": "x",
    }


def test_github() -> None:
    """For a workflow's log: one command a line, what the syntax uses itself escaped."""
    shown = render([diagnostic(TEXT, "test", "100 %\nwrong", "try: x")], "github")
    assert shown == "::error file=main.alloy,line=2,col=2::100 %25%0Awrong (try: x)"


@pytest.mark.parametrize(("name", "said"), [("endpont", 'did you mean "endpoint"?'), ("zzz", "")])
def test_nearest(name: str, said: str) -> None:
    """The nearest known name, if one is near."""
    assert nearest(name, ["endpoint", "timeout"]) == said


def test_without_text() -> None:
    """What has no place in a text, such as a variable, is named alone."""
    assert render([Diagnostic(Source("", "variable X"), Span(0, 0), "wrong", "right")]) == (
        "Error: variable X: wrong\n  = help: right"
    )


def test_strings_and_comments_are_hidden() -> None:
    """Texts of strings and comments may be secrets: excerpts show neither, but labels and keys."""
    text = 'a "label" { // s1\n  b = \'s2\' + `s3\ns4` + f({ "key" = "s5" }, \'s6\') /* s7 */\n  c = "s8\n}\n'
    with pytest.raises(AlloySyntaxError) as caught:
        parse(text, "f")
    shown = render(caught.value.diagnostics)
    assert re.findall(r"s\d", shown + render(caught.value.diagnostics, "json") + str(caught.value)) == []
    assert '"label" { //…' in shown
    assert '…` + f({ "key" = "…" }, ' in shown


@pytest.mark.parametrize(
    "text",
    [
        'a = "hunter2\nb = 1\n',
        "a = 'hunter2'\n",
        'a = "x\\qhunter2"\n',
        "a = `hunter2\n",
        "/* hunter2\n",
        'a = "hunter2" "hunter2"\n',
        "a = b # hunter2\n",
        'a = {"k": "hunter2"}',
        "a = ['hunter2', 'hunter2']",
    ],
)
def test_syntax_errors_show_no_values(text: str) -> None:
    """Strings and comments stay hidden where they are the very thing that is wrong."""
    with pytest.raises(AlloySyntaxError) as caught:
        parse(text)
    assert "hunter2" not in render(caught.value.diagnostics)
