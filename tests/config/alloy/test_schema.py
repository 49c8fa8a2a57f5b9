"""The schema says what our models have: every key it takes over is one of theirs, every other one is none."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from alloytrio.component import ComponentConfig
from alloytrio.config.alloy.plain import is_equal
from alloytrio.config.alloy.schema import COMPONENTS
from alloytrio.config.alloy.schema.kinds import SAME, BlockSchema, Level, Support, Type
from alloytrio.config.alloy.schema.others import OTHER_COMPONENTS
from alloytrio.config.alloy.schema.service import BLOCKS, REFUSED
from alloytrio.config.registry import COMPONENTS as REGISTERED
from alloytrio.config.settings import TABLES
from alloytrio.config.slots import Slot, fields
from alloytrio.values import Kind

KNOWN: list[type[ComponentConfig]] = list(REGISTERED.values())
MODELS = {each.component_type: each for each in KNOWN}
TYPES = {kind: Type.HANDLER if kind is Kind.AUTH else Type[kind.name] for kind in Kind}
ELSEWHERE = {"http": ["http.auth", "http.tls.client_auth_type"]}
"""What our tables say in other words."""
SCHEMAS = {name: schema.block for name, schema in COMPONENTS.items()}


def inner_model(slot: Slot) -> type[BaseModel] | None:
    """The model of a table, or of the tables in a list."""
    for option in slot.options():
        if option.model is not None:
            return option.model
        if option.element is not None and (found := inner_model(option.element)):
            return found
    return None


def differences(schema: BlockSchema, model: type[BaseModel], path: str, depth: int = 3) -> Iterator[str]:
    """Where schema and model do not say the same."""
    slots = fields(model)
    for argument in schema.arguments:
        if (argument.support is SAME) != (argument.name in slots):
            yield f"{path}.{argument.name} is {argument.support.level.name}, but the model says otherwise"
    for block in schema.blocks:
        key = block.name
        if schema.ordered and block.name.startswith("stage."):
            inner = inner_model(slots["stage"])
            assert inner is not None
            found, key = fields(inner), block.name.removeprefix("stage.")
        else:
            found = slots
        if (block.support is SAME) != (key in found):
            yield f"{path}.{block.name} is {block.support.level.name}, but the model says otherwise"
        elif block.support is SAME and depth and (below := inner_model(found[key])):
            yield from differences(block, below, f"{path}.{block.name}", depth - 1)


@pytest.mark.parametrize("name", sorted(set(MODELS) & set(SCHEMAS)))
def test_schema_agrees_with_model(name: str) -> None:
    """What the schema takes over, the model has; what it leaves out, the model has not."""
    assert list(differences(SCHEMAS[name], MODELS[name], name)) == []


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"recorder.memory"}))
def test_every_component_has_a_schema(name: str) -> None:
    """A component that Alloy has can be converted."""
    assert name in SCHEMAS
    exports = {export: TYPES[kind] for export, kind in MODELS[name].exports.items()}
    assert COMPONENTS[name].exports == exports


@pytest.mark.parametrize(("name", "table"), [("logging", "logging"), ("http", "admin")])
def test_service_blocks_agree_with_tables(name: str, table: str) -> None:
    """The same for the blocks that are no components; the page's credentials are in another place here."""
    found = list(differences(BLOCKS[name], TABLES[table], name))
    assert [each.split(" ")[0] for each in found] == ELSEWHERE.get(name, [])


def every_block(schema: BlockSchema, depth: int = 4) -> Iterator[BlockSchema]:
    """A block and all below it, ``match`` in ``match`` a few times."""
    yield schema
    for block in schema.blocks if depth else ():
        yield from every_block(block, depth - 1)


def test_what_is_left_out_has_a_reason() -> None:
    """Each support that is not "the same" says why, in the words of a report; an error says what to do."""
    blocks = [each for schema in (*SCHEMAS.values(), *BLOCKS.values()) for each in every_block(schema)]
    supports: list[Support] = [*OTHER_COMPONENTS.values(), *REFUSED.values()]
    supports += [block.support for block in blocks]
    supports += [argument.support for block in blocks for argument in block.arguments]
    for support in supports:
        assert (support is SAME) == (not support.why)
        assert not support.why.endswith(".")
        assert support.level is not Level.UNSUPPORTED or support.instead


def test_defaults_fit_their_types() -> None:
    """A default is equal to itself under the rules of its type; durations and sizes can be read."""
    for schema in (*SCHEMAS.values(), *BLOCKS.values()):
        for block in every_block(schema):
            for argument in block.arguments:
                if isinstance(argument.default, (str, int, float, bool, list)):
                    value = argument.default
                    assert is_equal(list(value) if isinstance(value, list) else value, value, argument.type), argument


def test_names_are_unique() -> None:
    """No name is twice in a block, or in two of the lists of components."""
    for schema in (*SCHEMAS.values(), *BLOCKS.values()):
        for block in every_block(schema):
            names = [*(each.name for each in block.arguments), *(each.name for each in block.blocks)]
            assert len(names) == len(set(names)), block.name
    everything = [*COMPONENTS, *BLOCKS, *OTHER_COMPONENTS, *REFUSED]
    assert len(everything) == len(set(everything))
