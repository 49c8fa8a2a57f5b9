"""Expressions and their values; errors with their place."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.config.alloy.evaluator import KNOWN_AFTER_START, Evaluator, Surroundings
from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.tree import Attribute, Expression
from alloytrio.config.alloy.values import EvaluationError, FileContent, Reference, Template, Value, Variable
from tests.config.alloy.strategies import expressions

ENVIRONMENT = {"HOST": "loki", "EMPTY": "", "JSON": '{"a": [1, {"b": null}]}'}
SCOPE: dict[str, dict[str, Value]] = {
    "loki.write.default": {"receiver": Reference("loki.write.default", "receiver")},
    "discovery.docker.a": {"targets": Reference("discovery.docker.a", "targets")},
    "local.file.key": {"content": Template((FileContent("/run/key"),))},
}


def parsed(text: str) -> Expression:
    """The value of ``x = TEXT``."""
    [statement] = parse(f"x = {text}").body.statements
    assert isinstance(statement, Attribute)
    return statement.value


def evaluate(text: str, environment: dict[str, str] | None = ENVIRONMENT) -> Value:
    """The value of an expression."""
    return Evaluator(SCOPE, Surroundings(environment, {"hostname": "box"})).evaluate(parsed(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ("010", 8),
        ("1.5", 1.5),
        ('"a\\tb"', "a\tb"),
        ("[1, [2], {a = 3}]", [1, [2], {"a": 3}]),
        ('{ "a b" = 1, c = 2, c = 3 }', {"a b": 1, "c": 3}),
        ("!true", False),
        ("-3", -3),
        ("-2 ^ 2", 4),
        ("2 ^ 3 ^ 2", 512),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("7 % 3", 1),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("7.0 / 2", 3.5),
        ("-7.5 % 2", -1.5),
        ("2.0 ^ -1", 0.5),
        ("1 + 1.5", 2.5),
        ("9223372036854775807 + 1", -(2**63)),
        ("18446744073709551615 + 1", 0),
        ("18446744073709551615 - 9223372036854775808", 2**63 - 1),
        ('"a" + "b"', "ab"),
        (r'"\xc3" + "\xa9"', "é"),
        ("3 == 3.0", True),
        ('3 == "3"', False),
        ("true == 1", False),
        ("null == null", True),
        ("[1, {a = 2}] == [1.0, {a = 2}]", True),
        ("[true] == [1]", False),
        ("{a = 1} != {b = 1}", True),
        ("coalesce == coalesce", False),
        ("1 < 2", True),
        ("2 <= 1.5", False),
        ('"Z" < "a"', True),
        ('"é" > "z"', True),
        (r'"\uffff" < "\U00010000"', True),
        ("true || false && false", True),
        ("true && !false", True),
        ("[1, 2][1]", 2),
        ("[1, 2][1.0]", 2),
        ('{a = 1}["a"]', 1),
        ('{a = 1}["b"]', None),
        ("{a = {b = 1}}.a.b", 1),
        ("(string).to_upper(`x`)", "X"),
        ("constants.hostname", "box"),
    ],
)
def test_values(text: str, value: Value) -> None:
    """Literals, operators, elements and fields."""
    result = evaluate(text)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("!1", "!1", '"!" expects a bool, got number'),
        ('-"a"', '-"a"', '"-" expects a number, got string'),
        ("1 + true", "1 + true", '"+" expects two numbers or two strings, got number and bool'),
        ('"a" + 1', '"a" + 1', '"+" expects two numbers or two strings, got string and number'),
        ('"a" - "b"', '"a" - "b"', '"-" expects two numbers, got string and string'),
        ("1 < `a`", "1 < `a`", '"<" expects two numbers or two strings, got number and string'),
        ("1 || true", "1 || true", '"||" expects bool on both sides, got number'),
        ("false && 1", "false && 1", '"&&" expects bool on both sides, got number'),
        ("2 + 1 / 0", "1 / 0", "division by zero"),
        ("1 % 0.0", "1 % 0.0", "division by zero"),
        ("2 ^ -1", "2 ^ -1", "a negative power of an integer"),
        ("10.0 ^ 400", "10.0 ^ 400", "the result is no finite number"),
        ("[1][1]", "1", "the index is outside the array of 1 elements"),
        ("[1][-1]", "-1", "the index is outside the array of 1 elements"),
        ("[1][0.5]", "0.5", "the index is outside the array of 1 elements"),
        ("[1][`a`]", "`a`", "the index of an array is a number, not string"),
        ("{}[1]", "1", "the index of an object is a string, not number"),
        ("`a`[0]", "`a`[0]", "only arrays and objects have elements, this is of type string"),
        ("{a = 1}.b", "b", 'field "b" does not exist'),
        ("{a = 1}.a.b", "b", "only objects have fields, this is of type number"),
        ("`a`()", "`a`()", "only a function can be called, this is of type string"),
        ("[nope]", "nope", 'component "nope" does not exist or is out of scope'),
        ("loki.write.defalt.receiver", "loki.write.defalt.receiver", 'component "loki.write.defalt.receiver" does'),
        ("loki.write.default.receivr", "receivr", 'field "receivr" does not exist in loki.write.default'),
        ("string.upper(`a`)", "upper", 'field "upper" does not exist in string'),
        ("loki.write.default.receiver + `a`", "loki.write.default.receiver", KNOWN_AFTER_START),
        ("discovery.docker.a.targets[0]", "discovery.docker.a.targets[0]", KNOWN_AFTER_START),
        ("discovery.docker.a.targets.x", "x", KNOWN_AFTER_START),
    ],
)
def test_errors(text: str, marked: str, message: str) -> None:
    """What has no value is marked, the smallest part of the expression that is wrong."""
    with pytest.raises(EvaluationError) as caught:
        evaluate(text)
    span = caught.value.span
    assert span is not None
    assert f"x = {text}"[span.start : span.end] == marked
    assert caught.value.message.startswith(message)


def test_errors_name_what_is_near() -> None:
    """A misspelt component, export or function comes with the nearest known name."""
    for text, near in [
        ("loki.write.defalt.receiver", "loki.write.default"),
        ("loki.write.default.receivr", "receiver"),
        ("string.upper(`a`)", "to_upper"),
        ("sting.join([], ``)", "string"),
    ]:
        with pytest.raises(EvaluationError) as caught:
            evaluate(text)
        assert caught.value.help == f'did you mean "{near}"?'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('sys.env("HOST")', "${env:HOST}"),
        ('"http://" + sys.env("HOST") + ":3100"', "http://${env:HOST}:3100"),
        ('coalesce(sys.env("HOST"), "tempo:4317")', "${env:HOST:-tempo:4317}"),
        ('coalesce("", sys.env("HOST"))', "${env:HOST}"),
        ('coalesce("x" + sys.env("HOST"), "y")', "x${env:HOST}"),
        ('string.join(["a", sys.env("A"), sys.env("B")], ",")', "a,${env:A},${env:B}"),
        ('string.format("%s:%v/%d", sys.env("A"), sys.env("B"), 7)', "${env:A}:${env:B}/7"),
        ("local.file.key.content", "${file:/run/key}"),
        ('"${env:A} $1 ${1} $${env:B}" + sys.env("A")', "$${env:A} $1 ${1} $$${env:B}${env:A}"),
    ],
)
def test_environment_is_passed_on(text: str, written: str) -> None:
    """Joining needs no value: the text refers to the environment; what only looks like a reference is escaped."""
    value = evaluate(text, None)
    assert isinstance(value, Template)
    assert value.written(unset_is_empty=False) == written


def test_unset_variables_are_empty_on_demand() -> None:
    """A file that is run as it is gets Alloy's meaning of an unset variable."""
    value = Template((Variable("A"), "-", Variable("B", "c")))
    assert value.written(unset_is_empty=True) == "${env:A:-}-${env:B:-c}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('sys.env("HOST") == "loki"', True),
        ('string.to_upper(sys.env("HOST") + "!")', "LOKI!"),
        ('encoding.from_json(sys.env("JSON"))', {"a": [1.0, {"b": None}]}),
        ('coalesce(sys.env("EMPTY"), 5)', 5),
        ('coalesce(sys.env("MISSING"), sys.env("HOST"), "x}")', Template((Variable("HOST"),))),
        ('{loki = 1}[sys.env("HOST")]', 1),
        ('string.format("%-6s|%q", sys.env("HOST"), sys.env("HOST"))', 'loki  |"loki"'),
    ],
)
def test_environment_is_looked_at(text: str, value: Value) -> None:
    """Where a value is needed it is read if it may be; otherwise the error names the variable."""
    assert evaluate(text) == value
    with pytest.raises(EvaluationError, match="environment variable"):
        evaluate(text, None)


