"""Syntax trees as the parser would make them, for hypothesis."""

from dataclasses import replace

from hypothesis import strategies as st

from alloytrio.config.alloy.literals import quote
from alloytrio.config.alloy.tokens import BINARY, OPERATORS
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
    Statement,
    Unary,
)

KEYWORDS = ("true", "false", "null")
BINARY_SPELLINGS = [spelling for spelling, kind in OPERATORS.items() if kind in BINARY]

identifiers = st.from_regex(r"[a-zA-Zäß_][a-zA-Z0-9é_]{0,8}", fullmatch=True).filter(lambda name: name not in KEYWORDS)
string_values = st.text(st.characters(codec="utf-8"), max_size=12) | st.binary(max_size=8).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
raw_strings = st.text(st.characters(codec="utf-8", exclude_characters="`\r\0\ufeff"), max_size=12)
literals = st.one_of(
    string_values.map(lambda value: Literal("string", quote(value))),
    raw_strings.map(lambda text: Literal("string", f"`{text}`")),
    st.integers(0, 2**70).map(lambda number: Literal("number", str(number))),
    st.from_regex(r"[0-9]{1,3}\.[0-9]{0,3}([eE][+-]?[0-9]{1,2})?", fullmatch=True).map(lambda t: Literal("float", t)),
    st.sampled_from([Literal("bool", "true"), Literal("bool", "false"), Literal("null", "null")]),
)
_comment_text = st.text(
    st.characters(codec="utf-8", exclude_characters="*/\ufeff", exclude_categories=["Cc"]), max_size=8
)
comments = st.one_of(
    _comment_text.map(lambda text: Comment(f"// {text}".rstrip())),
    st.lists(_comment_text, min_size=1, max_size=2).map(lambda lines: Comment("/*" + "\n".join(lines) + "*/")),
)
hung_comments = st.builds(Comments, st.lists(comments, max_size=2).map(tuple), st.none() | comments)
field_names = identifiers | string_values.filter(bool).map(quote)


def _listed(array: Array | Object | Call) -> Array | Object | Call:
    """The layout that follows from the comments inside brackets."""
    entries = (
        array.items if isinstance(array, Array) else array.fields if isinstance(array, Object) else array.arguments
    )
    hung = any(entry.comments != Comments() for entry in entries)
    return replace(array, multiline=bool(hung or array.dangling or (array.multiline and entries)))


def _precedence(expression: Expression) -> int:
    return BINARY[OPERATORS[expression.operator]] if isinstance(expression, Binary) else 9


def _wrap(expression: Expression, minimum: int) -> Expression:
    return expression if _precedence(expression) >= minimum else Paren(expression)


def _binary(operator: str, left: Expression, right: Expression) -> Expression:
    precedence = BINARY[OPERATORS[operator]]
    power = operator == "^"
    return Binary(operator, _wrap(left, precedence + power), _wrap(right, precedence + (not power)))


def _postfix(value: Expression) -> Expression:
    """A value that ``.``, ``[`` and ``(`` can follow as its own."""
    number = isinstance(value, Literal) and value.kind in ("number", "float")
    return Paren(value) if number or isinstance(value, (Binary, Unary)) else value


def _containers(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    items = st.lists(st.builds(Item, inner, hung_comments), max_size=3).map(tuple)
    fields = st.lists(st.builds(Field, field_names, inner, hung_comments), max_size=3).map(tuple)
    dangling = st.lists(comments, max_size=1).map(tuple)
    return st.one_of(
        st.builds(Array, items, st.booleans(), dangling).map(_listed),
        st.builds(Object, fields, st.booleans(), dangling).map(_listed),
        st.builds(Call, inner.map(_postfix), items, st.booleans(), dangling).map(_listed),
        st.builds(Access, inner.map(_postfix), identifiers),
        st.builds(Index, inner.map(_postfix), inner),
        st.builds(lambda op, value: Unary(op, _wrap(value, 9)), st.sampled_from(["!", "-"]), inner),
        st.builds(_binary, st.sampled_from(BINARY_SPELLINGS), inner, inner),
        st.builds(Paren, inner),
    )


expressions = st.recursive(literals | st.builds(Name, identifiers), _containers, max_leaves=8)
attributes = st.builds(Attribute, identifiers, expressions, hung_comments, st.booleans())


def _blocks(bodies: st.SearchStrategy[Body]) -> st.SearchStrategy[Block]:
    names = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
    return st.builds(
        Block, names, st.just("") | identifiers, bodies, hung_comments, st.none() | comments, st.booleans()
    )


def _body(statements: list[Statement], dangling: list[Comment]) -> Body:
    """A body whose blank lines are where the printer puts them."""
    laid_out: list[Statement] = []
    for statement in statements:
        blank = bool(laid_out) and (
            isinstance(laid_out[-1], Block) or isinstance(statement, Block) or statement.blank_before
        )
        leading = statement.comments.leading
        if leading:
            leading = (replace(leading[0], blank_before=blank), *leading[1:])
            blank = statement.blank_before
        hung = replace(statement.comments, leading=leading)
        laid_out.append(replace(statement, comments=hung, blank_before=blank))
    return Body(tuple(laid_out), tuple(dangling))


def _bodies(statements: st.SearchStrategy[Statement]) -> st.SearchStrategy[Body]:
    return st.builds(_body, st.lists(statements, max_size=3), st.lists(comments, max_size=1))


bodies = _bodies(
    st.recursive(attributes, lambda inner: inner | _blocks(_bodies(inner)), max_leaves=5),
)
