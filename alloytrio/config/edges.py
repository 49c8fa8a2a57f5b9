"""Edges: the names by which one component refers to another, and whether they fit together.

An edge is written as the component's id, ``otelcol.processor.batch.default``, or with the export as in Alloy,
``otelcol.processor.batch.default.input``. Without it the first export of the fitting kind is meant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alloytrio.component import ComponentConfig, Signal
from alloytrio.config.positions import KeyPath
from alloytrio.config.problems import nearest
from alloytrio.config.settings import Settings
from alloytrio.config.slots import EdgeText, edge_texts
from alloytrio.values import EdgeTo, Kind

Models = Mapping[str, type[ComponentConfig]]
"""Component ids and the models of their types."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A way that data goes, from ``source_id`` to ``target_id``.

    Args:
        source_id: the component that gives.
        target_id: the component that takes.
        kind: what flows.
        export: the export of the named component.
        owner_id: which of the two named the other.
        path: where, in the owner's table.
        signal: for OTLP edges below ``output``: the one that flows here.
    """

    source_id: str
    target_id: str
    kind: Kind
    export: str
    owner_id: str
    path: KeyPath
    signal: Signal | None


class EdgeError(Exception):
    """A name that cannot be an edge here. Neither message nor hint holds the name itself."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def edges(settings: Settings) -> list[Edge]:
    """All edges of checked settings: by component in file order, then in the order of its model."""
    models = {component_id: type(config) for component_id, config in settings.components.items()}
    return [
        resolve(component_id, text, models)
        for component_id, config in settings.components.items()
        for text in edge_texts(type(config), config)
    ]


def resolve(owner_id: str, text: EdgeText, models: Models) -> Edge:
    """The edge that a text in a component's config stands for.

    Raises:
        EdgeError: it names nothing, or something that does not fit.
    """
    target_id, export = _named(owner_id, text, models)
    exports = models[target_id].exports
    if export not in exports:
        hint = f"exports: {', '.join(exports)}" if exports else ""
        raise EdgeError(f"{target_id} has no such export", hint)
    if exports[export] is not text.edge.kind:
        raise EdgeError(_misfit(target_id, exports[export], text.edge), _fitting_hint(owner_id, text, models))
    source_id, sink_id = (target_id, owner_id) if text.edge.upstream else (owner_id, target_id)
    return Edge(source_id, sink_id, text.edge.kind, export, owner_id, text.path, _signal(text))


def _named(owner_id: str, text: EdgeText, models: Models) -> tuple[str, str]:
    """The component and export that a text names."""
    if model := models.get(text.text):
        fitting = [export for export, kind in model.exports.items() if kind is text.edge.kind]
        if not model.exports:
            verb = "gives" if text.edge.upstream else "takes"
            raise EdgeError(f"{text.text} {verb} no {text.edge.kind.value}", _fitting_hint(owner_id, text, models))
        return text.text, fitting[0] if fitting else next(iter(model.exports))
    component_id, _, export = text.text.rpartition(".")
    if component_id in models:
        return component_id, export
    raise EdgeError("names no component of this file", _fitting_hint(owner_id, text, models))


def _misfit(target_id: str, has: Kind, needed: EdgeTo) -> str:
    verb = "gives" if has in (Kind.TARGETS, Kind.RULES, Kind.AUTH) else "takes"
    return f"{target_id} {verb} {has.value}, but here {needed.kind.value} {'come in' if needed.upstream else 'go out'}"


def _fitting_hint(owner_id: str, text: EdgeText, models: Models) -> str:
    """What could stand here; not the owner itself, that would be a cycle."""
    fitting = [name for name, model in models.items() if text.edge.kind in model.exports.values() and name != owner_id]
    meant = nearest(text.text, fitting)
    if meant and text.text not in models:
        return f'did you mean "{meant}"?'
    return f"fitting: {', '.join(fitting)}" if fitting else f"no component of this file fits ({text.edge.kind.value})"


def _signal(text: EdgeText) -> Signal | None:
    if text.edge.kind is not Kind.OTLP:
        return None
    names = {signal.value: signal for signal in Signal}
    return next((names[key] for key in reversed(text.path) if key in names), None)


def find_cycles(all_edges: Iterable[Edge]) -> list[list[Edge]]:
    """One cycle of edges for each way round that there is to find by walking the graph once."""
    outgoing: dict[str, list[Edge]] = {}
    for edge in all_edges:
        outgoing.setdefault(edge.source_id, []).append(edge)
    done: set[str] = set()
    cycles: list[list[Edge]] = []
    for start in outgoing:
        trail: list[Edge] = []
        waiting = [iter(outgoing[start])] if start not in done else []
        while waiting:
            on_trail = [start, *(edge.target_id for edge in trail)]
            following = next(waiting[-1], None)
            if following is None:
                done.add(on_trail[-1])
                waiting.pop()
                if trail:
                    trail.pop()
            elif following.target_id in on_trail:
                cycles.append([*trail[on_trail.index(following.target_id) :], following])
            elif following.target_id not in done:
                trail.append(following)
                waiting.append(iter(outgoing.get(following.target_id, ())))
    return cycles
