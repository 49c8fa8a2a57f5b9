"""Environment variables that override the file: ``ALLOYTRIO_`` and the path, its keys joined by ``__``.

``ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__ENDPOINT=tempo:4317`` sets ``client.endpoint`` of
``[otelcol.exporter.otlp.tempo]``. Case does not count. List elements are named by index (``__0__``; the number
after the last one appends); lists, tables and maps are written as JSON and replace what the file says. No variable
creates a component, and a variable that matches nothing is an error: a typing mistake must not pass silently.
Texts in variables are taken as they are: ``${env:…}`` is not replaced in them.

Kubernetes puts ``ALLOYTRIO_SERVICE_HOST``, ``ALLOYTRIO_PORT_4317_TCP_ADDR`` and the like into every pod beside a
Service called alloytrio; these are left alone.
Source: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from alloytrio.config.positions import KeyPath
from alloytrio.config.problems import Problem, dotted, nearest
from alloytrio.config.settings import TABLES
from alloytrio.config.slots import Slot, fields
from alloytrio.config.tables import ComponentPlace

PREFIX = "ALLOYTRIO_"

_SERVICE_LINK = re.compile(
    r"ALLOYTRIO_((?!.*__)[A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
_INDEX = re.compile(r"(\d{1,6})(?:__(.+))?", re.ASCII | re.DOTALL)
_ABSENT: Mapping[str, object] = {}


@dataclass(slots=True)
class Overrides:
    """What the environment sets.

    Args:
        tree: sparse, shaped like the file's; lists in it are complete, with the file's other elements.
        values: by path.
        variables: the variable's name by path.
        problems: variables that match nothing, or cannot be read.
    """

    tree: dict[str, object] = field(default_factory=dict)
    values: dict[KeyPath, object] = field(default_factory=dict)
    variables: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def covers(self, path: KeyPath) -> str | None:
        """The variable that sets this path or a table or list around it."""
        for length in range(len(path), 0, -1):
            if name := self.variables.get(path[:length]):
                return name
        return None


@dataclass(frozen=True, slots=True)
class _Target:
    """A place that a variable's name fits."""

    path: KeyPath
    slot: Slot


def read_overrides(
    environ: Mapping[str, str], tree: Mapping[str, object], components: Mapping[str, ComponentPlace]
) -> Overrides:
    """What the variables of an environment set in a file's tree.

    Args:
        environ: all variables; those without the prefix do not count.
        tree: the file's tables, which decide which components, list elements and map keys there are.
        components: the components in ``tree``.
    """
    overrides = Overrides()
    roots = _roots(components)
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and not _SERVICE_LINK.fullmatch(name):
            _read_variable(name, environ[name], tree, roots, overrides)
    _build_tree(overrides, tree)
    return overrides


def _roots(components: Mapping[str, ComponentPlace]) -> list[tuple[KeyPath, type[BaseModel]]]:
    tables: list[tuple[KeyPath, type[BaseModel]]] = [((name,), model) for name, model in TABLES.items()]
    return tables + [(place.path, place.config) for place in components.values()]


def _read_variable(
    name: str,
    text: str,
    tree: Mapping[str, object],
    roots: list[tuple[KeyPath, type[BaseModel]]],
    overrides: Overrides,
) -> None:
    def complain(message: str, hint: str = "", path: KeyPath = ()) -> None:
        overrides.problems.append(Problem("", 0, 0, dotted(path), message, hint, name))

    rest = name[len(PREFIX) :].casefold()
    targets = [target for path, model in roots for target in _below_root(path, model, rest, tree)]
    if not targets:
        complain("matches no setting", _unmatched_hint(rest, tree, roots))
        return
    path = targets[0].path
    if len({target.path for target in targets}) > 1:
        complain("matches several settings", ", ".join(sorted(dotted(target.path) for target in targets)))
    elif other := overrides.variables.get(path):
        complain(f"sets the same as {other}", path=path)
    else:
        try:
            overrides.values[path] = _decode(text, [target.slot for target in targets])
            overrides.variables[path] = name
        except ValueError as exc:
            complain(str(exc), path=path)


def _below_root(path: KeyPath, model: type[BaseModel], rest: str, tree: Mapping[str, object]) -> Iterator[_Target]:
    current: object = tree
    for key in path:
        current = current.get(key, _ABSENT) if isinstance(current, Mapping) else _ABSENT
    after = _after("__".join(map(str, path)), rest)
    if after:  # a whole component or service table cannot be set
        yield from _matches(Slot(model), after, current, path)


def _after(key: str, rest: str) -> str | None:
    """What is left of a name behind a key: empty if it ends there, None if it does not begin with it."""
    folded = key.casefold()
    if rest == folded:
        return ""
    return (rest[len(folded) + 2 :] or None) if rest.startswith(f"{folded}__") else None


