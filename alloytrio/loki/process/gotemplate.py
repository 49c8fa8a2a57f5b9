"""The part of Go's text/template that log pipelines use: values, pipes, string functions, conditions.

Supported: text; ``{{ .name }}``, ``{{ .Value }}``, ``{{ .Entry }}``; texts in quotes or back-quotes, numbers, ``true``
and ``false``; pipes, parentheses, ``{{-`` and ``-}}``, comments; ``if``, ``else if``, ``else``, ``end``; and the
functions listed in ``gotemplate_functions``. Anything else (range, with, define, variables, other functions) is an
error when the configuration is read, and the error lists what there is.

A template is read once into nested functions. Source: Go ``text/template``, Alloy ``stages/template.go``.
"""

import json
import re
from collections.abc import Callable
from typing import Protocol

from alloytrio.loki.process.gotemplate_functions import FUNCTIONS, Missing, TemplateError, to_text


class Scope(Protocol):
    """What ``.name`` stands for."""

    def value(self, name: str) -> str | None:
        """The text of a name; None if there is none."""
        ...


_Node = Callable[[Scope], object]
_Part = Callable[[Scope], str]

_ACTION = re.compile(r"\{\{(- )?(.*?)( -)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<field>\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\.)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\]|\\.)')
    |(?P<number>[+-]?\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<punct>[|()])
    )""",
    re.VERBOSE,
)
_MAX_DEPTH = 50  # nested parentheses and conditions


class Template:
    """A compiled template.

    Args:
        text: the template.
        missing: what a missing value prints as.

    Raises:
        ValueError: it cannot be read, or uses something that is not supported.
    """

    def __init__(self, text: str, *, missing: str = "<no value>") -> None:
        self._parts = _Reader(text, missing).read()

    def render(self, scope: Scope) -> str:
        """The text for one scope.

        Raises:
            TemplateError: a function was given what it cannot take, such as a missing value.
        """
        if len(self._parts) == 1:
            return self._parts[0](scope)
        return "".join([part(scope) for part in self._parts])


class _Reader:
    """Cuts a template into text and actions, and compiles these."""

    def __init__(self, text: str, missing: str) -> None:
        self._missing = missing
        self._pieces = _pieces(text)
        self._at = 0

    def read(self) -> list[_Part]:
        parts, end = self._block(0)
        if end is not None:
            raise ValueError(f"template: unexpected {{{{{end}}}}}")
        return parts

    def _block(self, depth: int) -> tuple[list[_Part], str | None]:
        """Parts up to ``end`` or ``else``, and which it was; None at the end of the template."""
        if depth > _MAX_DEPTH:
            raise ValueError("template: nested too deeply")
        parts: list[_Part] = []
        while self._at < len(self._pieces):
            is_action, piece = self._pieces[self._at]
            self._at += 1
            if not is_action:
                parts.append(_constant(piece))
                continue
            word = piece.split(None, 1)[0] if piece.strip() else ""
            if word in ("end", "else"):
                return parts, piece.strip()
            if word == "if":
                parts.append(self._condition(piece.strip()[2:], depth))
            elif word in ("range", "with", "define", "template", "block", "break", "continue") or "$" in word:
                raise ValueError(f"template: {word} is not supported; there is if, and functions: {_names()}")
            elif not piece.startswith("/*"):
                parts.append(_printer(_pipeline(piece), self._missing))
        return parts, None

    def _condition(self, test: str, depth: int) -> _Part:
        condition = _pipeline(test)
        yes, end = self._block(depth + 1)
        no: list[_Part] = []
        if end is not None and end.startswith("else if"):
            no = [self._condition(end.removeprefix("else if"), depth + 1)]
        elif end == "else":
            no, end = self._block(depth + 1)
        if end is None or not (end == "end" or end.startswith("else if")):
            raise ValueError("template: if without end")
        return lambda scope: "".join([part(scope) for part in (yes if _truth(condition(scope)) else no)])


def _names() -> str:
    return ", ".join(sorted(FUNCTIONS))


def _pieces(text: str) -> list[tuple[bool, str]]:
    """Text (False) and actions (True) in order; trim markers are applied."""
    pieces: list[tuple[bool, str]] = []
    at, trim = 0, False
    for match in _ACTION.finditer(text):
        before = text[at : match.start()]
        before = before.lstrip() if trim else before
        pieces.append((False, before.rstrip() if match[1] else before))
        pieces.append((True, match[2].strip()))
        at, trim = match.end(), bool(match[3])
    rest = text[at:]
    if "{{" in rest:
        raise ValueError("template: {{ without }}")
    pieces.append((False, rest.lstrip() if trim else rest))
    return [(is_action, piece) for is_action, piece in pieces if is_action or piece]


def _constant(text: str) -> _Part:
    return lambda scope: text


def _printer(node: _Node, missing: str) -> _Part:
    def part(scope: Scope) -> str:
        value = node(scope)
        if type(value) is str:
            return value
        return missing if value is Missing else to_text(value)

    return part


def _truth(value: object) -> bool:
    return value is not Missing and bool(value)


Token = tuple[str, str]


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"template: cannot read {text[at:].strip()!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _pipeline(text: str) -> _Node:
    tokens = _tokens(text)
    node, at = _read_pipeline(tokens, 0, 0)
    if at != len(tokens):
        raise ValueError(f"template: unexpected {tokens[at][1]!r} in {text.strip()!r}")
    return node


def _read_pipeline(tokens: list[Token], at: int, depth: int) -> tuple[_Node, int]:
    """A pipeline and the position behind it: the value of each command is the last argument of the next."""
    if depth > _MAX_DEPTH:
        raise ValueError("template: nested too deeply")
    node: _Node | None = None
    while True:
        operands: list[_Node] = []
        function = ""
        while at < len(tokens) and tokens[at] not in (("punct", "|"), ("punct", ")")):
            kind, text = tokens[at]
            if kind == "punct":
                operand, at = _read_pipeline(tokens, at + 1, depth + 1)
                if at >= len(tokens) or tokens[at] != ("punct", ")"):
                    raise ValueError("template: ( without )")
                operands.append(operand)
            elif kind == "name" and text not in ("true", "false") and not operands and not function:
                function = text
            else:
                operands.append(_operand(kind, text))
            at += 1
        node = _command(function, operands, node)
        if at >= len(tokens) or tokens[at] == ("punct", ")"):
            return node, at
        at += 1


def _operand(kind: str, text: str) -> _Node:
    if kind == "field":
        return _field(text)
    if kind == "string":
        try:
            value: object = text[1:-1] if text[0] == "`" else json.loads(text, strict=False)
        except ValueError as exc:
            raise ValueError(f"template: cannot read {text}") from exc
    elif kind == "number":
        value = float(text) if "." in text else int(text)
    elif kind == "name" and text in ("true", "false"):
        value = text == "true"
    else:
        raise ValueError(f"template: unexpected {text!r}")
    return lambda scope: value


def _field(text: str) -> _Node:
    name = text[1:]
    if not name:
        raise ValueError("template: the whole data (.) is not supported, only its values (.name)")
    if "." in name:
        raise ValueError(f"template: values are texts and have no fields: {text}")

    def field(scope: Scope) -> object:
        value = scope.value(name)
        return Missing if value is None else value

    return field


def _command(function: str, operands: list[_Node], piped: _Node | None) -> _Node:
    arguments = operands if piped is None else [*operands, piped]
    if not function:
        if len(arguments) != 1 or piped is not None:
            raise ValueError("template: a value where a function is needed" if arguments else "template: empty action")
        return arguments[0]
    if function not in FUNCTIONS:
        raise ValueError(f"template: there is no function {function}; there are {_names()}")
    fewest, most, call = FUNCTIONS[function]
    if not fewest <= len(arguments) <= most:
        raise ValueError(f"template: {function} takes {fewest} arguments, not {len(arguments)}")
    if len(arguments) == 1:
        only = arguments[0]
        return lambda scope: call(only(scope))
    return lambda scope: call(*[argument(scope) for argument in arguments])


__all__ = ["Scope", "Template", "TemplateError"]
