"""From a file and the environment to checked settings, or to the list of everything that is wrong.

In: a TOML file (or a `Document` of another language, or nothing: the embedded default) and the environment.
Out: `LoadedConfig`.
Errors: `InvalidConfigError` with all problems at once; only what is not TOML at all is reported alone.

The steps, each of which adds to the problems and lets the next go on: tables are sorted into components, references
in texts are replaced, variables of the environment are matched, pydantic reads the merged tree, edges are resolved.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from alloytrio.component import ComponentConfig
from alloytrio.config.alloy.files import is_alloy
from alloytrio.config.default import default_document
from alloytrio.config.document import Document, read_file
from alloytrio.config.edges import Edge, EdgeError, edges, find_cycles, resolve
from alloytrio.config.environment import Overrides, read_overrides
from alloytrio.config.interpolate import Interpolated, Surroundings, interpolate_tree
from alloytrio.config.messages import Finding, findings, mistyped
from alloytrio.config.positions import KeyPath, Position
from alloytrio.config.problems import Problem, dotted, in_reading_order
from alloytrio.config.provenance import Origins, ShownValue, shown_values
from alloytrio.config.registry import COMPONENTS, ComponentTypes
from alloytrio.config.settings import TABLES, Settings, settings_class
from alloytrio.config.slots import edge_texts
from alloytrio.config.sources import EnvironmentSource, FileSource, PlaceSource, table_at
from alloytrio.config.tables import Sorted, sort_tables

_FINGERPRINT_KEY = secrets.token_bytes(32)  # fingerprints say nothing about short secrets outside this process
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))  # Docker, Podman
_CONTAINER_VARIABLES = ("container", "KUBERNETES_SERVICE_HOST")  # systemd and Podman; any pod


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration that can be run.

    Args:
        settings: the values.
        edges: how the components are connected; without cycles.
        source_text: the file as it was read, or the embedded default.
        path: the file; None for the embedded default.
        warnings: what was not taken over from a file in another language.
    """

    settings: Settings
    edges: tuple[Edge, ...]
    source_text: str = field(repr=False)
    path: Path | None
    _origins: Origins = field(repr=False)
    warnings: tuple[Problem, ...] = ()

    def positions(self) -> Mapping[KeyPath, Position]:
        """Where each key and list element stands in ``source_text``, by its path from the root."""
        return self._origins.positions

    def fingerprint(self, component_id: str) -> str:
        """Equal for two loads in this process if and only if the component's values are; shows no value."""
        return _fingerprint(self.settings.components[component_id])

    def shown_values(self, component_id: str) -> list[ShownValue]:
        """A component's values for the page: secrets hidden, each with its origin."""
        return shown_values(component_id, self.settings.components[component_id], self._origins)


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    in_container: bool | None = None,
    components: ComponentTypes = COMPONENTS,
    bypass_errors: bool = False,
) -> LoadedConfig:
    """Read a configuration.

    Args:
        path: a TOML file, by its suffix an Alloy file, or a folder of Alloy files; None: the embedded default.
        environ: overrides, and what ``${env:…}`` refers to.
        in_container: default addresses are all interfaces instead of loopback; None: find out.
        components: the known component types.
        bypass_errors: leave out what is not supported of an Alloy file, instead of refusing the file.

    Raises:
        InvalidConfigError: all that is wrong.
    """
    if in_container is None:
        in_container = is_in_container(environ)
    document = (
        read(path, environ, bypass_errors=bypass_errors)
        if path
        else default_document(environ, in_container=in_container)
    )
    return load_document(document, environ, in_container=in_container, components=components, path=path)


def read(path: Path, environ: Mapping[str, str], *, bypass_errors: bool = False) -> Document:
    """The document in a TOML file or, by its suffix, in an Alloy file; a folder is one of Alloy files.

    Raises:
        InvalidConfigError: it cannot be read, or is not in its language.
    """
    if is_alloy(path):
        from alloytrio.config.alloy.load import read_alloy  # a language that most configurations do not use

        return read_alloy(path, environ, bypass_errors=bypass_errors)
    return read_file(path)


def load_document(
    document: Document,
    environ: Mapping[str, str],
    *,
    in_container: bool,
    components: ComponentTypes = COMPONENTS,
    path: Path | None = None,
) -> LoadedConfig:
    """The same as `load` for a document that was read already, in TOML or another language."""
    sorted_tables = sort_tables(document, components)
    checking = _Checking(document, environ, sorted_tables)
    checking.run()
    used = dict.fromkeys(place.config for place in sorted_tables.components.values())
    settings = checking.settings(settings_class(tuple(used)), in_container=in_container)
    if checking.problems or settings is None:
        raise document.error(in_reading_order(checking.problems))
    origins = checking.origins()
    settings._origins = origins
    return LoadedConfig(settings, tuple(edges(settings)), document.text, path, origins, tuple(document.warnings))


