"""``stage.json``: takes values out of lines that are JSON objects.

Source: Alloy ``internal/component/loki/process/stages/json.go``. On purpose different: whole numbers keep all their
digits, and objects that are taken out as text keep the order of their keys.
"""

import json
import re
from collections.abc import Callable
from typing import Self

import orjson
from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, source_of
from alloytrio.regex import compile_regex

_PLAIN_PATH = re.compile(r'(?:[A-Za-z_]\w*|"[^"\\]+")(?:\.(?:[A-Za-z_]\w*|"[^"\\]+"))*', re.ASCII)
_PATH_PART = re.compile(r'[A-Za-z_]\w*|"[^"\\]+"', re.ASCII)
_EXACT = 2.0**63  # orjson reads larger whole numbers as floats
_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})

Query = Callable[[dict[str, object]], object]


class JsonConfig(StageTable):
    """``[loki.process.x.stage.json]``"""

    expressions: dict[str, str] = Field(
        {}, description="Name → JMESPath expression; an empty expression is the name itself."
    )
    regex: str = Field("", description="Top-level keys that match are taken under their own name.")
    source: str | None = Field(None, min_length=1, description="An extracted value to read instead of the line.")
    drop_malformed: bool = Field(False, description="Leave out entries that are not a JSON object.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.expressions and not self.regex:
            raise ValueError("json needs expressions or regex")
        for expression in self.expressions.values():
            if expression:
                compile_query(expression)
        compile_regex(self.regex)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return JsonStage(self)


def plain_path(expression: str) -> list[str] | None:
    """The keys that an expression walks down, if that is all it does."""
    if not _PLAIN_PATH.fullmatch(expression):
        return None
    return [part.strip('"') for part in _PATH_PART.findall(expression)]


def compile_query(expression: str) -> Query:
    """A function that evaluates a JMESPath expression on an object.

    Raises:
        ValueError: it cannot be read.
    """
    path = plain_path(expression)
    if path is not None:
        return _walker(path)
    import jmespath  # paths of keys, which nearly all expressions are, go without it
    from jmespath.exceptions import JMESPathError

    errors = (JMESPathError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
    try:
        compiled = jmespath.compile(expression)
    except (JMESPathError, ValueError, IndexError, KeyError, TypeError) as exc:
        raise ValueError(f"not a JMESPath expression: {expression!r}: {exc}") from exc

    def query(value: dict[str, object]) -> object:
        try:
            return compiled.search(value)
        except errors:  # as in Alloy: a query that fails on a line finds nothing there
            return None

    return query


def _walker(path: list[str]) -> Query:
    def query(value: dict[str, object]) -> object:
        current: object = value
        for key in path:
            if type(current) is not dict:
                return None
            current = current.get(key)
        return current

    return query


class JsonStage(PlainStage):
    """Top-level keys, which is what nearly all configurations take, go without JMESPath."""

    def __init__(self, config: JsonConfig) -> None:
        self._drop = config.drop_malformed
        self._source = source_of(config.source) if config.source else None
        self._keys: list[tuple[str, str]] = []
        self._queries: list[tuple[str, Query]] = []
        self._regex = compile_regex(config.regex) if config.regex else None
        for name, expression in config.expressions.items():
            path = plain_path(expression or name)
            if path is None and not expression:
                path = [name]  # a key such as x-request-id; in Alloy it would have to be quoted
            if path is not None and len(path) == 1:
                self._keys.append((name, path[0]))
            else:
                self._queries.append((name, compile_query(expression or name)))

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Add to the extracted values; a missing key is added as null, as in Alloy."""
        keys, rest, source = self._keys, bool(self._queries) or self._regex is not None, self._source
        loads = orjson.loads
        malformed: set[int] = set()
        for entry in entries:
            text = entry.line if source is None else source(entry)
            if text is None:
                continue
            try:
                value = loads(text)
            except orjson.JSONDecodeError:
                value = _lenient(text)
            if type(value) is not dict:
                if value is not None:
                    malformed.add(id(entry))
                    continue
                value = {}
            extracted = entry.extracted
            get = value.get
            for name, key in keys:
                found = get(key)
                if found is None or type(found) is str:
                    extracted[name] = found
                elif type(found) is float and abs(found) >= _EXACT:
                    extracted[name] = json.loads(text)[key]
                else:
                    extracted[name] = _converted(found)
            if rest:
                self._extract_rest(extracted, value)
        if malformed and self._drop:
            return [entry for entry in entries if id(entry) not in malformed]
        return entries

    def _extract_rest(self, extracted: dict[str, object], value: dict[str, object]) -> None:
        for name, query in self._queries:
            extracted[name] = _converted(query(value))
        if self._regex is not None:
            for key, found in value.items():
                if self._regex.search(key.encode(errors="surrogatepass"), 0) is not None:
                    extracted[key] = _converted(found)


def _converted(value: object) -> object:
    """What is kept of a value: objects and lists as JSON text, as Go writes it."""
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode().translate(_HTML)
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return value


def _lenient(text: bytes) -> object:
    """A second try for what Go's reader takes and orjson does not: bytes that are not UTF-8, lone surrogates.

    Returns:
        The value, or False if it is not JSON either.
    """
    if not text.startswith(b"{") and not text.lstrip().startswith(b"{"):
        return False
    try:
        value: object = json.loads(text.decode(errors="replace"), parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return False
    return _without_surrogates(value)


def _without_surrogates(value: object) -> object:
    """Go puts U+FFFD where half a surrogate pair stands."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value
