"""The sources that pydantic-settings merges into `Settings`, the first one wins: environment, file, place."""

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from alloytrio.config.positions import KeyPath
from alloytrio.config.settings import ADMIN_PORT, TABLES
from alloytrio.config.tables import ComponentPlace


class TreeSource(PydanticBaseSettingsSource):
    """A tree of tables, shaped like the file.

    Args:
        settings_cls: what is built.
        tree: the tables; those of no known component are left out.
        components: the components by id.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], tree: Mapping[str, object], components: Mapping[str, ComponentPlace]
    ) -> None:
        super().__init__(settings_cls)
        self._values: dict[str, Any] = {name: tree[name] for name in TABLES if name in tree}
        tables = {each.component_id: table_at(tree, each.path) for each in components.values()}
        self._values["components"] = {name: table for name, table in tables.items() if table is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one field of `Settings`, as pydantic-settings asks for it."""
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All values, by field of `Settings`."""
        return self._values


class EnvironmentSource(TreeSource):
    """What environment variables set; see `environment`."""


class FileSource(TreeSource):
    """What the file says."""


class PlaceSource(PydanticBaseSettingsSource):
    """Defaults that depend on where the process runs: ports of a container can only be reached on all interfaces."""

    def __init__(self, settings_cls: type[BaseSettings], *, in_container: bool) -> None:
        super().__init__(settings_cls)
        self._values = {"admin": {"listen_addr": f"0.0.0.0:{ADMIN_PORT}"}} if in_container else {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one field of `Settings`, as pydantic-settings asks for it."""
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All values, by field of `Settings`."""
        return self._values


def table_at(tree: Mapping[str, object], path: KeyPath) -> object:
    """What stands at a path of tables; None if nothing."""
    value: object = tree
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
