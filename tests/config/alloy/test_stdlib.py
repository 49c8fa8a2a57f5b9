"""The standard library, function by function."""

import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.config.alloy.evaluator import Evaluator, Surroundings
from alloytrio.config.alloy.go_format import format_float
from alloytrio.config.alloy.literals import quote
from alloytrio.config.alloy.parser import parse
from alloytrio.config.alloy.stdlib import OLD_NAMES
from alloytrio.config.alloy.tree import Attribute
from alloytrio.config.alloy.values import EvaluationError, Function, Reference, Value
from tests.config.alloy.strategies import string_values

TARGETS = Reference("discovery.docker.a", "targets")


def evaluate(text: str) -> Value:
    """The value of an expression."""
    [statement] = parse(f"x = {text}").body.statements
    assert isinstance(statement, Attribute)
    return Evaluator({"discovery.docker.a": {"targets": TARGETS}}, Surroundings({})).evaluate(statement.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("coalesce()", None),
        ('coalesce(null, "", 0, 0.0, false, [], {}, 7, 8)', 7),
        ('coalesce(null, "")', ""),
        ("array.concat()", []),
        ("array.concat([1], [], [[2]])", [1, [2]]),
        ("array.concat(discovery.docker.a.targets, [{a = `b`}])", [TARGETS, {"a": "b"}]),
        ("array.combine_maps([{a = 1, b = 2}, {a = 3}], [{a = 1, c = 4}], [`a`])", [{"a": 1, "b": 2, "c": 4}]),
        ("array.combine_maps([{a = 3}], [{a = 1}], [`a`], true)", [{"a": 3}]),
        (
            "array.group_by([{a = 1}, {b = 2}, {a = 1, c = 3}], `a`, true)",
            [{"a": 1, "items": [{"a": 1}, {"a": 1, "c": 3}]}],
        ),
        ("array.group_by([{b = 2}], `a`, false)", [{"a": "", "items": [{"b": 2}]}]),
        ("convert.nonsensitive(`a`)", "a"),
        ('encoding.from_json(`{"a": [1, 2.5, "x", null, true]}`)', {"a": [1.0, 2.5, "x", None, True]}),
        ("encoding.from_yaml(`a: [1, x, 2024-01-01]`)", {"a": [1, "x", "2024-01-01"]}),
        ('encoding.to_json({b = 1, a = ["<&>", 1.5, 2.0, null]})', r'{"a":["\u003c\u0026\u003e",1.5,2,null],"b":1}'),
        ("encoding.to_base64(`??>`)", "Pz8+"),
        ("encoding.to_URLbase64(`??>`)", "Pz8-"),
        ("encoding.from_base64(`Pz8+`)", "??>"),
        ("encoding.from_URLbase64(`Pz8-`)", "??>"),
        (r'encoding.from_base64("gA==")', "\udc80"),
        ("encoding.url_encode(`a b/ü~`)", "a+b%2F%C3%BC~"),
        ("encoding.url_decode(`a+b%2F%C3%BC~`)", "a b/ü~"),
        ("file.path_join()", ""),
        ("file.path_join(``, `/a`, `../b//c/`, `.`)", "/b/c"),
        ("file.path_join(`//a`, `b`)", "/a/b"),
        ("string.join([], `,`)", ""),
        ("string.join([`a`, `b`], `, `)", "a, b"),
        ("string.split(``, `,`)", [""]),
        ("string.split(`a,b,`, `,`)", ["a", "b", ""]),
        ("string.split(`aé`, ``)", ["a", "é"]),
        ("string.replace(`aXbX`, `X`, `-`)", "a-b-"),
        ("string.to_lower(`AÉ`)", "aé"),
        ("string.to_upper(`aé`)", "AÉ"),
        ("string.trim(`--a-b--`, `-`)", "a-b"),
        ("string.trim(`a `, ``)", "a "),
        ("string.trim_prefix(`aab`, `a`)", "ab"),
        ("string.trim_suffix(`abb`, `b`)", "ab"),
        ('string.trim_space("\\t a \\u00a0\\n")', "a"),
        ('json_path(`{"a": [{"b": 1}, {"b": 2}]}`, "$.a[*].b")', [1.0, 2.0]),
        ('json_path(`{"a": [{"b": 1}, {"b": 2}]}`, ".a[-1]")', [{"b": 2.0}]),
        ('json_path(`{"a": {"b": 1}, "b": 2}`, "$..b")', [2.0, 1.0]),
        ('json_path(`[0, 1, 2, 3]`, "$[1:3]")', [1.0, 2.0]),
        ('json_path(`[0, 1, 2, 3]`, "$[0, 3]")', [0.0, 3.0]),
        ('json_path(`{"a b": 1}`, "$[\'a b\']")', [1.0]),
        ('json_path(`{"a": 1}`, "$.b")', []),
        ('json_path(`{"a": 1}`, "$.*")', [1.0]),
        ('json_path(`{"a": 1}`, "a")', [1.0]),
    ],
)
def test_functions(text: str, value: Value) -> None:
    """Each function on ordinary and odd arguments."""
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"plain 100%%"', "plain 100%"),
        ('"%s %v %q", "a", "b", "c\\n"', 'a b "c\\n"'),
        ('"%d %5d|%-5d|%05d %+d", 1, 2, 3, -4, 5', "1     2|3    |-0004 +5"),
        ('"%x %X %#x %o %b", 255, 255, 255, 8, 5', "ff FF 0xff 10 101"),
        ('"%x", "hi"', "6869"),
        ('"%f %.1f %e %g", 1.5, 2.25, 1500.0, 1e30', "1.500000 2.2 1.500000e+03 1e+30"),
        ('"%t %v", true, false', "true false"),
        ('"%.2s|%4s|%-4s", "abc", "a", "b"', "ab|   a|b   "),
        ('"%v", [1, "a", null, {b = 2.0}]', "[1 a <nil> map[b:2]]"),
    ],
)
def test_format(text: str, value: str) -> None:
    """``string.format`` writes what Go's ``fmt.Sprintf`` writes."""
    assert evaluate(f"string.format({text})") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (123456789.125, "123456789.125"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)
