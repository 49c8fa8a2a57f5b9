"""Texts and their trees, and the place and words of every error."""

import pytest

from alloytrio.config.alloy.cursor import MAX_NESTING
from alloytrio.config.alloy.diagnostics import AlloySyntaxError
from alloytrio.config.alloy.parser import MAX_PROBLEMS, parse
from alloytrio.config.alloy.tree import (
    Access,
    Array,
    Attribute,
    Binary,
    Block,
    Body,
    Call,
    Comment,
    Comments,
    Expression,
    Field,
    Index,
    Item,
    Literal,
    Name,
    Object,
    Paren,
    Unary,
)


def number(text: str) -> Literal:
    """A number literal."""
    return Literal("number", text)


def expression(text: str) -> Expression:
    """The value in ``x = TEXT``."""
    [statement] = parse(f"x = {text}").body.statements
    assert isinstance(statement, Attribute)
    return statement.value


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", Name("a")),
        ('"s"', Literal("string", '"s"')),
        ("`r\r\n`", Literal("string", "`r\n`")),
        ("1.5", Literal("float", "1.5")),
        ("true", Literal("bool", "true")),
        ("null", Literal("null", "null")),
        ("(1)", Paren(number("1"))),
        ("[]", Array(())),
        ("[1, 2]", Array((Item(number("1")), Item(number("2"))))),
        ("[1, 2,]", Array((Item(number("1")), Item(number("2"))))),
        ("[\n1,\n]", Array((Item(number("1")),), multiline=True)),
        ("[1,\n]", Array((Item(number("1")),))),
        ("{}", Object(())),
        ('{ a = 1, "b c" = 2 }', Object((Field("a", number("1")), Field('"b c"', number("2"))))),
        ("{\na = 1,\n}", Object((Field("a", number("1")),), multiline=True)),
        ("a.b.c", Access(Access(Name("a"), "b"), "c")),
        ("a[1].b", Access(Index(Name("a"), number("1")), "b")),
        ("a.f()", Call(Access(Name("a"), "f"), ())),
        ("f(1, 2,)", Call(Name("f"), (Item(number("1")), Item(number("2"))))),
        ("f(1)(2)", Call(Call(Name("f"), (Item(number("1")),)), (Item(number("2")),))),
        ("!-a", Unary("!", Unary("-", Name("a")))),
        ("-a.b", Unary("-", Access(Name("a"), "b"))),
        ("-2 ^ 2", Binary("^", Unary("-", number("2")), number("2"))),
        ("1 ^ 2 ^ 3", Binary("^", number("1"), Binary("^", number("2"), number("3")))),
        ("1 - 2 - 3", Binary("-", Binary("-", number("1"), number("2")), number("3"))),
        ("1 < 2 == 3", Binary("==", Binary("<", number("1"), number("2")), number("3"))),
        ("1 + 2 * 3", Binary("+", number("1"), Binary("*", number("2"), number("3")))),
        ("1 * 2 ^ 3", Binary("*", number("1"), Binary("^", number("2"), number("3")))),
        ("a || b && c", Binary("||", Name("a"), Binary("&&", Name("b"), Name("c")))),
        ("a == 1 && b", Binary("&&", Binary("==", Name("a"), number("1")), Name("b"))),
        ("1 +\n2", Binary("+", number("1"), number("2"))),
    ],
)
def test_expressions(text: str, tree: Expression) -> None:
    """Each form has its node; operators bind as in Go, but unary ones tighter than ``^``."""
    assert expression(text) == tree


def test_blocks() -> None:
    """Names with points, labels, empty labels, nested and one-line blocks."""
    body = parse('a.b "c" { x = 1 }\nd "" { e { } }').body
    assert body == Body(
        (
            Block("a.b", "c", Body((Attribute("x", number("1")),))),
            Block("d", "", Body((Block("e", "", Body()),)), blank_before=True),
        )
    )
    assert [statement.id for statement in body.statements if isinstance(statement, Block)] == ["a.b.c", "d"]


@pytest.mark.parametrize(("raw", "name"), [('"a b"', "a b"), (r'"a\"b"', r"a\"b"), ('""', '""'), ("a", "a")])
def test_quoted_keys_are_not_unescaped(raw: str, name: str) -> None:
    """Only the outer quotes of a key are taken off, and an empty key keeps them."""
    value = expression(f"{{ {raw} = 1 }}")
    assert isinstance(value, Object)
    assert value.fields[0].name == name