def is_in_container(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a container, as far as one can tell."""
    return any(mark.exists() for mark in _CONTAINER_MARKS) or any(name in environ for name in _CONTAINER_VARIABLES)


class _Checking:
    """One load: the steps in the order of the module's docstring, and the problems they find."""

    def __init__(self, document: Document, environ: Mapping[str, str], tables: Sorted) -> None:
        self.document = document
        self.tables = tables
        self.places = tables.components
        self.interpolated: Interpolated = interpolate_tree(document.data, Surroundings(environ, document.folder))
        self.overrides: Overrides = read_overrides(environ, self.interpolated.data, self.places)
        self.file_tree = _without(self.interpolated.data, self.overrides)
        self.problems: list[Problem] = [*tables.problems, *self.overrides.problems]

    def run(self) -> None:
        """All checks but pydantic's."""
        for path, error in self.interpolated.errors.items():
            if self.overrides.covers(path) is None:
                self.problems.append(self.document.problem(path, error.message, error.hint))
        for root, model in self._roots():
            for finding in mistyped(model, table_at(self.document.data, root)):
                path = (*root, *finding.path)
                if self.overrides.covers(path) is None and path not in self.interpolated.references:
                    self._report(root, finding)
        self._check_edges()

    def settings(self, cls: type[Settings], *, in_container: bool) -> Settings | None:
        """What pydantic makes of the merged sources; None if it found problems."""
        sources = (
            EnvironmentSource(cls, self.overrides.tree, self.places),
            FileSource(cls, self.file_tree, self.places),
            PlaceSource(cls, in_container=in_container),
        )
        try:
            return cls(sources=sources)  # type: ignore[call-arg]  # goes to settings_customise_sources
        except ValidationError as exc:
            details = exc.errors(include_url=False, include_input=False)
        for root, model in self._roots():
            own = list(self._own_errors(root, details))
            for finding in findings(model, self._merged_table(root), own):
                self._report(root, finding)
        if not self.problems:  # never seen; but what pydantic refuses is not run
            self.problems.append(Problem(self.document.name, 0, 0, "", "is not valid"))
        return None

    def origins(self) -> Origins:
        """Where each value came from."""
        variables = self.overrides.variables
        return Origins(
            self.document.name,
            self.document.positions,
            variables,
            self.interpolated.references,
            frozenset(self.places),
        )

    def _roots(self) -> list[tuple[KeyPath, type[BaseModel]]]:
        tables: list[tuple[KeyPath, type[BaseModel]]] = [((name,), model) for name, model in TABLES.items()]
        return tables + [(place.path, place.config) for place in self.places.values()]

    def _own_errors(self, root: KeyPath, details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
        """The errors below one table, with ``loc`` relative to it."""
        component_id = next((place.component_id for place in self.places.values() if place.path == root), None)
        start: tuple[str | int, ...] = root if component_id is None else ("components", component_id)
        skipped = len(start) + (0 if component_id is None else 1)  # a component's type follows its id
        for error in details:
            if error["loc"][: len(start)] == start:
                yield {**error, "loc": error["loc"][skipped:]}

    def _merged_table(self, root: KeyPath) -> object:
        file_table, own_table = table_at(self.file_tree, root), table_at(self.overrides.tree, root)
        return _merge(file_table if file_table is not None else {}, own_table)

    def _report(self, root: KeyPath, finding: Finding) -> None:
        path = (*root, *finding.path)
        if variable := self.overrides.covers(path):
            problem = Problem("", 0, 0, dotted(path), finding.message, finding.hint, variable)
        else:
            problem = self.document.problem(path, finding.message, finding.hint)
        self.problems.append(problem)

    def _check_edges(self) -> None:
        models = {place.component_id: place.config for place in self.places.values()}
        found: list[Edge] = []
        for place in self.places.values():
            for text in edge_texts(place.config, self._merged_table(place.path)):
                try:
                    found.append(resolve(place.component_id, text, models))
                except EdgeError as exc:
                    if not self._is_reported(text.text, (*place.path, *text.path)):
                        self._report(place.path, Finding(text.path, exc.message, exc.hint))
        for cycle in find_cycles(found):
            way = " → ".join([cycle[0].source_id, *(edge.target_id for edge in cycle)])
            last = cycle[-1]
            self._report(self.places[last.owner_id].path, Finding(last.path, f"cycle: {way}"))

    def _is_reported(self, edge: str, path: KeyPath) -> bool:
        """The edge's target, or the text that it stands in, is a problem already."""
        unknown = any(edge == name or edge.startswith(f"{name}.") for name in self.tables.unknown)
        return unknown or (path in self.interpolated.errors and self.overrides.covers(path) is None)


def _without(tree: Mapping[str, object], overrides: Overrides) -> dict[str, object]:
    """The file's tree without the tables that a variable replaces as a whole (merging would mix their keys)."""
    copy = deepcopy(dict(tree))
    for path, value in overrides.values.items():
        above = table_at(copy, path[:-1]) if all(isinstance(key, str) for key in path) else None
        if isinstance(value, dict) and isinstance(above, dict):
            above.pop(path[-1], None)
    return copy


def _merge(below: object, above: object) -> object:
    """Two trees as pydantic-settings merges them: tables key by key, all else replaced."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        keys = dict.fromkeys([*below, *above])
        return {key: _merge(below.get(key), above.get(key)) for key in keys}
    return below if above is None else above


def _fingerprint(config: BaseModel) -> str:
    digest = hashlib.blake2b(key=_FINGERPRINT_KEY, digest_size=16)

    def feed(value: object) -> None:
        match value:
            case SecretStr() | SecretBytes():
                feed(value.get_secret_value())
            case Mapping():
                digest.update(b"{%d" % len(value))
                for key, inner in value.items():
                    feed(key)
                    feed(inner)
            case list() | tuple():
                digest.update(b"[%d" % len(value))
                for inner in value:
                    feed(inner)
            case set() | frozenset():
                feed(sorted(value, key=repr))
            case _:
                text = f"{type(value).__name__}:{value!r}".encode()
                digest.update(b"%d:" % len(text) + text)

    feed(config.component_type if isinstance(config, ComponentConfig) else "")
    feed(config.model_dump())
    return digest.hexdigest()