def test_files_are_not_read() -> None:
    """The content of a file is never looked at here."""
    with pytest.raises(EvaluationError, match="content of a file"):
        evaluate("local.file.key.content == `x`")


def test_old_names() -> None:
    """A name without its namespace works, and is remembered with its place."""
    evaluator = Evaluator({}, Surroundings(ENVIRONMENT))
    assert evaluator.evaluate(parsed('to_upper(env("HOST") + "")')) == "LOKI"
    assert [(old, new) for _, old, new in evaluator.old_names] == [
        ("to_upper", "string.to_upper"),
        ("env", "sys.env"),
    ]


def test_components_come_before_the_standard_library() -> None:
    """A component may have the name of a namespace."""
    evaluator = Evaluator({"string": {"x": 1}}, Surroundings())
    assert evaluator.evaluate(parsed("string.x")) == 1


@given(expressions)
def test_any_expression(expression: Expression) -> None:
    """Every expression has a value, or an error with a place."""
    try:
        Evaluator(SCOPE, Surroundings(ENVIRONMENT)).evaluate(expression)
    except EvaluationError as error:
        place = error.span
    else:
        return
    assert place is not None


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1).filter(bool))
def test_division_and_rest_belong_together(dividend: int, divisor: int) -> None:
    """``(a / b) * b + a % b == a``, the rest has the sign of the dividend."""
    a, b = f"(0 + {dividend})".replace("+ -", "- "), f"(0 + {divisor})".replace("+ -", "- ")
    if dividend == -(2**63) or divisor == -(2**63):
        return  # has no literal
    assert evaluate(f"({a} / {b}) * {b} + {a} % {b}") == dividend
    rest = evaluate(f"{a} % {b}")
    assert isinstance(rest, int)
    assert rest == int(math.fmod(dividend, divisor)) or abs(dividend) > 2**50