def test_comments_hang_on_what_they_are_about() -> None:
    """Above a statement, behind it, behind a brace, at the end of a block, and inside an expression."""
    text = "// top\n\n// a\na = 1 // b\nc { // d\n  // e\n\n  // f\n}\n"
    text += "g = [ // h\n  1, // i\n  // j\n]\nk = 1 + /* l */ 2\n"
    one = number("1")
    assert parse(text).body == Body(
        (
            Attribute("a", one, Comments((Comment("// top"), Comment("// a", blank_before=True)), Comment("// b"))),
            Block("c", "", Body((), (Comment("// e"), Comment("// f", True))), Comments(), Comment("// d"), True),
            Attribute(
                "g",
                Array((Item(one, Comments((Comment("// h"),), Comment("// i"))),), True, (Comment("// j"),)),
                blank_before=True,
            ),
            Attribute("k", Binary("+", one, number("2")), Comments((Comment("/* l */"),))),
        )
    )


def test_spans() -> None:
    """A node's span is exactly its text."""
    text = 'a.b "c" {\n\tx = f(1, [2])[3].y\n}'
    [block] = parse(text).body.statements
    assert isinstance(block, Block)
    [attribute] = block.body.statements
    assert isinstance(attribute, Attribute)
    assert isinstance(attribute.value, Access)
    spans = [block.span, block.name_span, attribute.span, attribute.name_span, attribute.value.value.span]
    assert [text[span.start : span.end] for span in spans] == [
        text,
        "a.b",
        "x = f(1, [2])[3].y",
        "x",
        "f(1, [2])[3]",
    ]


def problems(text: str) -> list[tuple[str, str, str]]:
    """The errors of a text: the place, what is marked, the message."""
    with pytest.raises(AlloySyntaxError) as caught:
        parse(text, "f")
    found = caught.value.diagnostics
    return [(each.place[2:], text[each.span.start : each.span.end], each.message) for each in found]


NO_STATEMENT = 'expected "=" (an attribute) or "{" (a block) behind "a", got '
NO_NAME = "expected the name of an attribute or a block, got "
NO_EXPRESSION = "expected an expression, got "
LINE_END = "expected the end of the line behind the attribute, got "


