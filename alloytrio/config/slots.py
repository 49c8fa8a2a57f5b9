"""The shape of config models, read from their annotations: which keys there are and what may stand in them.

A *slot* is a place for a value: an annotation and the metadata around it. Unions are taken apart, so that a slot's
options are each a model, a list, a map or a scalar.
"""

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from alloytrio.config.positions import KeyPath
from alloytrio.values import EdgeTo


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value.

    Args:
        annotation: a type, possibly generic or a union.
        metadata: what ``Annotated`` put around it, outermost last.
    """

    annotation: Any
    metadata: tuple[object, ...] = ()

    def options(self) -> Iterator["Slot"]:
        """What may stand here, with unions and ``Annotated`` taken apart; ``None`` is left out."""
        origin = get_origin(self.annotation)
        if origin is Annotated:
            inner, *metadata = get_args(self.annotation)
            yield from Slot(inner, (*metadata, *self.metadata)).options()
        elif origin is Union or origin is types.UnionType:
            for member in get_args(self.annotation):
                yield from Slot(member, self.metadata).options()
        elif self.annotation is not types.NoneType:
            yield self

    @property
    def model(self) -> type[BaseModel] | None:
        """The config model that stands here, if this option is one."""
        is_model = isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel)
        return self.annotation if is_model else None

    @property
    def element(self) -> "Slot | None":
        """The slot of a list's elements, if this option is a list."""
        origin = get_origin(self.annotation) or self.annotation
        if origin not in (list, tuple, set, frozenset, Sequence):
            return None
        arguments = get_args(self.annotation)
        return Slot(arguments[0] if arguments else Any)

    @property
    def map_value(self) -> "Slot | None":
        """The slot of a map's values, if this option is a map with keys of the user's choice."""
        origin = get_origin(self.annotation) or self.annotation
        if origin not in (dict, Mapping):
            return None
        arguments = get_args(self.annotation)
        return Slot(arguments[1] if arguments else Any)

    @property
    def is_scalar(self) -> bool:
        """Neither a model nor a list nor a map."""
        return self.model is None and self.element is None and self.map_value is None


@cache
def fields(model: type[BaseModel]) -> dict[str, Slot]:
    """The slots of a model by the key that a user writes, in the order of the model."""
    slots = {}
    for name, info in model.model_fields.items():
        alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
        slots[alias or name] = Slot(info.annotation, tuple(info.metadata))
    return slots


def value_of(container: object, key: str, model: type[BaseModel]) -> object:
    """What a raw table or a built model holds under a user's key; None if nothing."""
    if isinstance(container, Mapping):
        return container.get(key)
    for name, info in model.model_fields.items():
        if key in (info.validation_alias, info.alias, name):
            return getattr(container, name, None)
    return None


@dataclass(frozen=True, slots=True)
class EdgeText:
    """The name of another component, as written in a config.

    Args:
        path: where it stands, from the component's table.
        edge: what may be named there.
        text: the name.
    """

    path: KeyPath
    edge: EdgeTo
    text: str


def edge_texts(model: type[BaseModel], value: object) -> list[EdgeText]:
    """All names of other components in a raw table or a built model, in the order of the model's fields."""
    found: dict[KeyPath, EdgeText] = {}
    for edge in _edges(Slot(model), value, ()):
        found.setdefault(edge.path, edge)
    return list(found.values())


def _edges(slot: Slot, value: object, path: KeyPath) -> Iterator[EdgeText]:
    for option in slot.options():
        if option.model is not None and isinstance(value, (Mapping, option.model)):
            for key, inner in fields(option.model).items():
                yield from _edges(inner, value_of(value, key, option.model), (*path, key))
        elif option.element is not None and isinstance(value, (list, tuple)):
            for index, element in enumerate(value):
                yield from _edges(option.element, element, (*path, index))
        elif option.map_value is not None and isinstance(value, Mapping):
            for key, element in value.items():
                yield from _edges(option.map_value, element, (*path, key))
        elif isinstance(value, str):
            for edge in option.metadata:
                if isinstance(edge, EdgeTo):
                    yield EdgeText(path, edge, value)


def options_at(model: type[BaseModel], path: KeyPath) -> list[Slot]:
    """What may stand at a path below a model; empty if the model has no such place."""
    options = [Slot(model)]
    for key in path:
        inner: list[Slot] = []
        for option in options:
            if option.model is not None:
                slot = fields(option.model).get(str(key))
            elif option.element is not None:
                slot = option.element if isinstance(key, int) else None
            else:
                slot = option.map_value
            inner += slot.options() if slot is not None else ()
        options = inner
    return options
