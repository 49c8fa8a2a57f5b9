"""Log selectors as ``stage.match`` takes them: ``{app="web", level!~"debug|info"} |= "error"``.

Label matchers match the whole value (a missing label is empty); line filters look anywhere in the line. All must hold.
Label filters, parsers and the rest of LogQL are not supported. Source: Alloy ``stages/match.go``, LogQL.
"""

import json
import re
from collections.abc import Callable

from alloytrio.entry import Entry
from alloytrio.regex import compile_regex
from alloytrio.relabel import LABEL_NAME

_MATCHER = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*', re.ASCII)
_FILTER = re.compile(r'\s*(\|=|!=|\|~|!~)\s*("(?:[^"\\]|\\.)*")\s*')

Predicate = Callable[[Entry], bool]


def compile_selector(text: str) -> Predicate:
    """A function that says whether an entry is selected.

    Raises:
        ValueError: the selector cannot be read, or is empty.
    """
    head = text.lstrip()
    if not head.startswith("{"):
        raise ValueError(f'not a selector: {text!r}: write {{label="value"}}, perhaps followed by |= "text"')
    predicates: list[Predicate] = []
    at = text.index("{") + 1
    while not text.startswith("}", at):
        match = _MATCHER.match(text, at)
        if match is None:
            raise ValueError(f'not a selector: {text!r}: label="value" expected at position {at}')
        predicates.append(_label_predicate(match[1], match[2], _unquoted(match[3])))
        at = match.end()
        if text.startswith(",", at):
            at = len(text) - len(text[at + 1 :].lstrip())
        elif not text.startswith("}", at):
            raise ValueError(f"not a selector: {text!r}: , or }} expected at position {at}")
    if not predicates:
        raise ValueError("an empty selector {} is not allowed: name at least one label")
    at += 1
    while text[at:].strip():
        match = _FILTER.match(text, at)
        if match is None:
            raise ValueError(f"not supported in a selector: {text[at:].strip()!r}; there are |= != |~ !~")
        predicates.append(_line_predicate(match[1], _unquoted(match[2])))
        at = match.end()
    if len(predicates) == 1:
        return predicates[0]
    return lambda entry: all(predicate(entry) for predicate in predicates)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError as exc:
        raise ValueError(f"not a text: {text}") from exc


def _label_predicate(name: str, operator: str, value: str) -> Predicate:
    assert LABEL_NAME.fullmatch(name)
    if operator == "=":
        return lambda entry: entry.labels.get(name, "") == value
    if operator == "!=":
        return lambda entry: entry.labels.get(name, "") != value
    fullmatch, wanted = compile_regex(value).fullmatch, operator == "=~"
    return lambda entry: (fullmatch(entry.labels.get(name, "").encode(errors="surrogateescape")) is not None) is wanted


def _line_predicate(operator: str, value: str) -> Predicate:
    data = value.encode(errors="surrogateescape")
    if operator == "|=":
        return lambda entry: data in entry.line
    if operator == "!=":
        return lambda entry: data not in entry.line
    search, wanted = compile_regex(value).search, operator == "|~"
    return lambda entry: (search(entry.line, 0) is not None) is wanted
