"""One way in for all languages: a text → the tables that mean the same, checked as far as that is possible here."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from alloytrio.config.alloy.convert import Converted, convert
from alloytrio.config.alloy.diagnostics import AlloyError, Diagnostic
from alloytrio.config.alloy.evaluator import Surroundings
from alloytrio.config.alloy.load import any_machine, as_document, parse_path
from alloytrio.config.alloy.parser import parse
from alloytrio.config.convert.otelcol import convert_otelcol
from alloytrio.config.convert.promtail import convert_promtail
from alloytrio.config.load import load_document
from alloytrio.config.problems import dotted
from alloytrio.config.registry import COMPONENTS, ComponentTypes

Language = Literal["alloy", "promtail", "otelcol"]


def _alloy(text: str, name: str) -> Converted:
    return convert(parse(text, name), Surroundings(None, any_machine()))


_CONVERTERS: dict[Language, Callable[[str, str], Converted]] = {
    "alloy": _alloy,
    "promtail": convert_promtail,
    "otelcol": convert_otelcol,
}


def convert_file(
    text: str, name: str, language: Language, folder: Path, components: ComponentTypes = COMPONENTS
) -> Converted:
    """The tables of a file in another language; the report holds what our models say about them too.

    Args:
        text: of the file.
        name: for messages.
        language: it is written in.
        folder: where relative names of files start.
        components: the known component types.

    Raises:
        AlloyError: the text is not in its language.
    """
    return _checked(_CONVERTERS[language](text, name), folder, components)


def convert_folder(path: Path) -> Converted:
    """The tables of all Alloy files in a folder, which count as one.

    Raises:
        InvalidConfigError: there are none, or one cannot be read.
        AlloyError: a text is not Alloy.
    """
    return _checked(convert(parse_path(path), Surroundings(None, any_machine())), path, COMPONENTS)


def _checked(converted: Converted, folder: Path, components: ComponentTypes) -> Converted:
    if converted.errors:
        return converted  # what is left out would make the models complain about its neighbours
    found = _refused(converted, folder, components)
    report = sorted([*converted.report, *found], key=lambda each: (each.source.name, each.span.start))
    return replace(converted, report=tuple(report))


def _refused(converted: Converted, folder: Path, components: ComponentTypes) -> list[Diagnostic]:
    """What the models refuse. Texts that refer to the environment of another machine cannot be judged here."""
    unknown = {dotted(part) for path in _with_references(converted.data) for part in _and_lists(path)}
    try:
        load_document(as_document(converted, folder), {}, in_container=False, components=components)
    except AlloyError as error:
        return [each for each in error.diagnostics if each.message.partition(": ")[0] not in unknown]
    return []


def _and_lists(path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """A path, and those of the lists around it, which lack an element whose value is not known."""
    yield path
    yield from (path[:index] for index, key in enumerate(path) if isinstance(key, int))


def _with_references(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _with_references(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _with_references(each, (*path, index))
    elif isinstance(value, str) and "${" in value:
        yield path
