"""Expressions → values.

The environment is handed in. Without it (when a file is converted, for another machine) texts that refer to it can
be joined and passed on, but not looked into.
Source: Alloy ``syntax/vm/vm.go``; references as ``internal/runtime/internal/controller/component_references.go``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alloytrio.config.alloy.diagnostics import nearest
from alloytrio.config.alloy.literals import parse_number, unquote
from alloytrio.config.alloy.operators import apply_binary, apply_unary, is_number
from alloytrio.config.alloy.source import Span
from alloytrio.config.alloy.stdlib import OLD_NAMES, STANDARD_LIBRARY
from alloytrio.config.alloy.tree import (
    Access,
    Array,
    Binary,
    Call,
    Expression,
    Index,
    Literal,
    Name,
    Object,
    Paren,
    Unary,
)
from alloytrio.config.alloy.values import (
    EvaluationError,
    FileContent,
    Function,
    Reference,
    Scope,
    Template,
    Value,
    Variable,
    type_name,
)

KNOWN_AFTER_START = "this value exists only while the component runs, so it can be passed on, but not computed with"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an evaluation may know.

    Args:
        environment: variables by name; None if the values must not be looked at.
        constants: values of ``constants.…``.
    """

    environment: Mapping[str, str] | None = None
    constants: Mapping[str, "str | Template"] = field(default_factory=dict)