def _matches(slot: Slot, rest: str, current: object, path: KeyPath) -> Iterator[_Target]:
    if not rest:
        yield _Target(path, slot)
        return
    for option in slot.options():
        if option.model is not None:
            table = current if isinstance(current, Mapping) else _ABSENT
            for key, inner in fields(option.model).items():
                if (after := _after(key, rest)) is not None:
                    yield from _matches(inner, after, table.get(key), (*path, key))
        elif option.element is not None:
            elements = current if isinstance(current, list) else []
            if match := _INDEX.fullmatch(rest):
                index = int(match[1])
                element = elements[index] if index < len(elements) else None
                yield from _matches(option.element, match[2] or "", element, (*path, index))
        elif option.map_value is not None and isinstance(current, Mapping):
            for key, inner_value in current.items():
                if (after := _after(str(key), rest)) is not None:
                    yield from _matches(option.map_value, after, inner_value, (*path, str(key)))


def _decode(text: str, slots: list[Slot]) -> object:
    """A variable's text as the value for one of the slots.

    Raises:
        ValueError: JSON was needed; the message holds nothing of the text.
    """
    options = [option for slot in slots for option in slot.options()]
    scalar = any(option.is_scalar for option in options)
    is_list = any(option.element is not None for option in options)
    is_table = any(option.model is not None or option.map_value is not None for option in options)
    expected = " or ".join(
        example
        for wanted, example in ((is_list, 'a list, ["a", "b"],'), (is_table, 'a table, {"key": "value"},'))
        if wanted
    )
    if not expected or (scalar and text.lstrip()[:1] not in ("[", "{")):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if scalar:
            return text
        raise ValueError(f"must be {expected} as JSON") from None
    if (isinstance(value, list) and is_list) or (isinstance(value, dict) and is_table):
        return value
    if scalar:
        return text
    raise ValueError(f"must be {expected} as JSON")


def _build_tree(overrides: Overrides, file_tree: Mapping[str, object]) -> None:
    """Put the values together; a table or list first, then what other variables change inside it."""
    for path in sorted(overrides.values, key=_above_first):
        if not _put(overrides.tree, file_tree, path, overrides.values[path]):
            message = "the list is shorter: elements can only be added one after the other"
            overrides.problems.append(Problem("", 0, 0, dotted(path), message, "", overrides.variables[path]))


def _above_first(path: KeyPath) -> tuple[int, list[str]]:
    return len(path), [f"{key:06}" if isinstance(key, int) else key for key in path]


def _put(node: Any, base: object, path: KeyPath, value: object) -> bool:
    """Set a value in the sparse tree, with tables and lists on the way; False: it would leave a gap in a list."""
    for key, next_key in pairwise(path):
        base = _child(base, key)
        inner = _child(node, key)
        if isinstance(next_key, int) and not isinstance(inner, list):
            inner = deepcopy(base) if isinstance(base, list) else []
        elif isinstance(next_key, str) and not isinstance(inner, dict):
            inner = {}
        if not _set(node, key, inner):
            return False
        node = inner
    return _set(node, path[-1], value)


def _child(node: object, key: str | int) -> object:
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, list) and isinstance(key, int) and key < len(node):
        return node[key]
    return None


def _set(node: Any, key: str | int, value: object) -> bool:
    if isinstance(node, list) and isinstance(key, int) and key >= len(node):
        if key > len(node):
            return False
        node.append(value)
    else:
        node[key] = value
    return True


def _unmatched_hint(rest: str, tree: Mapping[str, object], roots: list[tuple[KeyPath, type[BaseModel]]]) -> str:
    known = [variable for path, model in roots for variable in variable_names(path, model, tree)]
    meant = nearest(rest, (variable[len(PREFIX) :] for variable in known))
    hint = f"did you mean {PREFIX}{meant}? " if meant else ""
    return f"{hint}a variable names a setting of a component that the file has; it never creates a component"


def variable_names(path: KeyPath, model: type[BaseModel], tree: Mapping[str, object]) -> list[str]:
    """The names of all variables that can set something below a table, as the file stands."""
    current: object = tree
    for key in path:
        current = current.get(key, _ABSENT) if isinstance(current, Mapping) else _ABSENT
    names: list[str] = []

    def walk(slot: Slot, value: object, below: KeyPath, outer: tuple[type[BaseModel], ...]) -> None:
        for option in slot.options():
            if option.model is not None and option.model not in outer:
                table = value if isinstance(value, Mapping) else _ABSENT
                for key, inner in fields(option.model).items():
                    walk(inner, table.get(key), (*below, key), (*outer, option.model))
            elif option.element is not None and isinstance(value, list):
                for index, element in enumerate(value):
                    walk(option.element, element, (*below, index), ())
            elif option.map_value is not None and isinstance(value, Mapping):
                for key, inner_value in value.items():
                    walk(option.map_value, inner_value, (*below, str(key)), ())
        if len(below) > len(path):
            names.append(PREFIX + "__".join(map(str, below)).upper())

    walk(Slot(model), current, path, ())
    return list(dict.fromkeys(names))
