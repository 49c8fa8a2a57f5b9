"""Which tables of a file are the service's own, and which are components, by the names of the tables."""

import re
from dataclasses import dataclass, field

from alloytrio.component import ComponentConfig
from alloytrio.config.document import Document
from alloytrio.config.positions import KeyPath
from alloytrio.config.problems import Problem, name_hint, nearest
from alloytrio.config.registry import ComponentTypes
from alloytrio.config.settings import TABLES
from alloytrio.config.slots import fields

_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_LABEL_RULE = 'a label is lower-case letters, digits and single "_", and starts with a letter'


@dataclass(frozen=True, slots=True)
class ComponentPlace:
    """One component of a file.

    Args:
        component_id: ``type.label``.
        config: the model of its type.
        path: of its table, from the file's root.
    """

    component_id: str
    config: type[ComponentConfig]
    path: KeyPath


@dataclass(slots=True)
class Sorted:
    """The tables of a file.

    Args:
        components: by id, in file order.
        unknown: dotted names of tables whose type is unknown; edges to what is below them are not reported again.
        problems: unknown tables and types, bad labels.
    """

    components: dict[str, ComponentPlace] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def sort_tables(document: Document, types: ComponentTypes) -> Sorted:
    """Walk the tables from the root as far as the labels."""
    sorting = _Sorting(document, types)
    for name, value in document.data.items():
        if name in TABLES:
            continue
        if any(_root(known) == name for known in types):
            sorting.namespace((name,), value)
        else:
            sorting.unknown_root(name)
    found = sorting.found
    order = {path: index for index, path in enumerate(document.positions)}
    in_order = sorted(found.components.values(), key=lambda place: order.get(place.path, len(order)))
    found.components = {place.component_id: place for place in in_order}
    return found


def _root(dotted_name: str) -> str:
    return dotted_name.partition(".")[0]


class _Sorting:
    """The walk: `namespace` until a type is complete, then `labels`."""

    def __init__(self, document: Document, types: ComponentTypes) -> None:
        self.document = document
        self.types = types
        self.found = Sorted()
        self.prefixes = {".".join(parts[:n]) for parts in (t.split(".") for t in types) for n in range(1, len(parts))}

    def problem(self, path: KeyPath, message: str, hint: str = "") -> None:
        self.found.problems.append(self.document.problem(path, message, hint))

    def unknown_root(self, name: str) -> None:
        value = self.document.data[name]
        what = "table" if isinstance(value, (dict, list)) else "key"
        self.found.unknown.append(name)
        names = [*TABLES, *sorted({_root(known) for known in self.types})]
        self.problem((name,), f"unknown {what}", name_hint(name, names))

    def namespace(self, path: KeyPath, value: object) -> None:
        """A table below which component types go on, such as ``[otelcol]``."""
        name = ".".join(map(str, path))
        if not isinstance(value, dict):
            self.problem(path, "must be a table", self._type_hint(name))
            return
        for key, inner in value.items():
            below = f"{name}.{key}"
            if below in self.types:
                self.labels(below, (*path, key), inner)
            elif below in self.prefixes:
                self.namespace((*path, key), inner)
            else:
                self.found.unknown.append(below)
                self.problem((*path, key), "unknown component type", self._type_hint(below))

    def _type_hint(self, name: str) -> str:
        """The types near a wrong name: those in the same namespace, if there are any."""
        if name in self.prefixes:
            inside = sorted(known for known in self.types if known.startswith(f"{name}."))
            return f"component types: {', '.join(inside)}"
        level = name.count(".")
        same_level = {".".join(known.split(".")[: level + 1]) for known in self.types}
        meant = nearest(name, same_level) or nearest(name, self.types)
        hint = f'did you mean "{meant}"? ' if meant else ""
        return f"{hint}component types: {', '.join(sorted(self.types))}"

    def labels(self, component_type: str, path: KeyPath, value: object) -> None:
        """The table of one component type: each key is a label."""
        config = self.types[component_type]
        if isinstance(value, list) or not isinstance(value, dict):
            self.problem(path, "needs a label", f"write [{component_type}.default]")
            return
        labels: dict[str, str] = {}
        for label, table in value.items():
            place = (*path, label)
            keys = fields(config)
            if label in keys and not (isinstance(table, dict) and table.keys() <= keys.keys()):
                self.problem(place, f"{component_type} needs a label", f"write [{component_type}.default] above it")
            elif not isinstance(table, dict):
                self.problem(place, "must be a table", f"a component is written [{component_type}.{label}]")
            else:
                self.component(config, place, labels)

    def component(self, config: type[ComponentConfig], path: KeyPath, labels: dict[str, str]) -> None:
        """The table of one component; ``labels`` are those of the same type so far, by their lower-case form."""
        label = str(path[-1])
        first = labels.setdefault(label.casefold(), label)
        if first != label:
            line = at.line if (at := self.document.position((*path[:-1], first))) else 0
            self.problem(path, f'the label differs from "{first}" in line {line} only by case', _LABEL_RULE)
        elif not _LABEL.fullmatch(label) or "__" in label:
            self.problem(path, "not a label", _LABEL_RULE)
        component_id = f"{config.component_type}.{label}"
        self.found.components[component_id] = ComponentPlace(component_id, config, path)
