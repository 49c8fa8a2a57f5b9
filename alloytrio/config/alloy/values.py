"""What expressions evaluate to.

A text that refers to the environment or a file stays a `Template`: converted, it becomes ``${env:NAME}``, and the
value is read where the configuration is used. Source: Alloy ``syntax/internal/value``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from alloytrio.config.alloy.literals import from_bytes, to_bytes
from alloytrio.config.alloy.source import Span

_TAKEN_FOR_REFERENCE = re.compile(r"\$\{(?=env:|file:)")


class EvaluationError(Exception):
    """An expression has no value. ``message`` and ``help`` quote no value, ``span`` is what to mark.

    A span of None is filled in by whoever knows the place.
    """

    def __init__(self, message: str, help: str = "", span: Span | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.help = help
        self.span = span


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of an environment variable; ``default`` stands in for an unset or empty one."""

    name: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class FileContent:
    """The text of a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text with parts that are not known yet; at least one is no ``str``."""

    parts: tuple["str | Variable | FileContent", ...]

    def written(self, *, unset_is_empty: bool) -> str:
        """The text as our configuration writes it: ``http://${env:HOST}/``.

        Args:
            unset_is_empty: an unset variable is the empty text, as in Alloy, and no error, as is usual in ours.
        """
        return "".join(_written(part, unset_is_empty) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Reference:
    """An export of a component that only exists while it runs: ``loki.write.default`` and ``receiver``."""

    component_id: str
    export: str


class TextReader(Protocol):
    """Puts the environment into texts: the evaluator, as functions see it."""

    def text(self, value: "str | Template") -> str:
        """A text with the environment put in.

        Raises:
            EvaluationError: the environment must not be looked at, or a file would have to be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the standard library; ``call`` gets what reads texts, and the arguments."""

    name: str
    call: "Callable[[TextReader, Sequence[Value]], Value]"


Value: TypeAlias = "bool | int | float | str | Template | Reference | Function | list[Value] | dict[str, Value] | None"
Scope: TypeAlias = Mapping[str, "dict[str, Value]"]
"""Component id → its exports by name."""


def escape(text: str) -> str:
    """A literal text as our configuration writes it: what would be taken for a reference is doubled."""
    return _TAKEN_FOR_REFERENCE.sub("$${", text)


def _written(part: str | Variable | FileContent, unset_is_empty: bool) -> str:
    match part:
        case str():
            return escape(part)
        case FileContent(path=path):
            return f"${{file:{path}}}"
        case Variable(name=name, default=default):
            return f"${{env:{name}:-{default or ''}}}" if default or unset_is_empty else f"${{env:{name}}}"


def join(texts: Sequence[str | Template]) -> str | Template:
    """TextReader one after the other. Bytes that were broken UTF-8 alone may become letters together."""
    parts: list[str | Variable | FileContent] = []
    for text in texts:
        for part in text.parts if isinstance(text, Template) else (text,):
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] = from_bytes(to_bytes(parts[-1]) + to_bytes(part))
            elif part != "":
                parts.append(part)
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return Template(tuple(parts))


def type_name(value: Value) -> str:
    """How messages call the type of a value, in Alloy's words."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str() | Template():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case Function():
            return "function"
        case Reference():
            return "capsule"
