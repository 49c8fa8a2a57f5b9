"""The standard library: names → functions.

Source: Alloy ``syntax/internal/stdlib``, ``internal/runtime/internal/stdlib``; strings as Go's package ``strings``.
"""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from alloytrio.config.alloy.encodings import (
    base64_decoder,
    base64_encoder,
    from_json,
    from_yaml,
    to_json,
    url_decode,
    url_encode,
)
from alloytrio.config.alloy.go_format import format_text
from alloytrio.config.alloy.json_path import find
from alloytrio.config.alloy.operators import are_equal
from alloytrio.config.alloy.values import (
    EvaluationError,
    Function,
    Reference,
    Template,
    TextReader,
    Value,
    Variable,
    join,
    type_name,
)

_GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

OLD_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "base64_decode": "encoding.from_base64",
        "concat": "array.concat",
        "env": "sys.env",
        "format": "string.format",
        "join": "string.join",
        "json_decode": "encoding.from_json",
        "nonsensitive": "convert.nonsensitive",
        "replace": "string.replace",
        "split": "string.split",
        "to_lower": "string.to_lower",
        "to_upper": "string.to_upper",
        "trim": "string.trim",
        "trim_prefix": "string.trim_prefix",
        "trim_space": "string.trim_space",
        "trim_suffix": "string.trim_suffix",
        "yaml_decode": "encoding.from_yaml",
    }
)
"""Names that still work in Alloy, with a warning, and what took their place."""


def _expect(name: str, arguments: Sequence[Value], count: int) -> None:
    if len(arguments) != count:
        raise EvaluationError(f"{name} takes {count} argument{'s' * (count != 1)}, got {len(arguments)}")


def _texts(name: str, reader: TextReader, arguments: Sequence[Value], count: int) -> list[str]:
    """Exactly so many arguments, all strings; the environment put in."""
    _expect(name, arguments, count)
    return [_text(name, reader, argument) for argument in arguments]


def _text(name: str, reader: TextReader, value: Value) -> str:
    if not isinstance(value, (str, Template)):
        raise EvaluationError(f"{name} expects a string, got {type_name(value)}")
    return reader.text(value)


def _of_texts(name: str, count: int, call: Callable[..., Value]) -> Function:
    """A function of a fixed number of strings."""
    return Function(name, lambda reader, arguments: call(*_texts(name, reader, arguments, count)))


def _env(reader: TextReader, arguments: Sequence[Value]) -> Value:
    [name] = _texts("sys.env", reader, arguments, 1)
    if not (name.isidentifier() and name.isascii()):
        raise EvaluationError("this is no name of an environment variable", "letters, digits and _")
    return Template((Variable(name),))


def _is_empty(value: Value) -> bool:
    return value in (None, "", [], {}) or (isinstance(value, (bool, int, float)) and not value)


def _coalesce(reader: TextReader, arguments: Sequence[Value]) -> Value:
    """The first that is not empty, else the last. A variable with a text behind it becomes one with a default."""
    for index, value in enumerate(arguments):
        if not isinstance(value, Template):
            if not _is_empty(value):
                return value
        elif any(isinstance(part, str) for part in value.parts) or index == len(arguments) - 1:
            return value
        elif (with_default := _with_default(value, arguments[index + 1 :])) is not None:
            return with_default
        elif reader.text(value):
            return value
    return arguments[-1] if arguments else None


def _with_default(value: Template, rest: Sequence[Value]) -> Template | None:
    """``${env:NAME:-default}``, if that says it: one variable, and next a text that can stand as its default."""
    following = next((other for other in rest if not _is_empty(other)), None)
    match value.parts:
        case (Variable(name=name, default=None),) if isinstance(following, str) and "}" not in following:
            return Template((Variable(name, following),))
    return None


def _concat(reader: TextReader, arguments: Sequence[Value]) -> Value:
    result: list[Value] = []
    for argument in arguments:
        if isinstance(argument, Reference):
            result.append(argument)  # a list of targets that exists only later
        elif isinstance(argument, list):
            result += argument
        else:
            raise EvaluationError(f"array.concat expects arrays, got {type_name(argument)}")
    return result


def _objects(name: str, value: Value) -> list[dict[str, Value]]:
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [each for each in value if isinstance(each, dict)]
    raise EvaluationError(f"{name} expects an array of objects, got {type_name(value)}")


