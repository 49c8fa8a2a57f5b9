"""The JSON schema of a configuration file, for editors that complete and check TOML."""

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from alloytrio.component import ComponentConfig
from alloytrio.config.registry import COMPONENTS
from alloytrio.config.settings import TABLES

LABEL_PATTERN = "^[a-z](_?[a-z0-9]+)*_?$"

Schema = dict[str, Any]


def schema(components: Sequence[type[ComponentConfig]] = COMPONENTS) -> Schema:
    """The JSON schema (draft 2020-12) of a whole file.

    Args:
        components: the known component types.
    """
    models = [*TABLES.values(), *components]
    references, document = models_json_schema([(model, "validation") for model in models], by_alias=True)
    properties: Schema = {name: references[model, "validation"] for name, model in TABLES.items()}
    for component in components:
        *namespaces, name = component.component_type.split(".")
        table = properties
        for namespace in namespaces:
            inner = table.setdefault(namespace, {"type": "object", "additionalProperties": False, "properties": {}})
            table = inner["properties"]
        table[name] = {
            "type": "object",
            "description": f"{component.component_type}, by label",
            "additionalProperties": False,
            "patternProperties": {LABEL_PATTERN: references[component, "validation"]},
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "alloytrio",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": document.get("$defs", {}),
    }
