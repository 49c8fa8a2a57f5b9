"""Printing and parsing are each other's inverse; parsing survives everything."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alloytrio.config.alloy.diagnostics import AlloySyntaxError
from alloytrio.config.alloy.literals import quote, unquote
from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.printer import print_body
from alloytrio.config.alloy.tree import Body
from tests.config.alloy.strategies import bodies, string_values

WORDS = ["a", "b.c", "=", "{", "}", "[", "]", "(", ")", ",", ".", "1", "1.5e3", '"s"', "`r\n`", "true", "null", "\n"]
WORDS += [
    "// c\n",
    "/* c */",
    "/* c\nd */",
    "||",
    "!",
    "-",
    "^",
    "==",
    " ",
    "#",
    "'",
    '"',
    "`",
    "/*",
    "\\",
    "é",
    "\x00",
]


@settings(max_examples=200, deadline=None)
@given(bodies)
def test_print_and_parse_again(body: Body) -> None:
    """What is printed parses to the same tree, comments and layout included."""
    assert parse(print_body(body)).body == body


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
@example("a = [1, // c\n]")
@example("a = 1 /* x\n */ // y")
@example("a = f( /* c */ )")
def test_any_words(text: str) -> None:
    """A text is refused with a syntax error, or its canonical form is stable and means the same."""
    try:
        document = parse(text)
    except AlloySyntaxError:
        return
    printed = print_body(document.body)
    assert parse(printed).body == document.body
    assert print_body(parse(printed).body) == printed


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(st.characters(), max_size=60))
def test_any_text(text: str | bytes) -> None:
    """Whatever is parsed, nothing but a syntax error comes out, and its message can be shown."""
    shown = ""
    try:
        parse(text)
    except AlloySyntaxError as error:
        shown = str(error)
    assert all(line.isprintable() for line in shown.split("\n"))


@pytest.mark.parametrize("unit", ["(", "[", "{ a = ", "-", "!", "f(", "a {\n", "1 ^ ", "a[", "/*", "1 + ", "a."])
def test_depth_is_bounded(unit: str) -> None:
    """Nesting and chains beyond the bound are an error, not a stack overflow."""
    text = unit * 5000
    with pytest.raises(AlloySyntaxError):
        parse(text if unit == "a {\n" else f"x = {text}1")


@pytest.mark.parametrize(("operators", "fits"), [(149, True), (150, False)])
def test_longest_chain(operators: int, fits: bool) -> None:
    """150 levels of operators are read and printed; one more is refused at its place."""
    text = "x = " + "1 + " * operators + "1"
    if fits:
        assert print_body(parse(text).body) == text + "\n"
    else:
        with pytest.raises(AlloySyntaxError, match="at most 150 levels"):
            parse(text)


@pytest.mark.parametrize(("depth", "fits"), [(100, True), (101, False)])
def test_deepest_nesting(depth: int, fits: bool) -> None:
    """100 levels of brackets are read and printed; one more is refused at its place."""
    text = "x = " + "[" * depth + "]" * depth
    if fits:
        assert print_body(parse(text).body) == text + "\n"
    else:
        with pytest.raises(AlloySyntaxError, match=r"config\.alloy:1:105: nested too deeply: at most 100 levels"):
            parse(text)


@given(string_values)
def test_quote_and_unquote(value: str) -> None:
    """Every string value, broken UTF-8 included, has a spelling that gives it back."""
    assert unquote(quote(value)) == value
