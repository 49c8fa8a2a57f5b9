"""The syntax tree. Spans are no part of what a node is: two trees from different layouts are equal.

Comments are part of it: each hangs on the statement or list item that it stands before, behind or, in an empty place,
at the end of. Layout that a reader chose (a blank line, one item per line) is kept too.
Source: Alloy ``syntax/ast``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal as OneOf
from typing import TypeAlias

from alloytrio.config.alloy.source import Span

NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment with its markers, and whether a blank line stands before it."""

    text: str
    blank_before: bool = False


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of a statement or list item: lines above it, and one behind it on its last line."""

    leading: tuple[Comment, ...] = ()
    trailing: Comment | None = None


NO_COMMENTS = Comments()


@dataclass(frozen=True, slots=True)
class Name:
    """A bare identifier: a component, a part of its name, or a function."""

    name: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as it is spelt, quotes included; carriage returns of a raw string are left out."""

    kind: OneOf["string", "number", "float", "bool", "null"]
    raw: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Item:
    """An element of an array, or an argument of a call."""

    value: "Expression"
    comments: Comments = NO_COMMENTS
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Array:
    """``[a, b]``; ``multiline`` puts each item on its own line, ``dangling`` are comments before the bracket."""

    items: tuple[Item, ...]
    multiline: bool = False
    dangling: tuple[Comment, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Field:
    """``key = value`` of an object; ``raw`` is the key as spelt, with quotes if it has them."""

    raw: str
    value: "Expression"
    comments: Comments = NO_COMMENTS
    name_span: Span = field(default=NOWHERE, compare=False)
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def name(self) -> str:
        """The key. A quoted one is not unescaped, and an empty one keeps its quotes, as in Alloy."""
        quoted = self.raw[0] in '"`' and len(self.raw) > 2
        return self.raw[1:-1] if quoted else self.raw


@dataclass(frozen=True, slots=True)
class Object:
    """``{ a = 1, b = 2 }``."""

    fields: tuple[Field, ...]
    multiline: bool = False
    dangling: tuple[Comment, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Access:
    """``value.name``."""

    value: "Expression"
    name: str
    name_span: Span = field(default=NOWHERE, compare=False)
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """``value[index]``."""

    value: "Expression"
    index: "Expression"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """``function(a, b)``."""

    function: "Expression"
    arguments: tuple[Item, ...]
    multiline: bool = False
    dangling: tuple[Comment, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """``!value`` or ``-value``."""

    operator: str
    value: "Expression"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """``left operator right``."""

    operator: str
    left: "Expression"
    right: "Expression"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Paren:
    """``(value)``; kept, so that printing needs to add none."""

    value: "Expression"
    span: Span = field(default=NOWHERE, compare=False)


Expression: TypeAlias = Name | Literal | Array | Object | Access | Index | Call | Unary | Binary | Paren


@dataclass(frozen=True, slots=True)
class Attribute:
    """``name = value``."""

    name: str
    value: Expression
    comments: Comments = NO_COMMENTS
    blank_before: bool = False
    name_span: Span = field(default=NOWHERE, compare=False)
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Body:
    """Statements in order; ``dangling`` are the comments behind the last one."""

    statements: tuple["Statement", ...] = ()
    dangling: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """``name "label" { body }``; ``opening`` is a comment behind the brace. No label is ""."""

    name: str
    label: str
    body: Body
    comments: Comments = NO_COMMENTS
    opening: Comment | None = None
    blank_before: bool = False
    name_span: Span = field(default=NOWHERE, compare=False)
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def id(self) -> str:
        """What references call it: ``loki.write.default``; without a label the bare name."""
        return f"{self.name}.{self.label}" if self.label else self.name


Statement: TypeAlias = Attribute | Block


def children(expression: Expression) -> Iterator[Expression]:
    """The expressions directly inside another, left to right."""
    match expression:
        case Array(items=items):
            yield from (item.value for item in items)
        case Object(fields=fields):
            yield from (field.value for field in fields)
        case Access(value=value) | Unary(value=value) | Paren(value=value):
            yield value
        case Index(value=value, index=index):
            yield from (value, index)
        case Call(function=function, arguments=arguments):
            yield function
            yield from (argument.value for argument in arguments)
        case Binary(left=left, right=right):
            yield from (left, right)
        case _:
            return