class Evaluator:
    """Evaluates the expressions of one file.

    Args:
        scope: exports of the components that can be referred to.
        surroundings: what may be known.
    """

    def __init__(self, scope: Scope, surroundings: Surroundings) -> None:
        self.old_names: list[tuple[Span, str, str]] = []  # where an old name stood, the name, its successor
        self.surroundings = surroundings
        self._scope = scope
        self._functions: dict[str, Value] = {**STANDARD_LIBRARY, "constants": dict(surroundings.constants)}

    def evaluate(self, expression: Expression) -> Value:
        """The value of an expression.

        Raises:
            EvaluationError: it has none; the error has a span.
        """
        try:
            return self._evaluate(expression)
        except EvaluationError as error:
            error.span = error.span or expression.span
            raise

    def text(self, value: str | Template) -> str:
        """A text with the environment put in.

        Raises:
            EvaluationError: the environment must not be looked at, or a file would have to be read.
        """
        if isinstance(value, str):
            return value
        return "".join(part if isinstance(part, str) else self._known(part) for part in value.parts)

    def _known(self, part: Variable | FileContent) -> str:
        if isinstance(part, FileContent):
            raise EvaluationError("the content of a file can be passed on and joined, but not computed with")
        if self.surroundings.environment is None:
            raise EvaluationError(
                f"this would fix the present value of the environment variable {part.name}",
                'only "+", coalesce, string.join and string.format can pass an environment variable on',
            )
        return self.surroundings.environment.get(part.name, "") or part.default or ""

    def _evaluate(self, expression: Expression) -> Value:
        match expression:
            case Name() | Access():
                return self._name_or_field(expression)
            case Literal():
                return _literal(expression)
            case Array(items=items):
                return [self.evaluate(item.value) for item in items]
            case Object(fields=fields):
                return {each.name: self.evaluate(each.value) for each in fields}
            case Index(value=value, index=index):
                return self._element(self.evaluate(value), self.evaluate(index), index.span)
            case Call(function=function, arguments=arguments):
                return self._call(self.evaluate(function), [self.evaluate(argument.value) for argument in arguments])
            case Unary(operator=operator, value=value):
                return apply_unary(operator, self.evaluate(value))
            case Binary():
                return self._binary(expression)
            case Paren(value=value):
                return self.evaluate(value)

    def _binary(self, expression: Binary) -> Value:
        left, right = self.evaluate(expression.left), self.evaluate(expression.right)
        if expression.operator != "+":
            left = self.text(left) if isinstance(left, Template) else left
            right = self.text(right) if isinstance(right, Template) else right
        for side, value in ((expression.left, left), (expression.right, right)):
            if isinstance(value, Reference):
                raise EvaluationError(KNOWN_AFTER_START, span=side.span)
        return apply_binary(expression.operator, left, right)

    def _name_or_field(self, expression: Name | Access) -> Value:
        names: list[tuple[str, Span]] = []
        at: Expression = expression
        while isinstance(at, Access):
            names.append((at.name, at.name_span))
            at = at.value
        if not isinstance(at, Name):
            value = self.evaluate(at)
            for name, span in reversed(names):
                value = _field(value, name, span)
            return value
        names.append((at.name, at.span))
        names.reverse()
        return self._reference(names)

    def _reference(self, names: list[tuple[str, Span]]) -> Value:
        """The longest-known meaning: a component by the shortest prefix that names one, then the standard library."""
        for length in range(1, len(names) + 1):
            component_id = ".".join(name for name, _ in names[:length])
            if (exports := self._scope.get(component_id)) is not None:
                return _fields(exports, names[length:], component_id)
        first, span = names[0]
        if first in OLD_NAMES:
            self.old_names.append((span, first, OLD_NAMES[first]))
            names = [*((part, span) for part in OLD_NAMES[first].split(".")), *names[1:]]
            first = names[0][0]
        if first in self._functions:
            return _fields(self._functions[first], names[1:], first)
        whole = ".".join(name for name, _ in names)
        known = [*self._scope, *self._functions, *OLD_NAMES]
        meant = nearest(".".join(name for name, _ in names[:-1]) or whole, known)
        message = f'component "{whole}" does not exist or is out of scope'
        raise EvaluationError(message, meant, Span(span.start, names[-1][1].end))

    def _call(self, function: Value, arguments: Sequence[Value]) -> Value:
        if not isinstance(function, Function):
            raise EvaluationError(f"only a function can be called, this is of type {type_name(function)}")
        return function.call(self, arguments)

    def _element(self, value: Value, index: Value, span: Span) -> Value:
        if isinstance(value, list):
            if not is_number(index):
                raise EvaluationError(f"the index of an array is a number, not {type_name(index)}", span=span)
            if index != int(index) or not 0 <= index < len(value):
                raise EvaluationError(f"the index is outside the array of {len(value)} elements", span=span)
            return value[int(index)]
        if isinstance(value, dict):
            if not isinstance(index, (str, Template)):
                raise EvaluationError(f"the index of an object is a string, not {type_name(index)}", span=span)
            return value.get(self.text(index))
        if isinstance(value, Reference):
            raise EvaluationError(KNOWN_AFTER_START)
        raise EvaluationError(f"only arrays and objects have elements, this is of type {type_name(value)}")


def _literal(literal: Literal) -> Value:
    match literal.kind:
        case "string":
            return unquote(literal.raw)
        case "number":
            return parse_number(literal.raw)
        case "float":
            return float(literal.raw)
        case "bool":
            return literal.raw == "true"
        case "null":
            return None


def _fields(value: Value, names: Sequence[tuple[str, Span]], owner: str) -> Value:
    for name, span in names:
        value = _field(value, name, span, owner)
        owner = f"{owner}.{name}"
    return value


def _field(value: Value, name: str, span: Span, owner: str = "") -> Value:
    if isinstance(value, Reference):
        raise EvaluationError(KNOWN_AFTER_START, span=span)
    if not isinstance(value, dict):
        raise EvaluationError(f"only objects have fields, this is of type {type_name(value)}", span=span)
    if name not in value:
        where = f" in {owner}" if owner else ""
        help_ = nearest(name, value) or (
            f"there {'are' if len(value) > 1 else 'is'} {', '.join(value)}" if value else ""
        )
        raise EvaluationError(f'field "{name}" does not exist{where}', help_, span)
    return value[name]
