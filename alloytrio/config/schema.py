"""The JSON schema of a configuration file, for editors that complete and check TOML.

It differs from pydantic's own in three ways: defaults are written as a user writes them (``"5s"``, ``"4MiB"``),
numbers and booleans may also be texts with a reference (``"${env:SIZE}"``), and there is no null, since TOML has none.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from alloytrio.config.registry import COMPONENTS, ComponentTypes
from alloytrio.config.settings import TABLES
from alloytrio.values import format_duration, format_size

LABEL_PATTERN = "^[a-z]([a-z0-9]|_(?!_))*$"
_REFERENCE = {"type": "string", "pattern": r"\$\{(env|file):"}


def schema(components: ComponentTypes = COMPONENTS) -> JsonSchemaValue:
    """The JSON schema (draft 2020-12) of a whole file.

    Args:
        components: the known component types.
    """
    models = [*TABLES.values(), *components.values()]
    references, document = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, schema_generator=_Generator
    )
    properties: JsonSchemaValue = {name: references[model, "validation"] for name, model in TABLES.items()}
    for component_type, component in components.items():
        *namespaces, name = component_type.split(".")
        table = properties
        for namespace in namespaces:
            inner = table.setdefault(namespace, {"type": "object", "additionalProperties": False, "properties": {}})
            table = inner["properties"]
        table[name] = {
            "type": "object",
            "description": f"{component_type}, by label",
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


class _Generator(GenerateJsonSchema):
    """See the module's docstring for what is different."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), _REFERENCE]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), _REFERENCE]}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"anyOf": [super().bool_schema(schema), _REFERENCE]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        generated = super().default_schema(schema)
        if generated.get("default", ...) is None:
            del generated["default"]
        writer = _writer(schema["schema"])
        if writer in (format_duration, format_size) and "default" in generated:
            generated["default"] = writer(generated["default"])
        return generated


def _writer(inner: Mapping[str, Any]) -> Any:
    """The function by which a value is written, if a core schema has one."""
    if writer := inner.get("serialization", {}).get("function"):
        return writer
    return _writer(inner["schema"]) if "schema" in inner else None