def _combine_maps(reader: TextReader, arguments: Sequence[Value]) -> Value:
    if len(arguments) not in (3, 4) or not isinstance(arguments[2], list):
        raise EvaluationError("array.combine_maps takes two arrays of objects, an array of keys, and maybe a bool")
    left, right = (_objects("array.combine_maps", argument) for argument in arguments[:2])
    keys = [_text("array.combine_maps", reader, key) for key in arguments[2]]
    result: list[Value] = []
    for one in left:
        partners = [
            {**one, **other}
            for other in right
            if all(key in one and key in other and are_equal(one[key], other[key]) for key in keys)
        ]
        result += partners or ([one] if len(arguments) == 4 and arguments[3] is True else [])
    return result


def _group_by(reader: TextReader, arguments: Sequence[Value]) -> Value:
    _expect("array.group_by", arguments, 3)
    key, drop = _text("array.group_by", reader, arguments[1]), arguments[2]
    groups: list[tuple[Value, list[Value]]] = []
    for each in _objects("array.group_by", arguments[0]):
        if key not in each and drop is True:
            continue
        value = each.get(key, "")
        group = next((items for known, items in groups if are_equal(known, value)), None)
        if group is None:
            groups.append((value, group := []))
        group.append(each)
    return [{key: value, "items": items} for value, items in groups]


def _join(reader: TextReader, arguments: Sequence[Value]) -> Value:
    _expect("string.join", arguments, 2)
    items, separator = arguments
    if not isinstance(items, list) or not isinstance(separator, (str, Template)):
        raise EvaluationError("string.join expects an array of strings and a string")
    texts: list[str | Template] = []
    for item in items:
        if not isinstance(item, (str, Template)):
            raise EvaluationError(f"string.join expects an array of strings, one element is {type_name(item)}")
        texts += [separator, item]
    return join(texts[1:])


def _split(text: str, separator: str) -> Value:
    return list(text.split(separator)) if separator else list(text)


def _format(reader: TextReader, arguments: Sequence[Value]) -> Value:
    if not arguments:
        raise EvaluationError("string.format takes a format and its values, got nothing")
    return format_text(_text("string.format", reader, arguments[0]), arguments[1:], reader.text)


def _nonsensitive(reader: TextReader, arguments: Sequence[Value]) -> Value:
    _expect("convert.nonsensitive", arguments, 1)
    return arguments[0]


def _path_join(reader: TextReader, arguments: Sequence[Value]) -> Value:
    parts = [part for part in (_text("file.path_join", reader, argument) for argument in arguments) if part]
    if not parts:
        return ""
    path = posixpath.normpath("/".join(parts))
    return path[1:] if path.startswith("//") else path


STANDARD_LIBRARY: Mapping[str, Value] = MappingProxyType(
    {
        "coalesce": Function("coalesce", _coalesce),
        "json_path": _of_texts("json_path", 2, find),
        "sys": {"env": Function("sys.env", _env)},
        "convert": {"nonsensitive": Function("convert.nonsensitive", _nonsensitive)},
        "file": {"path_join": Function("file.path_join", _path_join)},
        "array": {
            "concat": Function("array.concat", _concat),
            "combine_maps": Function("array.combine_maps", _combine_maps),
            "group_by": Function("array.group_by", _group_by),
        },
        "encoding": {
            "from_json": _of_texts("encoding.from_json", 1, from_json),
            "from_yaml": _of_texts("encoding.from_yaml", 1, from_yaml),
            "to_json": Function("encoding.to_json", to_json),
            "from_base64": _of_texts("encoding.from_base64", 1, base64_decoder(url=False)),
            "to_base64": _of_texts("encoding.to_base64", 1, base64_encoder(url=False)),
            "from_URLbase64": _of_texts("encoding.from_URLbase64", 1, base64_decoder(url=True)),
            "to_URLbase64": _of_texts("encoding.to_URLbase64", 1, base64_encoder(url=True)),
            "url_encode": _of_texts("encoding.url_encode", 1, url_encode),
            "url_decode": _of_texts("encoding.url_decode", 1, url_decode),
        },
        "string": {
            "format": Function("string.format", _format),
            "join": Function("string.join", _join),
            "replace": _of_texts("string.replace", 3, str.replace),
            "split": _of_texts("string.split", 2, _split),
            "to_lower": _of_texts("string.to_lower", 1, str.lower),
            "to_upper": _of_texts("string.to_upper", 1, str.upper),
            "trim": _of_texts("string.trim", 2, lambda text, cut: text.strip(cut) if cut else text),
            "trim_prefix": _of_texts("string.trim_prefix", 2, str.removeprefix),
            "trim_suffix": _of_texts("string.trim_suffix", 2, str.removesuffix),
            "trim_space": _of_texts("string.trim_space", 1, lambda text: text.strip(_GO_SPACE)),
        },
    }
)
"""Everything but ``constants``, which the surroundings give."""
