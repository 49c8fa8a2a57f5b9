"""The words of the language. Source: Alloy ``syntax/token``."""

from dataclasses import dataclass
from enum import Enum

from alloytrio.config.alloy.source import Span


class TokenKind(Enum):
    """What a token is. The values are how messages name it."""

    ILLEGAL = "an illegal character"
    EOF = "the end of the file"
    TERMINATOR = "the end of the line"
    IDENT = "IDENT"
    NUMBER = "NUMBER"
    FLOAT = "FLOAT"
    STRING = "STRING"
    BOOL = "BOOL"
    NULL = "NULL"
    OR = '"||"'
    AND = '"&&"'
    NOT = '"!"'
    EQUAL = '"=="'
    NOT_EQUAL = '"!="'
    LESS = '"<"'
    LESS_EQUAL = '"<="'
    GREATER = '">"'
    GREATER_EQUAL = '">="'
    PLUS = '"+"'
    MINUS = '"-"'
    TIMES = '"*"'
    DIVIDE = '"/"'
    MODULO = '"%"'
    POWER = '"^"'
    ASSIGN = '"="'
    LEFT_CURLY = '"{"'
    RIGHT_CURLY = '"}"'
    LEFT_PAREN = '"("'
    RIGHT_PAREN = '")"'
    LEFT_SQUARE = '"["'
    RIGHT_SQUARE = '"]"'
    COMMA = '","'
    DOT = '"."'


OPERATORS = {kind.value.strip('"'): kind for kind in TokenKind if kind.value.startswith('"')}
"""Spelling → kind."""

LINE_ENDING = frozenset(
    {
        TokenKind.IDENT,
        TokenKind.NUMBER,
        TokenKind.FLOAT,
        TokenKind.STRING,
        TokenKind.BOOL,
        TokenKind.NULL,
        TokenKind.RIGHT_PAREN,
        TokenKind.RIGHT_SQUARE,
        TokenKind.RIGHT_CURLY,
    }
)
"""A line break behind one of these ends the statement."""

BINARY = {
    TokenKind.OR: 1,
    TokenKind.AND: 2,
    TokenKind.EQUAL: 3,
    TokenKind.NOT_EQUAL: 3,
    TokenKind.LESS: 3,
    TokenKind.LESS_EQUAL: 3,
    TokenKind.GREATER: 3,
    TokenKind.GREATER_EQUAL: 3,
    TokenKind.PLUS: 4,
    TokenKind.MINUS: 4,
    TokenKind.TIMES: 5,
    TokenKind.DIVIDE: 5,
    TokenKind.MODULO: 5,
    TokenKind.POWER: 6,
}
"""Binary operator → how tightly it binds."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its kind, its exact text, its place."""

    kind: TokenKind
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class CommentToken:
    """A comment with its markers; ``before`` is the index of the token that follows it."""

    text: str
    span: Span
    before: int
