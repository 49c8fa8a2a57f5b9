"""Where each value came from, and a component's configuration as the page may show it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, SecretBytes, SecretStr

from alloytrio.config.positions import KeyPath, Position

SECRET = "(secret)"

_PART = re.compile(r"""("(?:[^"\\]|\\.)*")|\[(\d+)\]|([^."\[\]]+)""")

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What JSON can hold."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from.

    Args:
        source: the kind of place.
        file: the file's name; with it ``line`` and ``column`` from 1.
        variable: the name of the environment variable that overrode the file.
        references: what was put into the text: ``env:TOKEN``, ``file:/run/secrets/token``.
    """

    source: Literal["file", "environment", "default"]
    file: str = ""
    line: int = 0
    column: int = 0
    variable: str = ""
    references: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``alloytrio.toml:12``, ``ALLOYTRIO_ADMIN__LISTEN_ADDR`` or ``default``."""
        place = {"file": f"{self.file}:{self.line}", "environment": self.variable, "default": "default"}[self.source]
        return f"{place} ({', '.join(self.references)})" if self.references else place


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins of all values of one load.

    Args:
        file: the file's name.
        positions: what the file says, by path.
        variables: what environment variables set, by path; everything below such a path came from the variable.
        references: texts of the file that had something put into them, by path.
        component_ids: to tell the id at the start of a dotted path from the keys behind it.
    """

    file: str
    positions: Mapping[KeyPath, Position]
    variables: Mapping[KeyPath, str]
    references: Mapping[KeyPath, tuple[str, ...]]
    component_ids: frozenset[str]

    def find(self, path: KeyPath | str) -> Origin:
        """The origin of a leaf; see `Settings.provenance`."""
        keys = self._keys(path)
        for length in range(len(keys), 0, -1):
            if variable := self.variables.get(keys[:length]):
                return Origin("environment", variable=variable)
        if place := self.positions.get(keys):
            return Origin("file", self.file, place.line, place.column, references=self.references.get(keys, ()))
        return Origin("default")

    def _keys(self, path: KeyPath | str) -> KeyPath:
        """The path from the file's root."""
        parts = parse_path(path) if isinstance(path, str) else path
        if parts and parts[0] in self.component_ids:
            return (*str(parts[0]).split("."), *parts[1:])
        return parts


def parse_path(text: str) -> KeyPath:
    """``a.b[0]."c.d"`` → ``("a", "b", 0, "c.d")``: the reverse of `dotted`."""
    parts = _PART.findall(text)
    return tuple(json.loads(quoted) if quoted else int(index) if index else key for quoted, index, key in parts)


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One leaf of a component's configuration, as the page shows it.

    Args:
        path: from the component's table.
        value: with secrets hidden; durations and sizes as a user writes them.
        origin: where it came from.
    """

    path: KeyPath
    value: Plain
    origin: Origin


def redacted(config: BaseModel) -> dict[str, Plain]:
    """A config as plain JSON values, defaults filled in, secrets as ``(secret)``."""
    return {str(key): _plain(value) for key, value in config.model_dump(by_alias=True).items()}


def shown_values(component_id: str, config: BaseModel, origins: Origins) -> list[ShownValue]:
    """Every leaf of a config in the order of its model; a leaf whose origin is ``default`` was not written."""
    leaves: list[ShownValue] = []

    def walk(value: Plain, path: KeyPath) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, (*path, key))
        elif isinstance(value, list) and value:
            for index, inner in enumerate(value):
                walk(inner, (*path, index))
        else:
            leaves.append(ShownValue(path, value, origins.find((component_id, *path))))

    for key, value in redacted(config).items():
        walk(value, (key,))
    return leaves


def _plain(value: object) -> Plain:
    match value:
        case SecretStr() | SecretBytes():
            return SECRET if value.get_secret_value() else ""
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return _plain(value.value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case Path():
            return str(value)
        case _:
            return str(value)
