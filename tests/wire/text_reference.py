"""The rules for names and texts of Prometheus labels, written from their description, on protobuf's own classes."""

import base64
import json
import math
import unicodedata
from decimal import Decimal
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Labels = tuple[tuple[str, str], ...]
UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}


def words(text: str) -> list[str]:
    """Maximal runs of Unicode letters and decimal digits."""
    return "".join(
        c if unicodedata.category(c)[0] == "L" or unicodedata.category(c) == "Nd" else " " for c in text
    ).split()


def metric_name(name: str, unit: str, *, gauge: bool, counter: bool) -> str:
    """The name by the seven steps of the rules."""
    tokens = words(name)
    if not tokens:
        return ""
    main, _, per = unit.partition("/")
    main, per = main.strip(), per.strip()
    main = "" if "{" in main or "}" in main else "_".join(words(UNITS.get(main, main)))
    per = "" if "{" in per or "}" in per else "_".join(words(PER.get(per, per)))
    if main and main not in tokens:
        tokens.append(main)
    if per and per not in tokens:
        tokens.extend(["per", per])
    for suffix, wanted in (("total", counter), ("ratio", gauge and unit == "1")):
        if wanted:
            tokens = [*(token for token in tokens if token != suffix), suffix]
    joined = "_".join(tokens)
    return f"_{joined}" if joined[0] in "0123456789" else joined


def label_name(key: str) -> str:
    """The label of an attribute's key."""
    name = "".join(c if words(c) else "_" for c in key)
    if name and name[0] in "0123456789":
        return f"key_{name}"
    return f"key{name}" if name.startswith("_") and not name.startswith("__") else name


def plain(number: float) -> str:
    """Shortest digits, never an exponent."""
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    if math.isnan(number):
        return "NaN"
    text = f"{Decimal(repr(number)):f}"
    return text.removesuffix(".0")


def javascript(number: float) -> str:
    """A number as JSON.stringify writes it."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return plain(number)
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text = "".join(map(str, digits))
    power = len(text) - 1 + int(exponent)
    return f"{'-' if sign else ''}{text[0]}{'.' + text[1:] if text[1:] else ''}e{power:+d}"


class _Unwritable(Exception):
    """JSON has no word for it."""


def quoted(text: str) -> str:
    """A JSON string, with the two separators escaped that JavaScript minds."""
    return json.dumps(text, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def jsonable(value: AnyValue) -> str:
    """JSON of a value inside a list or map."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return "[" + ",".join(jsonable(item) for item in value.array_value.values) + "]"
    if kind == "kvlist_value":
        pairs = {item.key: item.value for item in value.kvlist_value.values}
        return "{" + ",".join(f"{quoted(key)}:{jsonable(pairs[key])}" for key in sorted(pairs)) + "}"
    if kind in ("string_value", "bytes_value"):
        return quoted(text_of(value))
    if kind == "double_value" and not math.isfinite(value.double_value):
        raise _Unwritable
    return text_of(value) if kind else "null"


def text_of(value: AnyValue) -> str:
    """A value as a label's text."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return javascript(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return ""
    try:
        return jsonable(value)
    except _Unwritable:
        return ""


def attributes_of(items: Any) -> dict[str, str]:
    """Texts by key; the last one of a key counts."""
    pairs: list[KeyValue] = list(items)
    return {item.key: text_of(item.value) for item in pairs}


def labels_of(attributes: dict[str, str], *reserved: str) -> dict[str, str]:
    """Labels, those that collide joined in the order of their keys."""
    joined: dict[str, list[str]] = {}
    for key in sorted(attributes):
        joined.setdefault(label_name(key), []).append(attributes[key])
    return {
        name: ";".join(filter(None, texts)) for name, texts in joined.items() if name not in ("", "__name__", *reserved)
    }


def finished(labels: dict[str, str]) -> Labels:
    """Sorted, without empty ones."""
    return tuple(sorted((name, value) for name, value in labels.items() if value))
