"""Reads expressions. Source: Alloy ``syntax/parser/internal.go``; unary operators bind tighter than ``^`` as there."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal as OneOf
from typing import NoReturn, TypeVar

from alloytrio.config.alloy.cursor import Cursor
from alloytrio.config.alloy.source import Span
from alloytrio.config.alloy.tokens import BINARY, CommentToken, Token, TokenKind
from alloytrio.config.alloy.tree import (
    Access,
    Array,
    Binary,
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
    children,
)

MAX_HEIGHT = 150
"""Levels of one expression, long chains of operators included: printing and evaluating take some calls for each."""

LiteralKind = OneOf["string", "number", "float", "bool", "null"]
_LITERALS: dict[TokenKind, LiteralKind] = {
    TokenKind.STRING: "string",
    TokenKind.NUMBER: "number",
    TokenKind.FLOAT: "float",
    TokenKind.BOOL: "bool",
    TokenKind.NULL: "null",
}


T = TypeVar("T", Item, Field)


class _List:
    """What stands between two brackets: is it spread over lines, which comments stand before the closing one."""

    def __init__(self) -> None:
        self.multiline = False
        self.dangling: tuple[Comment, ...] = ()


def read_expression(cursor: Cursor) -> Expression:
    """One whole expression.

    Raises:
        Failure: it is not one, or too deep.
    """
    expression = _binary(cursor, 1)
    deepest = _deepest(expression)
    if deepest is not None:
        cursor.fail(f"the expression is nested too deeply: at most {MAX_HEIGHT} levels", span=deepest)
    return expression


def _deepest(expression: Expression) -> Span | None:
    """Where an expression grows too high, without recursion."""
    pending = [(expression, 1)]
    while pending:
        current, height = pending.pop()
        if height > MAX_HEIGHT:
            return current.span
        pending.extend((child, height + 1) for child in children(current))
    return None


def _binary(cursor: Cursor, minimum: int) -> Expression:
    cursor.descend()
    left = _unary(cursor)
    while (precedence := BINARY.get(cursor.kind, 0)) >= minimum:
        operator = cursor.advance()
        right = _binary(cursor, precedence if operator.kind is TokenKind.POWER else precedence + 1)
        left = Binary(operator.text, left, right, left.span.to(right.span))
    cursor.nesting -= 1
    return left


def _unary(cursor: Cursor) -> Expression:
    if cursor.kind not in (TokenKind.NOT, TokenKind.MINUS):
        return _postfix(cursor)
    cursor.descend()
    operator = cursor.advance()
    value = _unary(cursor)
    cursor.nesting -= 1
    return Unary(operator.text, value, operator.span.to(value.span))


def _postfix(cursor: Cursor) -> Expression:
    value = _primary(cursor)
    while True:
        match cursor.kind:
            case TokenKind.DOT:
                cursor.advance()
                name = cursor.expect(TokenKind.IDENT, 'expected a field name (IDENT) behind "."')
                value = Access(value, name.text, name.span, value.span.to(name.span))
            case TokenKind.LEFT_SQUARE:
                _open(cursor)
                index = _binary(cursor, 1)
                close = _close(cursor, TokenKind.RIGHT_SQUARE, 'expected "]" behind the index')
                value = Index(value, index, value.span.to(close))
            case TokenKind.LEFT_PAREN:
                _open(cursor)
                around = _List()
                arguments = _list(cursor, TokenKind.RIGHT_PAREN, _item, around, "expression list")
                close = _close(cursor, TokenKind.RIGHT_PAREN, 'expected ")"')
                value = Call(value, arguments, around.multiline, around.dangling, value.span.to(close))
            case _:
                return value


def _primary(cursor: Cursor) -> Expression:
    token = cursor.token
    if token.kind is TokenKind.IDENT:
        cursor.advance()
        _reject_block(cursor, token.span)
        return Name(token.text, token.span)
    if (literal := _LITERALS.get(token.kind)) is not None:
        cursor.advance()
        return Literal(literal, token.text.replace("\r", ""), token.span)
    return _bracketed(cursor, token)


def _bracketed(cursor: Cursor, token: Token) -> Expression:
    around = _List()
    match token.kind:
        case TokenKind.LEFT_PAREN:
            _open(cursor)
            value = _binary(cursor, 1)
            close = _close(cursor, TokenKind.RIGHT_PAREN, 'expected ")"')
            return Paren(value, token.span.to(close))
        case TokenKind.LEFT_SQUARE:
            _open(cursor)
            items = _list(cursor, TokenKind.RIGHT_SQUARE, _item, around, "expression list")
            close = _close(cursor, TokenKind.RIGHT_SQUARE, 'expected "]"')
            return Array(items, around.multiline, around.dangling, token.span.to(close))
        case TokenKind.LEFT_CURLY:
            _open(cursor)
            fields = _list(cursor, TokenKind.RIGHT_CURLY, _field, around, "field list")
            close = _close(cursor, TokenKind.RIGHT_CURLY, 'expected "}"')
            return Object(fields, around.multiline, around.dangling, token.span.to(close))
    return cursor.fail(f"expected an expression, got {token.kind.value}")


def _reject_block(cursor: Cursor, name: Span) -> None:
    """``x = name {`` and ``x = name "label" {`` look like blocks."""
    kind = cursor.kind
    labelled = kind is TokenKind.STRING and cursor.following().kind is TokenKind.LEFT_CURLY
    if kind is TokenKind.LEFT_CURLY or labelled:
        cursor.fail("cannot use a block as an expression", "an object has no name: { key = value }", name)


def _open(cursor: Cursor) -> None:
    cursor.advance()
    cursor.open_brackets += 1


def _close(cursor: Cursor, kind: TokenKind, message: str) -> Span:
    if cursor.kind is TokenKind.TERMINATOR and cursor.following().kind is kind:
        cursor.fail(f"{message}, got the end of the line", f"put {kind.value} on the line of what it closes")
    close = cursor.expect(kind, message)
    cursor.open_brackets -= 1
    return close.span


def _list(cursor: Cursor, close: TokenKind, read: Callable[[Cursor], T], around: _List, what: str) -> tuple[T, ...]:
    """Items up to the closing token, which stays; comments and layout go to ``around``."""
    items: list[T] = []
    line = cursor.line_of(cursor.previous.span.end)
    while cursor.kind is not close:
        comments = cursor.take_comments()
        around.multiline |= cursor.line_of(cursor.token.span.start) != line
        item = read(cursor)
        line = cursor.line_of(item.span.end)
        behind, trailing = cursor.take_comments(), None
        if cursor.kind is TokenKind.COMMA:
            cursor.advance()
            comments += behind
            trailing = cursor.take_trailing(cursor.line_of(cursor.previous.span.end))
        elif cursor.kind is close:
            comments += [comment for comment in behind if comment.span.start < item.span.end]
            around.dangling = _comments([comment for comment in behind if comment.span.start >= item.span.end])
        else:
            _missing_comma(cursor, close, what)
        if comments or trailing:
            hung = Comments(_comments(comments), Comment(trailing.text) if trailing else None)
            item = replace(item, comments=hung)
            around.multiline = True
        items.append(item)
    around.dangling += _comments(cursor.take_comments())
    around.multiline |= bool(around.dangling)
    return tuple(items)


def _missing_comma(cursor: Cursor, close: TokenKind, what: str) -> NoReturn:
    if cursor.kind is TokenKind.TERMINATOR:
        behind = Span(cursor.previous.span.end, cursor.previous.span.end + 1)
        following = cursor.following().kind
        if following is TokenKind.EOF:
            cursor.fail(f"expected {close.value}, got the end of the file", span=behind)
        help_ = f"the last item needs a comma when {close.value} is on a line of its own" if following is close else ""
        cursor.fail(f"missing ',' in {what}", help_, behind)
    cursor.fail(f"missing ',' in {what}, got {cursor.kind.value}")


def _comments(tokens: list[CommentToken]) -> tuple[Comment, ...]:
    return tuple(Comment(token.text) for token in tokens)


def _item(cursor: Cursor) -> Item:
    value = _binary(cursor, 1)
    return Item(value, span=value.span)


def _field(cursor: Cursor) -> Field:
    name = cursor.token
    if name.kind not in (TokenKind.STRING, TokenKind.IDENT):
        cursor.fail(f"expected field name (string or identifier), got {name.kind.value}")
    cursor.advance()
    cursor.expect(TokenKind.ASSIGN, 'expected "=" behind the field name')
    value = _binary(cursor, 1)
    return Field(name.text.replace("\r", ""), value, name_span=name.span, span=name.span.to(value.span))
