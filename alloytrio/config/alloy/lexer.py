"""Text → tokens and comments.

A line break becomes a TERMINATOR behind a token that can end a statement (Go's rule); a comment that reaches to the
end of its line counts as the line break, and the TERMINATOR comes before it.

Errors: collected as diagnostics; the lexer goes on behind each, so that one run shows them all.
Source: Alloy ``syntax/scanner``. As there, ``\\'`` is no escape although its documentation says so.
"""

import re
import unicodedata

from alloytrio.config.alloy.diagnostics import Diagnostic
from alloytrio.config.alloy.source import Source, Span
from alloytrio.config.alloy.tokens import LINE_ENDING, OPERATORS, CommentToken, Token, TokenKind

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]*)?")
_DIGITS = tuple("0123456789")
_BLANK = re.compile(r"[ \t\r\n]*")
_BLANK_IN_LINE = re.compile(r"[ \t\r]*")
_ESCAPE = re.compile(
    r"""\\(?: [abfnrtv\\"] | (?P<octal>[0-7]{3}) | x[0-9a-fA-F]{2} | u(?P<short>[0-9a-fA-F]{4})
    | U(?P<long>[0-9a-fA-F]{8}) )""",
    re.VERBOSE,
)
_UNICODE_DIGITS = {"\\u": "four", "\\U": "eight"}
_KEYWORDS = {"true": TokenKind.BOOL, "false": TokenKind.BOOL, "null": TokenKind.NULL}
_PLAIN_IN_STRING = re.compile(r'[^"\\\n]*')
_HINTS = {
    "#": 'a comment begins with "//"',
    ";": "a statement ends with its line",
    ":": 'write "=" between a name and its value',
    "?": "there is no conditional operator; coalesce(a, b) gives the first value that is not empty",
    "&": 'write "&&" for and',
    "|": 'write "||" for or',
    "$": 'there is no interpolation: join strings with "+", read the environment with sys.env("NAME")',
    "\u201c": "use the plain double quote",
    "\u201d": "use the plain double quote",
}


