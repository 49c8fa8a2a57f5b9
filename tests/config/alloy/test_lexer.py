"""The words of the language, each with its place, and every way in which a text is no word."""

import pytest

from alloytrio.config.alloy.lexer import Lexer
from alloytrio.config.alloy.literals import parse_number, unquote
from alloytrio.config.alloy.source import Source
from alloytrio.config.alloy.tokens import TokenKind


def lex(text: str) -> Lexer:
    """A lexer that has read a text."""
    lexer = Lexer(Source(text, "f"))
    lexer.run()
    return lexer


def words(text: str) -> str:
    """The tokens of a text without errors: ``a=1`` → ``IDENT:a "=" NUMBER:1 ; EOF``."""
    lexer = lex(text)
    assert lexer.problems == []
    shown = []
    for token in lexer.tokens:
        match token.kind:
            case TokenKind.TERMINATOR:
                shown.append(";")
            case TokenKind.EOF:
                shown.append("EOF")
            case kind if kind.value.startswith('"'):
                shown.append(token.text)
            case kind:
                shown.append(f"{kind.value}:{token.text}")
    return " ".join(shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "EOF"),
        ("\ufeffa", "IDENT:a ; EOF"),
        (" \t\r\n \n", "EOF"),
        ("a", "IDENT:a ; EOF"),
        ("_a1 äö٣ Ünï日本", "IDENT:_a1 IDENT:äö٣ IDENT:Ünï日本 ; EOF"),
        ("true false null", "BOOL:true BOOL:false NULL:null ; EOF"),
        ("trueish", "IDENT:trueish ; EOF"),
        ("0 12 010", "NUMBER:0 NUMBER:12 NUMBER:010 ; EOF"),
        ("1. 1.5 .5 1e3 1.5E-3 .5e+1", "FLOAT:1. FLOAT:1.5 FLOAT:.5 FLOAT:1e3 FLOAT:1.5E-3 FLOAT:.5e+1 ; EOF"),
        ("a.b a.5", "IDENT:a . IDENT:b IDENT:a FLOAT:.5 ; EOF"),
        ('"" "a\\"b"', 'STRING:"" STRING:"a\\"b" ; EOF'),
        (r'"\a\b\f\n\r\t\v\\\"\377\xfF\u00e9\U0001F600"', r'STRING:"\a\b\f\n\r\t\v\\\"\377\xfF\u00e9\U0001F600" ; EOF'),
        ("`a\n\\q`", "STRING:`a\n\\q` ; EOF"),
        ("||&&!!====", "|| && ! != == = EOF"),
        ("<<=>>=", "< <= > >= EOF"),
        ("+-*/%^={}()[],.", "+ - * / % ^ = { } ( ) [ ] , . EOF"),
        ("a||b", "IDENT:a || IDENT:b ; EOF"),
        ("1-2", "NUMBER:1 - NUMBER:2 ; EOF"),
    ],
)
def test_words(text: str, expected: str) -> None:
    """Each spelling is one token of its kind; the end of the text ends a statement."""
    assert words(text) == expected


@pytest.mark.parametrize("ending", ["a", "1", "1.5", '"s"', "`s`", "true", "null", ")", "]", "}"])
def test_line_break_ends_a_statement(ending: str) -> None:
    """Behind these a line break is a terminator, and only the first one."""
    kinds = [token.kind for token in lex(f"{ending}\n\n\nx").tokens]
    assert kinds[1:] == [TokenKind.TERMINATOR, TokenKind.IDENT, TokenKind.TERMINATOR, TokenKind.EOF]


@pytest.mark.parametrize("going_on", [*"!<>+-*/%^={([,.", "||", "&&", "==", "!=", "<=", ">="])
def test_line_break_ends_nothing(going_on: str) -> None:
    """Behind all other tokens a line break is blank."""
    assert words(f"{going_on}\nx") == f"{going_on} IDENT:x ; EOF"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a // c\nb", "IDENT:a ; IDENT:b ; EOF"),
        ("a // c", "IDENT:a ; EOF"),
        ("a /* c */ b", "IDENT:a IDENT:b ; EOF"),
        ("a /* c */\nb", "IDENT:a ; IDENT:b ; EOF"),
        ("a /* c\n */ b", "IDENT:a ; IDENT:b ; EOF"),
        ("a /* c */ /* d */ // e\nb", "IDENT:a ; IDENT:b ; EOF"),
        ("a /* c */ /* d */ b", "IDENT:a IDENT:b ; EOF"),
        ("a /* c */ /* d\n */ b", "IDENT:a ; IDENT:b ; EOF"),
        ("a, // c\nb", "IDENT:a , IDENT:b ; EOF"),
        ("/* /* */ a", "IDENT:a ; EOF"),
        ("/**/a", "IDENT:a ; EOF"),
        ("a / b", "IDENT:a / IDENT:b ; EOF"),
    ],
)
def test_comments_and_line_ends(text: str, expected: str) -> None:
    """A comment that reaches to the end of its line is a line break, and the terminator stands before it."""
    assert words(text) == expected


