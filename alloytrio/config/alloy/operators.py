"""What operators do to values. Source: Alloy ``syntax/vm/op_binary.go``, ``op_unary.go``.

Integers are 64 bits wide and wrap; a number beyond the signed range is an unsigned one, as its literal is.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, TypeGuard

from alloytrio.config.alloy.literals import INT64_MAX, UINT64_MAX, to_bytes
from alloytrio.config.alloy.values import EvaluationError, Function, Template, Value, join, type_name

Number = int | float

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def apply_unary(sign: str, value: Value) -> Value:
    """``!value`` or ``-value``.

    Raises:
        EvaluationError: the value has another type.
    """
    if sign == "!" and isinstance(value, bool):
        return not value
    if sign == "-" and is_number(value):
        return -value if isinstance(value, float) else wrap(-value)
    raise EvaluationError(f'"{sign}" expects a {"bool" if sign == "!" else "number"}, got {type_name(value)}')


def apply_binary(sign: str, left: Value, right: Value) -> Value:
    """``left sign right``, both evaluated: ``&&`` and ``||`` are no exception.

    Raises:
        EvaluationError: types that do not go together, or a division by zero.
    """
    match sign:
        case "||" | "&&":
            if not isinstance(left, bool) or not isinstance(right, bool):
                wrong = right if isinstance(left, bool) else left
                raise EvaluationError(f'"{sign}" expects bool on both sides, got {type_name(wrong)}')
            return (left or right) if sign == "||" else (left and right)
        case "==":
            return are_equal(left, right)
        case "!=":
            return not are_equal(left, right)
        case "<" | "<=" | ">" | ">=":
            return _compare(sign, left, right)
        case "+" if isinstance(left, (str, Template)) and isinstance(right, (str, Template)):
            return join([left, right])
    if not is_number(left) or not is_number(right):
        names = f"{type_name(left)} and {type_name(right)}"
        kinds = "two numbers or two strings" if sign == "+" else "two numbers"
        raise EvaluationError(f'"{sign}" expects {kinds}, got {names}')
    return _arithmetic(sign, left, right)


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether a value is a number; bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def wrap(value: int, *, unsigned: bool = False) -> int:
    """An integer cut to 64 bits."""
    value &= UINT64_MAX
    return value if unsigned or value <= INT64_MAX else value - UINT64_MAX - 1


def are_equal(left: Value, right: Value) -> bool:
    """Equality: never an error. Values of different types differ, functions differ from everything."""
    if isinstance(left, Function) or isinstance(right, Function):
        return False
    if type_name(left) != type_name(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(are_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(are_equal(left[key], right[key]) for key in left)
    return left == right


def _compare(sign: str, left: Value, right: Value) -> bool:
    if is_number(left) and is_number(right):
        return _COMPARISONS[sign](left, right)
    if isinstance(left, str) and isinstance(right, str):
        return _COMPARISONS[sign](to_bytes(left), to_bytes(right))
    names = f"{type_name(left)} and {type_name(right)}"
    raise EvaluationError(f'"{sign}" expects two numbers or two strings, got {names}')


def _arithmetic(sign: str, left: Number, right: Number) -> Number:
    if sign in "/%" and right == 0:
        raise EvaluationError("division by zero")
    if isinstance(left, float) or isinstance(right, float):
        return _float_arithmetic(sign, float(left), float(right))
    unsigned = left > INT64_MAX and right > INT64_MAX
    match sign:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            quotient = abs(left) // abs(right)  # Go cuts towards zero
            result = quotient if (left < 0) == (right < 0) else -quotient
        case "%":
            result = abs(left) % abs(right) * (-1 if left < 0 else 1)  # Go's rest has the sign of the dividend
        case _:
            return _integer_power(left, right, unsigned)
    return wrap(result, unsigned=unsigned)


def _integer_power(base: int, exponent: int, unsigned: bool) -> int:
    if exponent < 0:
        raise EvaluationError("a negative power of an integer", "write the base as a float, such as 2.0 ^ -1")
    return wrap(pow(base, exponent, UINT64_MAX + 1), unsigned=unsigned)


def _float_arithmetic(sign: str, left: float, right: float) -> float:
    try:
        match sign:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "%":
                return math.fmod(left, right)
            case _:
                return math.pow(left, right)
    except (ValueError, OverflowError):
        raise EvaluationError("the result is no finite number") from None