class Lexer:
    """Cuts one source into ``tokens`` (the last is EOF) and ``comments``; what is wrong is in ``problems``.

    Attributes:
        skipped: what stands behind a ``#``, which is no comment here but meant as one.
    """

    def __init__(self, source: Source) -> None:
        self.skipped: list[Span] = []
        self.tokens: list[Token] = []
        self.comments: list[CommentToken] = []
        self.problems: list[Diagnostic] = []
        self._source = source
        self._text = source.text
        self._at = 1 if source.text.startswith("\ufeff") else 0
        self._can_end = False  # a line break here ends a statement

    def run(self) -> None:
        """Reads the whole text. Call once."""
        length = len(self._text)
        while True:
            self._at = (_BLANK_IN_LINE if self._can_end else _BLANK).match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at >= length:
                break
            self._next(self._text[self._at])
        if self._can_end:
            self._token(TokenKind.TERMINATOR, self._at, self._at)
        self._token(TokenKind.EOF, self._at, self._at)

    def _next(self, character: str) -> None:
        start = self._at
        if character == "\n":
            self._token(TokenKind.TERMINATOR, start, start + 1)
        elif character == "_" or character.isalpha():
            self._identifier(start)
        elif character in "0123456789" or (character == "." and self._text[start + 1 : start + 2] in _DIGITS):
            self._number(start)
        elif character == '"':
            self._string(start)
        elif character == "`":
            self._raw_string(start)
        elif self._text.startswith(("//", "/*"), start):
            self._comment(start)
        elif (operator := self._text[start : start + 2]) in OPERATORS or (operator := character) in OPERATORS:
            self._token(OPERATORS[operator], start, start + len(operator))
        else:
            self._illegal(start, character)

    def _token(self, kind: TokenKind, start: int, end: int) -> None:
        self.tokens.append(Token(kind, self._text[start:end], Span(start, end)))
        self._can_end = kind in LINE_ENDING
        self._at = end

    def _problem(self, start: int, end: int, message: str, help: str = "") -> None:  # noqa: A002
        self.problems.append(Diagnostic(self._source, Span(start, max(end, start)), message, help))

    def _identifier(self, start: int) -> None:
        end = start + 1
        while end < len(self._text) and _continues_identifier(self._text[end]):
            end += 1
        self._token(_KEYWORDS.get(self._text[start:end], TokenKind.IDENT), start, end)

    def _number(self, start: int) -> None:
        match = _NUMBER.match(self._text, start)
        assert match is not None, "called at a digit, or at a point before one"
        text = match[0]
        if text[-1] in "eE+-":
            self._problem(start, match.end(), "the exponent has no digits", 'write it as in "1e9"')
        kind = TokenKind.NUMBER if text.isdigit() else TokenKind.FLOAT
        self._token(kind, start, match.end())
        following = self._text[self._at : self._at + 1]
        if following == "_" or following.isalpha():
            end = self._at
            while end < len(self._text) and _continues_identifier(self._text[end]):
                end += 1
            behind = self._text[self._at : end]
            a_number = (text == "0" and behind[0] in "xXbBoO") or behind[0] == "_"
            help_ = "numbers are plain decimal digits" if a_number else 'durations and sizes are strings, such as "5s"'
            self._problem(start, end, "letters cannot follow a number", help_)
            self._at = end

    def _string(self, start: int) -> None:
        at = start + 1
        while True:
            at = _PLAIN_IN_STRING.match(self._text, at).end()  # type: ignore[union-attr]
            character = self._text[at : at + 1]
            if character == '"':
                self._token(TokenKind.STRING, start, at + 1)
                return
            if character != "\\":
                self._problem(start, at, "the string has no end on its line", 'close it with ", or use `backticks`')
                self._token(TokenKind.STRING, start, at)
                return
            at = self._escape(at)

    def _escape(self, at: int) -> int:
        """Checks the escape at ``at``; returns where the string goes on."""
        match = _ESCAPE.match(self._text, at)
        if match is None:
            shown = self._text[at : at + 2].rstrip("\n")
            self._problem(at, at + len(shown), f"unknown escape sequence {shown}", _escape_hint(shown))
            return at + len(shown)
        code_point = int(match["short"] or match["long"] or "0", 16)
        if 0xD800 <= code_point <= 0xDFFF or code_point > 0x10FFFF:
            self._problem(at, match.end(), f"{match[0]} is no Unicode code point")
        elif int(match["octal"] or "0", 8) > 0o377:
            self._problem(at, match.end(), f"{match[0]} is more than one byte", "the largest is \\377")
        return match.end()

    def _raw_string(self, start: int) -> None:
        end = self._text.find("`", start + 1)
        if end < 0:
            self._problem(start, start + 1, "the raw string has no end", "close it with `")
            end = len(self._text) - 1
        self._token(TokenKind.STRING, start, end + 1)

    def _comment(self, start: int) -> None:
        end = self._comment_end(start)
        if end is None:
            self._problem(start, start + 2, "the comment has no end", 'close it with "*/"')
            end = len(self._text)
        if self._can_end and self._reaches_line_end(start):
            self._token(TokenKind.TERMINATOR, start, start)
        self.comments.append(CommentToken(self._text[start:end].rstrip("\r"), Span(start, end), len(self.tokens)))
        self._at = end

    def _comment_end(self, start: int) -> int | None:
        if self._text[start + 1] == "/":
            end = self._text.find("\n", start)
            return end if end >= 0 else len(self._text)
        end = self._text.find("*/", start + 2)
        return end + 2 if end >= 0 else None

    def _reaches_line_end(self, start: int) -> bool:
        """Whether nothing but comments stands between ``start`` and the end of its line, or of the text."""
        at = start
        while self._text.startswith(("//", "/*"), at):
            end = self._comment_end(at)
            if end is None or "\n" in self._text[at:end]:
                return True
            at = _BLANK_IN_LINE.match(self._text, end).end()  # type: ignore[union-attr]
        return self._text[at : at + 1] in ("", "\n")

    def _illegal(self, start: int, character: str) -> None:
        end = start + 1
        if character == "'":
            self._single_quoted(start)
            return
        if character == "\x00":
            message = "illegal character NUL"
        elif character == "\ufeff":
            message = "a byte order mark may only begin the file"
        elif 0xD800 <= ord(character) <= 0xDFFF:
            message = "illegal UTF-8 encoding"
        else:
            shown = character if character.isprintable() else f"U+{ord(character):04X}"
            message = f"illegal character {shown} ({unicodedata.name(character, 'no name')})"
        self._problem(start, end, message, _HINTS.get(character, ""))
        if character == "#":
            newline = self._text.find("\n", start)
            self._at = newline if newline >= 0 else len(self._text)
            self.skipped.append(Span(start + 1, self._at))
            return
        self._token(TokenKind.ILLEGAL, start, end)

    def _single_quoted(self, start: int) -> None:
        newline = self._text.find("\n", start)
        line_end = newline if newline >= 0 else len(self._text)
        close = self._text.find("'", start + 1, line_end)
        end = close + 1 if close >= 0 else line_end
        self._problem(start, end, "illegal single-quoted string; use double quotes")
        self._token(TokenKind.STRING, start, end)


def _continues_identifier(character: str) -> bool:
    """Letters are Unicode category L, digits Nd: exactly what ``isalpha`` and ``isdecimal`` say."""
    return character == "_" or character.isalpha() or character.isdecimal()


def _escape_hint(shown: str) -> str:
    match shown:
        case "\\'":
            return "a single quote needs no escape"
        case "\\x":
            return "\\x is followed by two hexadecimal digits"
        case "\\u" | "\\U":
            return f"{shown} is followed by {_UNICODE_DIGITS[shown]} hexadecimal digits"
        case _ if shown[1:].isdigit():
            return "an octal escape has exactly three digits, up to \\377"
    return "write \\\\ for a backslash, or use a `raw string`"
