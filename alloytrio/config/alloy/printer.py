"""Syntax tree → text in the canonical form: ``print_body(parse(text).body)``.

Tabs indent; the ``=`` of neighbouring attributes stand in one column; blocks are set apart by blank lines. Parsing
what was printed gives the same tree. Source: the form that Alloy's ``fmt`` gives (``syntax/printer``).
"""

from collections.abc import Iterable, Iterator, Sequence

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
    children,
)

INDENT = "\t"


def print_body(body: Body) -> str:
    """The statements as canonical text; ends with a line break unless there is nothing."""
    return "".join(f"{line}\n" for line in _body(body, ""))


def print_expression(expression: Expression, indent: str = "") -> str:
    """An expression; the lines behind its first begin with ``indent``."""
    match expression:
        case Name(name=name):
            return name
        case Literal(raw=raw):
            return raw
        case Array(items=items, multiline=multiline, dangling=dangling):
            return f"[{_items(items, multiline, dangling, indent)}]"
        case Object(multiline=True, fields=fields, dangling=dangling):
            return "{\n" + "".join(_fields(fields, dangling, indent + INDENT)) + indent + "}"
        case Object(fields=fields):
            inner = ", ".join(f"{field.raw} = {print_expression(field.value, indent)}" for field in fields)
            return f"{{ {inner} }}" if inner else "{}"
        case Access(value=value, name=name):
            return f"{print_expression(value, indent)}.{name}"
        case Index(value=value, index=index):
            return f"{print_expression(value, indent)}[{print_expression(index, indent)}]"
        case Call(function=function, arguments=arguments, multiline=multiline, dangling=dangling):
            return f"{print_expression(function, indent)}({_items(arguments, multiline, dangling, indent)})"
        case Unary(operator=operator, value=value):
            return operator + print_expression(value, indent)
        case Binary(operator=operator, left=left, right=right):
            return f"{print_expression(left, indent)} {operator} {print_expression(right, indent)}"
        case Paren(value=value):
            return f"({print_expression(value, indent)})"


def _body(body: Body, indent: str) -> Iterator[str]:
    widths = _widths(body.statements)
    for statement, width in zip(body.statements, widths, strict=True):
        yield from _comment_lines(statement.comments.leading, indent)
        if statement.blank_before:
            yield ""
        match statement:
            case Attribute():
                yield from _attribute(statement, width, indent)
            case Block():
                yield from _block(statement, indent)
    yield from _comment_lines(body.dangling, indent)


def _attribute(attribute: Attribute, width: int, indent: str) -> Iterator[str]:
    value = print_expression(attribute.value, indent)
    yield f"{indent}{attribute.name:{width}} = {value}{_trailing(attribute.comments)}"


def _block(block: Block, indent: str) -> Iterator[str]:
    head = f'{indent}{block.name} "{block.label}" {{' if block.label else f"{indent}{block.name} {{"
    trailing = _trailing(block.comments)
    if block.opening is None and not block.body.statements and not block.body.dangling:
        yield f"{head} }}{trailing}"
        return
    yield f"{head} {block.opening.text}" if block.opening else head
    yield from _body(block.body, indent + INDENT)
    yield f"{indent}}}{trailing}"


def _comment_lines(comments: Iterable[Comment], indent: str) -> Iterator[str]:
    for comment in comments:
        if comment.blank_before:
            yield ""
        yield indent + comment.text


def _trailing(comments: Comments) -> str:
    return f" {comments.trailing.text}" if comments.trailing else ""


def _items(items: Sequence[Item], multiline: bool, dangling: Sequence[Comment], indent: str) -> str:
    if not multiline:
        return ", ".join(print_expression(item.value, indent) for item in items)
    inner = indent + INDENT
    lines: list[str] = []
    for item in items:
        lines += _comment_lines(item.comments.leading, inner)
        lines.append(f"{inner}{print_expression(item.value, inner)},{_trailing(item.comments)}")
    lines += _comment_lines(dangling, inner)
    return "\n" + "".join(f"{line}\n" for line in lines) + indent


def _fields(fields: Sequence[Field], dangling: Sequence[Comment], indent: str) -> Iterator[str]:
    for field, width in zip(fields, _widths(fields), strict=True):
        yield from (f"{line}\n" for line in _comment_lines(field.comments.leading, indent))
        value = print_expression(field.value, indent)
        yield f"{indent}{field.raw:{width}} = {value},{_trailing(field.comments)}\n"
    yield from (f"{line}\n" for line in _comment_lines(dangling, indent))


def _widths(neighbours: Sequence[Statement] | Sequence[Field]) -> list[int]:
    """For each entry the width of the names in its run of attributes or fields; of blocks it is without meaning."""
    widths: list[int] = []
    first = 0
    for index, entry in enumerate(neighbours):
        if index + 1 == len(neighbours) or not _joined(entry, neighbours[index + 1]):
            run = neighbours[first : index + 1]
            widths += [max(len(_key(each)) for each in run)] * len(run)
            first = index + 1
    return widths


def _key(entry: Statement | Field) -> str:
    return entry.raw if isinstance(entry, Field) else entry.name


def _joined(above: Statement | Field, below: Statement | Field) -> bool:
    """Whether two entries stand on successive lines, so that their ``=`` line up."""
    if isinstance(above, Block) or isinstance(below, Block):
        return False
    apart = isinstance(below, Attribute) and below.blank_before
    return not apart and not below.comments.leading and not _is_spread(above.value)


def _is_spread(expression: Expression) -> bool:
    """Whether an expression takes several lines."""
    pending = [expression]
    while pending:
        match pending.pop():
            case Literal(raw=raw) if "\n" in raw:
                return True
            case Array(multiline=True) | Object(multiline=True) | Call(multiline=True):
                return True
            case other:
                pending.extend(children(other))
    return False