@pytest.mark.parametrize(
    ("text", "place", "marked", "message"),
    [
        ("a", "1:2", "", NO_STATEMENT + "the end of the line"),
        ("a.1 = 2", "1:2", ".1", NO_STATEMENT + "FLOAT"),
        ("a. = 2", "1:4", "=", 'expected IDENT behind ".", got "="'),
        ("a b", "1:3", "b", "expected block label, got IDENT"),
        ("a b { }", "1:3", "b", "expected block label, got IDENT"),
        ("a-b = 1", "1:1", "a-b", 'a name cannot contain "-": a-b'),
        ("1 = 2", "1:1", "1", NO_NAME + "NUMBER"),
        ('"a" = 1', "1:1", '"a"', NO_NAME + "STRING"),
        ("true = 1", "1:1", "true", NO_NAME + "BOOL"),
        ("{ }", "1:1", "{", NO_NAME + '"{"'),
        ("a = 1\n  + 2", "2:3", "+", NO_NAME + '"+"'),
        ("a = b\n.c", "2:1", ".", NO_NAME + '"."'),
        ("a.b = 1", "1:1", "a.b", 'attribute names may only consist of a single identifier with no "."'),
        ('a "x" = 1', "1:3", '"x"', "attribute names may not have labels"),
        ("a\n= 1", "2:1", "=", '"=" must be on the same line as the name of its attribute'),
        ("a\n{ }", "2:1", "{", '"{" must be on the same line as the name of its block'),
        ('a "b"\n{ }', "2:1", "{", '"{" must be on the same line as the name of its block'),
        ('a "b"', "1:6", "", 'expected "{" behind the name of a block, got the end of the line'),
        ('a "b" "c" { }', "1:7", '"c"', 'expected "{" behind the name of a block, got STRING'),
        ('a "b-c" { }', "1:3", '"b-c"', "expected block label to be a valid identifier"),
        ("a `b` { }", "1:3", "`b`", "a block label is written in double quotes"),
        ("a {", "1:1", "a", 'expected "}" for the block "a", got the end of the file'),
        ("a { b { }", "1:1", "a", 'expected "}" for the block "a", got the end of the file'),
        ("}", "1:1", "}", 'unexpected "}": no block is open'),
        ("a { } }", "1:7", "}", 'unexpected "}": no block is open'),
        ("a =", "1:4", "", NO_EXPRESSION + "the end of the file"),
        ("a =\n\n", "1:4", "", NO_EXPRESSION + "the end of the file"),
        ("a =\nb = 1", "1:1", "a", 'the attribute "a" has no value'),
        ("a = 1 2", "1:7", "2", LINE_END + "NUMBER"),
        ("a = 1 b = 2", "1:7", "b", LINE_END + "IDENT"),
        ("a = b = c", "1:7", "=", LINE_END + '"="'),
        ("a = []{}", "1:7", "{", LINE_END + '"{"'),
        ("a { } b = 1", "1:7", "b", "expected the end of the line behind the block, got IDENT"),
        ("a { b = 1, c = 2 }", "1:10", ",", LINE_END + '","'),
        ("a = 1 +", "1:8", "", NO_EXPRESSION + "the end of the file"),
        ("a = !", "1:6", "", NO_EXPRESSION + "the end of the file"),
        ("a = ]", "1:5", "]", NO_EXPRESSION + '"]"'),
        ("a = [1, , 2]", "1:9", ",", NO_EXPRESSION + '","'),
        ("a = [1\n]", "1:7", "\n", "missing ',' in expression list"),
        ("a = [1 2]", "1:8", "2", "missing ',' in expression list, got NUMBER"),
        ("a = [1}", "1:7", "}", "missing ',' in expression list, got \"}\""),
        ("a = [1", "1:7", "", 'expected "]", got the end of the file'),
        ("a = f(1\n)", "1:8", "\n", "missing ',' in expression list"),
        ("a = f(,)", "1:7", ",", NO_EXPRESSION + '","'),
        ("a = f(1", "1:8", "", 'expected ")", got the end of the file'),
        ("a = (1\n)", "1:7", "\n", 'expected ")", got the end of the line'),
        ("a = ()", "1:6", ")", NO_EXPRESSION + '")"'),
        ("a = x[1", "1:8", "", 'expected "]" behind the index, got the end of the line'),
        ("a = x.", "1:7", "", 'expected a field name (IDENT) behind ".", got the end of the file'),
        ("a = x.true", "1:7", "true", 'expected a field name (IDENT) behind ".", got BOOL'),
        ("a = x {", "1:5", "x", "cannot use a block as an expression"),
        ('a = x "y" { }', "1:5", "x", "cannot use a block as an expression"),
        ("a = { 1 = 1 }", "1:7", "1", "expected field name (string or identifier), got NUMBER"),
        ("a = { b 1 }", "1:9", "1", 'expected "=" behind the field name, got NUMBER'),
        ("a = { b: 1 }", "1:8", ":", "illegal character : (COLON)"),
        ("a = { b = 1 c = 2 }", "1:13", "c", "missing ',' in field list, got IDENT"),
        ("a = { b = 1\n}", "1:12", "\n", "missing ',' in field list"),
        ("a = {,}", "1:6", ",", 'expected field name (string or identifier), got ","'),
    ],
)
def test_errors(text: str, place: str, marked: str, message: str) -> None:
    """One error, at its place, with what was expected; nothing follows from it."""
    assert problems(text) == [(place, marked, message)]


def test_every_statement_with_an_error_is_reported() -> None:
    """Behind an error reading goes on with the next statement, inside blocks too, even where a bracket stays open."""
    text = "a = )\nb = [1\n  2]\nc {\n  d = 5s\n  e = ]\n  f = 1\n}\ng = {\nh = 1\n"
    assert [place for place, _, _ in problems(text)] == ["1:5", "2:7", "5:7", "6:7", "10:6"]


def test_one_error_per_line() -> None:
    """Of several errors in a line only the first is reported."""
    assert [place for place, _, _ in problems("a = 'x' 'y' ]\nb = # c")] == ["1:5", "2:5"]


def test_errors_are_bounded() -> None:
    """After twenty errors the rest are left out."""
    assert len(problems("a = ]\n" * (MAX_PROBLEMS + 1))) == MAX_PROBLEMS
    assert len(problems("a = ]\n" * (MAX_PROBLEMS - 1))) == MAX_PROBLEMS - 1


def test_nested_blocks_are_bounded() -> None:
    """100 blocks inside one another are read; one more is refused."""
    parse("a {\n" * (MAX_NESTING - 1) + "b = 1\n" + "}\n" * (MAX_NESTING - 1))
    found = problems("a {\n" * (MAX_NESTING + 1) + "}\n" * (MAX_NESTING + 1))
    assert found[0][2] == "nested too deeply: at most 100 levels"
