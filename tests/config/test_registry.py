"""What every registered component type must keep to, so that files, variables and edges work for it."""

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, SecretStr

from alloytrio.component import ComponentConfig
from alloytrio.config.registry import COMPONENTS
from alloytrio.config.slots import Slot, fields
from alloytrio.values import Kind

SECRET_NAMES = {"password", "token", "bearer_token", "client_secret", "credentials", "key_pem"}
EVERY = pytest.mark.parametrize("config", COMPONENTS.values(), ids=lambda config: config.component_type)


def keys(model: type[BaseModel], outer: tuple[type[BaseModel], ...] = ()) -> Iterator[tuple[str, Slot]]:
    """Every key of a model and of the models inside it."""
    for key, slot in fields(model).items():
        yield key, slot
        waiting = list(slot.options())
        while waiting:
            option = waiting.pop()
            if option.model is not None and option.model not in outer:
                yield from keys(option.model, (*outer, model))
            inner = option.element or option.map_value
            waiting += inner.options() if inner else ()


def test_types_are_distinct() -> None:
    """No type is the namespace of another."""
    types = list(COMPONENTS)
    assert not [(one, two) for one in types for two in types if two.startswith(f"{one}.")]


@EVERY
def test_type_is_the_module(config: type[ComponentConfig]) -> None:
    """A component's type is the path of its module, under which the registry finds it."""
    assert COMPONENTS[config.component_type] is config
    assert f"{config.__module__}.".startswith(f"alloytrio.{config.component_type}.")


@EVERY
def test_exports(config: type[ComponentConfig]) -> None:
    """Exports have the names that edges can end in."""
    for export, kind in config.exports.items():
        assert re.fullmatch(r"[a-z]+", export)
        assert isinstance(kind, Kind)


@EVERY
def test_keys(config: type[ComponentConfig]) -> None:
    """Keys can be named in variables: lower-case words without a double underscore, explained in the schema."""
    for key, _ in keys(config):
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", key), key


@EVERY
def test_models_are_strict(config: type[ComponentConfig]) -> None:
    """Every model refuses keys that it does not know, and cannot be changed."""
    for _, slot in [("", Slot(config)), *keys(config)]:
        for option in slot.options():
            if option.model is not None:
                assert option.model.model_config.get("extra") == "forbid", option.model
                assert option.model.model_config.get("frozen") is True, option.model


@EVERY
def test_secrets(config: type[ComponentConfig]) -> None:
    """Passwords, tokens, private keys and header values are of a type that does not show them."""
    for key, slot in keys(config):
        for option in slot.options():
            if key in SECRET_NAMES:
                assert option.annotation is SecretStr, key
            if key.endswith("headers") and option.map_value is not None:
                values = [inner.element or inner for inner in option.map_value.options()]
                assert all(value.annotation is SecretStr for value in values), key