def test_float_text(value: float, text: str) -> None:
    """Floats have Go's shortest form."""
    assert format_float(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float_text_is_exact(value: float) -> None:
    """The text of a float gives the float back."""
    assert float(format_float(value)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sys.env()", "sys.env takes 1 argument, got 0"),
        ("sys.env(1)", "sys.env expects a string, got number"),
        ("sys.env(`A=B`)", "this is no name of an environment variable"),
        ("array.concat([1], 2)", "array.concat expects arrays, got number"),
        ("array.combine_maps([1], [], [])", "array.combine_maps expects an array of objects, got array"),
        ("array.combine_maps([])", "array.combine_maps takes two arrays"),
        ("array.group_by([], `a`)", "array.group_by takes 3 arguments, got 2"),
        ("convert.nonsensitive()", "convert.nonsensitive takes 1 argument, got 0"),
        ("encoding.from_json(`{`)", "encoding.from_json: the text is no JSON"),
        ("encoding.from_json(`NaN`)", "encoding.from_json: the text is no JSON"),
        ("encoding.from_json(`" + "[" * 100_000 + "`)", "encoding.from_json: the text is no JSON"),
        ("encoding.from_yaml(`a: [`)", "encoding.from_yaml: the text is no YAML"),
        ("encoding.to_json([1])", "encoding.to_json expects an object, got array"),
        ("encoding.to_json({a = coalesce})", "encoding.to_json: a function has no JSON form"),
        ("encoding.from_base64(`?`)", "encoding.from_base64: the text is no base64"),
        ("encoding.from_URLbase64(`+`)", "encoding.from_URLbase64: the text is no base64"),
        ("encoding.url_decode(`%z`)", "encoding.url_decode: a % without two hexadecimal digits"),
        ("string.join(`a`, `b`)", "string.join expects an array of strings and a string"),
        ("string.join([1], `b`)", "string.join expects an array of strings, one element is number"),
        ("string.replace(`a`, `b`)", "string.replace takes 3 arguments, got 2"),
        ("string.format()", "string.format takes a format and its values, got nothing"),
        ("string.format(`%d`, `a`)", "string.format: %d does not fit a value of type string"),
        ("string.format(`%s`, 1)", "string.format: %s does not fit a value of type number"),
        ("string.format(`%z`, 1)", "string.format: %z does not fit a value of type number"),
        ("string.format(`%s`)", "string.format: there is no value for %s"),
        ("string.format(`a`, 1, 2)", "string.format: 2 values more than verbs"),
        ("string.format(`5%`)", "string.format: the format ends within a verb"),
        ("string.format(`%1001d`, 1)", "string.format: a width above 1000"),
        ("string.format(`%.1001f`, 1.0)", "string.format: a precision above 1000"),
        ("json_path(`{`, `$`)", "json_path: the text is no JSON"),
        ("json_path(`{}`, `$[?(@.a)]`)", "json_path: this path is not understood"),
    ],
)
def test_errors(text: str, message: str) -> None:
    """Wrong arguments are errors that name the function and what it wants, and never a value."""
    with pytest.raises(EvaluationError) as caught:
        evaluate(text)
    assert caught.value.message.startswith(message)


def test_yaml_aliases_are_bounded() -> None:
    """A text that would grow to billions of values is refused."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(EvaluationError, match="no YAML"):
        evaluate("encoding.from_yaml(`" + "\n".join(lines) + "`)")


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_old_names_lead_to_functions(old: str, new: str) -> None:
    """Each old name means a function that exists under its new name."""
    assert isinstance(evaluate(old), Function)
    assert evaluate(old) == evaluate(new)


@given(string_values)
def test_encodings_are_inverse(text: str) -> None:
    """Base64 and percent-encoding bring every string back, broken UTF-8 included."""
    literal = quote(text)
    for name in ("base64", "URLbase64"):
        assert evaluate(f"encoding.from_{name}(encoding.to_{name}({literal}))") == text
    assert evaluate(f"encoding.url_decode(encoding.url_encode({literal}))") == text


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_against_python(text: str) -> None:
    """JSON and percent-encoding agree with Python's own readers."""
    literal = quote(text)
    written = evaluate(f"encoding.to_json({{ a = {literal} }})")
    encoded = evaluate(f"encoding.url_encode({literal})")
    assert isinstance(written, str)
    assert isinstance(encoded, str)
    assert json.loads(written) == {"a": text}
    assert urllib.parse.unquote_plus(encoded) == text