def test_comments_are_kept() -> None:
    """Comments keep their markers and know which token follows; a carriage return is no part of them."""
    lexer = lex("// one\r\na /* two */ = 1 // three")
    assert [(comment.text, comment.before) for comment in lexer.comments] == [
        ("// one", 0),
        ("/* two */", 1),
        ("// three", 4),
    ]


def test_places() -> None:
    """Line and column of a token count characters from 1."""
    source = Source('a = "é\t" \r\n\tb', "f")
    lexer = Lexer(source)
    lexer.run()
    places = [source.position(token.span.start) for token in lexer.tokens]
    assert [(place.line, place.column) for place in places] == [(1, 1), (1, 3), (1, 5), (1, 11), (2, 2), (2, 3), (2, 3)]


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("a \x00", "\x00", "illegal character NUL"),
        ("a\ufeff", "\ufeff", "a byte order mark may only begin the file"),
        ("a \udcff", "\udcff", "illegal UTF-8 encoding"),
        ("# x", "#", "illegal character # (NUMBER SIGN)"),
        ("a;", ";", "illegal character ; (SEMICOLON)"),
        ("a & b", "&", "illegal character & (AMPERSAND)"),
        ("a | b", "|", "illegal character | (VERTICAL LINE)"),
        ("a ? b", "?", "illegal character ? (QUESTION MARK)"),
        ("a : b", ":", "illegal character : (COLON)"),
        ("\u201ca", "\u201c", "illegal character \u201c (LEFT DOUBLE QUOTATION MARK)"),
        ("\u200b", "\u200b", "illegal character U+200B (ZERO WIDTH SPACE)"),
        ("'a b' c", "'a b'", "illegal single-quoted string; use double quotes"),
        ("'a\nb", "'a", "illegal single-quoted string; use double quotes"),
        ('"a\nb', '"a', "the string has no end on its line"),
        ('"a\\', "\\", "unknown escape sequence \\"),
        ('"\\', "\\", "unknown escape sequence \\"),
        ('"a\\\n"', "\\", "unknown escape sequence \\"),
        (r'"\'"', r"\'", r"unknown escape sequence \'"),
        (r'"\q"', r"\q", r"unknown escape sequence \q"),
        (r'"\x1g"', r"\x", r"unknown escape sequence \x"),
        (r'"\u12"', r"\u", r"unknown escape sequence \u"),
        (r'"\12"', r"\1", r"unknown escape sequence \1"),
        (r'"\400"', r"\400", r"\400 is more than one byte"),
        (r'"\ud800"', r"\ud800", r"\ud800 is no Unicode code point"),
        (r'"\U00110000"', r"\U00110000", r"\U00110000 is no Unicode code point"),
        ("`a\n", "`", "the raw string has no end"),
        ("/* a", "/*", "the comment has no end"),
        ("1e", "1e", "the exponent has no digits"),
        ("1e+", "1e+", "the exponent has no digits"),
        ("5s", "5s", "letters cannot follow a number"),
        ("1.5KiB", "1.5KiB", "letters cannot follow a number"),
        ("0x1F", "0x1F", "letters cannot follow a number"),
        ("1_000", "1_000", "letters cannot follow a number"),
    ],
)
def test_errors(text: str, marked: str, message: str) -> None:
    """What is no word is marked exactly, and the lexer goes on behind it to the end."""
    lexer = lex(text)
    problem = lexer.problems[0]
    assert (text[problem.span.start : problem.span.end], problem.message) == (marked, message)
    assert lexer.tokens[-1].kind is TokenKind.EOF


def test_all_errors_are_found() -> None:
    """One error does not hide the next."""
    assert [problem.span.start for problem in lex("a = 'x'\nb = 5s\nc = \"\\q\" # d").problems] == [4, 12, 20, 24]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('""', ""),
        (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
        (r'"\101\x41\u0041\U00000041"', "AAAA"),
        (r'"\xc3\xa9"', "é"),
        (r'"\303\251"', "é"),
        (r'"\x80"', "\udc80"),
        (r'"\\x80"', "\\x80"),
        ("`\\x80\r\n'\"`", "\\x80\n'\""),
    ],
)
def test_string_values(raw: str, value: str) -> None:
    """Escapes give bytes, which are then read as UTF-8; what is none survives as a lone surrogate."""
    assert unquote(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("010", 8),
        ("08", 8.0),
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
    ],
)
def test_number_values(raw: str, value: float) -> None:
    """A leading zero means octal; beyond 64 bits a number is a float."""
    parsed = parse_number(raw)
    assert (parsed, type(parsed)) == (value, type(value))
