"""A value is planted everywhere it can stand, and must not come out of any message."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from alloytrio.component import ComponentConfig
from alloytrio.config.document import Document
from alloytrio.config.load import load_document
from alloytrio.config.positions import KeyPath, Position
from alloytrio.config.problems import InvalidConfigError
from alloytrio.config.registry import COMPONENTS, ComponentTypes, by_type
from alloytrio.config.render import render_error
from alloytrio.config.settings import TABLES
from alloytrio.config.slots import Slot, fields
from tests.config.samples import CANARY, SAMPLES, read

REFERENCE = "${env:" + CANARY  # without its brace
SHAPES: tuple[object, ...] = (CANARY, [CANARY], {"can": CANARY}, [{"x": CANARY}], REFERENCE, [[CANARY]])
TYPES = {**SAMPLES, **COMPONENTS}


def places(slot: Slot, path: KeyPath, depth: int = 4) -> Iterator[KeyPath]:
    """Every place below a slot where a user can write something; lists have one element."""
    if path:
        yield path
    for option in slot.options() if depth else ():
        if option.model is not None:
            for key, inner in fields(option.model).items():
                yield from places(inner, (*path, key), depth - 1)
        elif option.element is not None:
            yield from places(option.element, (*path, 0), depth - 1)
        elif option.map_value is not None:
            yield from places(option.map_value, (*path, "key"), depth - 1)


def planted(path: KeyPath, value: object) -> object:
    """A tree with one value, at the path."""
    for key in reversed(path):
        value = [value] if isinstance(key, int) else {key: value}
    return value


def messages(data: dict[str, object], environ: dict[str, str], types: ComponentTypes) -> str:
    """All that is said about a tree."""
    document = Document("c.toml", Path(), "", data, {(key,): Position(1, 1) for key in data})
    try:
        load_document(document, environ, in_container=False, components=types)
    except InvalidConfigError as exc:
        return f"{exc} {exc!r} {exc.problems!r} {render_error(exc)} {exc.__cause__} {exc.__context__}"
    return ""


@pytest.mark.parametrize("config", TYPES.values(), ids=lambda config: config.component_type)
def test_components(config: type[ComponentConfig]) -> None:
    """Whatever stands wherever in a component, from the file or a variable, no message holds it."""
    root: KeyPath = (*config.component_type.split("."), "x")
    said = 0
    for path in dict.fromkeys(places(Slot(config), ())):
        for shape in SHAPES:
            text = messages(_table(planted((*root, *path), shape)), {}, by_type([config]))
            assert CANARY not in text, path
            said += bool(text)
        name = "ALLOYTRIO_" + "__".join(map(str, (*root, *path))).upper()
        text = messages(_table(planted(root, {})), {name: json.dumps(SHAPES[3])}, by_type([config]))
        assert CANARY not in text, path
    assert said or not fields(config)


@pytest.mark.parametrize("name", TABLES)
def test_service_tables(name: str) -> None:
    """The same for the service's own tables."""
    for path in places(Slot(TABLES[name]), ()):
        for shape in SHAPES:
            assert CANARY not in messages(_table(planted((name, *path), shape)), {}, SAMPLES), path
        variable = "ALLOYTRIO_" + "__".join(map(str, (name, *path))).upper()
        assert CANARY not in messages({}, {variable: CANARY}, SAMPLES), path


def _table(tree: object) -> dict[str, object]:
    assert isinstance(tree, dict)
    return tree


def test_loaded_secrets_do_not_show() -> None:
    """Once loaded, secrets and header values show in no text of the settings."""
    text = (
        f'[otelcol.exporter.otlp.t]\nclient = {{ endpoint = "x", headers = {{ a = "{CANARY}" }}, '
        f'tls = {{ ca_pem = "{CANARY}" }} }}\n[[loki.write.w.endpoint]]\nurl = "x"\npassword = "${{env:P}}"\n'
    )
    loaded = read(text, {"P": CANARY})
    shown = [loaded.shown_values(component_id) for component_id in loaded.settings.components]
    dumped = loaded.settings.model_dump_json()
    for form in (repr(loaded), repr(loaded.settings), str(loaded.settings), dumped, repr(shown), repr(loaded.edges)):
        assert CANARY not in form
