"""The pages about the service itself: overview, components, live, configuration, own log.

In: the service and the overview's samples. Out: HTML. Errors: 404 for an unknown component.
The pages about recorded data are in ``viewer_pages.py``.
"""

import difflib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quart import Blueprint, Response, redirect, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as WerkzeugResponse

from alloytrio.admin import words
from alloytrio.admin.live import Live
from alloytrio.admin.overview import STATE_WORDS, health_cell
from alloytrio.admin.rendering import Renderer
from alloytrio.admin.view import ComponentView, Plain, ServiceView
from alloytrio.component import KnownTarget
from alloytrio.recorder.lines import Line

_PLACES = ("endpoint", "url", "host", "listen_addr")  # keys whose values say where data comes from or goes to
_CONTAINER_NAME = "__meta_docker_container_name"
CONTAINERS_SHOWN = 30  # the others are folded away
LOW_COLUMN = 6  # components that one sees at once; the columns of a taller picture begin at its top
NARROW_COLUMN = 2  # components that stand beside each other on a phone; a picture with more is scrolled sideways there


@dataclass(frozen=True, slots=True)
class NodeOnPage:
    """A component in the picture."""

    type: str
    label: str
    places: Sequence[str]
    outbox_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class TargetOnPage:
    """A target with a name that people know it by."""

    name: str
    discovered: Mapping[str, str]
    labels: Mapping[str, str] | None
    dropped_by: str
    state: str
    last_entry_ns: int
    position_ns: int
    lag: float
    problem: str
    steps: Sequence[tuple[str, Mapping[str, str] | None]]


def make_blueprint(view: ServiceView, live: Live, render: Renderer) -> Blueprint:
    """The routes."""
    routes, pages = Blueprint("pages", __name__), Pages(view, live, render)
    routes.add_url_rule("/", view_func=pages.show_overview)
    routes.add_url_rule("/components/<component_id>", view_func=pages.show_component)
    routes.add_url_rule("/live", view_func=pages.show_live)
    routes.add_url_rule("/own-log", view_func=pages.show_own_log)
    routes.add_url_rule("/configuration", view_func=pages.show_configuration)
    routes.add_url_rule("/configuration/reload", view_func=pages.reload, methods=["POST"])
    return routes


class Pages:
    """One method per page."""

    def __init__(self, view: ServiceView, live: Live, render: Renderer) -> None:
        self._view = view
        self._live = live
        self._render = render

    async def show_overview(self) -> Response:
        """Both pipelines, backends, containers."""
        shown = self._live.overview()
        components = self._view.components()
        pipelines = [
            {
                "name": each.name,
                "places": each.places,
                "members": [one for column in each.columns for one in column],
                "is_tall": any(len(column) > LOW_COLUMN for column in each.columns),
                "is_broad": any(len(column) > NARROW_COLUMN for column in each.columns),
            }
            for each in shown.pipelines
        ]
        started_ns = self._view.telemetry.started_ns
        return await self._render.page(
            "overview.html",
            "/",
            "Overview",
            cells=shown.cells,
            shape=shown.shape,
            pipelines=pipelines,
            links=shown.links,
            nodes={each.id: _node(each, self._view) for each in components},
            problems=shown.problems,
            warnings=shown.warnings,
            outboxes=shown.outboxes,
            containers=_containers(self._view),
            containers_shown=CONTAINERS_SHOWN,
            refused_reload=shown.refused_reload,
            received_anything=shown.received_anything,
            otlp_endpoint=_otlp_endpoint(components),
            recorder=self._view.recorder(),
            component_count=words.plural(len(components), "component"),
            started_ms=started_ns // 1_000_000,
            uptime=words.duration((time.time_ns() - started_ns) / 1e9),
        )

    async def show_component(self, component_id: str) -> Response:
        """One component with all there is to know."""
        component = next((each for each in self._view.components() if each.id == component_id), None)
        if component is None:
            raise NotFound(f"No component is called {component_id}.")
        shown = self._live.overview()
        targets = self._view.targets().get(component_id)
        return await self._render.page(
            "component.html",
            "/",
            component_id,
            component=component,
            cells=shown.cells,
            inputs=[link for link in shown.links if link.target_id == component_id],
            outputs=[link for link in shown.links if link.source_id == component_id],
            history=[
                {
                    "state": health_cell(each).state,
                    "word": STATE_WORDS[each.state],
                    "since_ms": each.since_ns // 1_000_000,
                    "message": each.message,
                }
                for each in reversed(component.history)
            ],
            outboxes=self._view.outboxes().get(component_id, ()),
            rejected=self._view.rejected(component_id),
            notes=self._view.notes().get(component_id, ()),
            targets=None if targets is None else [_target(each) for each in targets],
        )

    async def show_live(self) -> Response:
        """The form and the list of what passes; the stream is the API's."""
        ids = [each.id for each in self._view.components()]
        return await self._render.page(
            "live.html", "/live", "Live", component_ids=ids, component_id=request.args.get("component", "")
        )

    async def show_own_log(self) -> Response:
        """The service's own latest lines."""
        lines = [
            Line(each.time_ns, each.level, each.text, "", {}, each.fields, "", "")
            for each in reversed(self._view.telemetry.recent_logs.lines())
        ]
        return await self._render.page("own_log.html", "", "Own log", lines=lines)

    async def show_configuration(self) -> Response:
        """What runs, what is on disk, and what is different."""
        running = self._view.configuration()
        on_disk = await self._view.configuration_on_disk()
        return await self._render.page(
            "configuration.html",
            "/configuration",
            "Configuration",
            running=running,
            checked=on_disk if on_disk and (on_disk.error or request.args.get("check")) else None,
            difference=difference(running.text, on_disk.text) if on_disk else [],
            can_reload=on_disk is not None,
            last_reload=self._view.last_reload(),
        )

    async def reload(self) -> WerkzeugResponse:
        """Reload, and show how it went."""
        await self._view.reload()
        return redirect(f"{request.root_path}/configuration", 303)


def difference(before: str, after: str) -> list[str]:
    """A unified difference of two texts, without its head; nothing if they are equal."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def places_of(config: Mapping[str, Plain]) -> list[str]:
    """The addresses in a component's configuration, in its order."""
    found: list[str] = []
    waiting: list[tuple[str, Plain]] = list(config.items())[::-1]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += list(value.items())[::-1]
        elif isinstance(value, list):
            waiting += [(key, each) for each in value[::-1] if isinstance(each, dict)]
        elif key in _PLACES and isinstance(value, str) and value and value not in found:
            found.append(value)
    return found


def _node(component: ComponentView, view: ServiceView) -> NodeOnPage:
    keys = [f"outbox {component.id} {each.name}" for each in view.outboxes().get(component.id, ())]
    return NodeOnPage(component.type, component.label, places_of(component.config), keys)


def _otlp_endpoint(components: Sequence[ComponentView]) -> str:
    """Where an SDK on this machine can send to; empty if nowhere."""
    for component in components:
        if component.type == "otelcol.receiver.otlp":
            port = next(iter(places_of(component.config)), "").rpartition(":")[2]
            return f"localhost:{port}" if port else ""
    return ""


def _containers(view: ServiceView) -> list[TargetOnPage]:
    """What the last components in the row of discovery know: those that read targets, else those that relabel.

    Those with a problem come first.
    """
    known = view.targets()
    readers = [each for each in known if each.startswith("loki.source.")] or list(known)[-1:]
    found = [_target(each) for reader in readers for each in known[reader]]
    return sorted(found, key=lambda each: not each.problem)


def _target(target: KnownTarget) -> TargetOnPage:
    labels = target.labels or {}
    name = target.discovered.get(_CONTAINER_NAME, "").lstrip("/") or labels.get("container", "")
    return TargetOnPage(
        name or next(iter(target.discovered.values()), "(no labels)"),
        target.discovered,
        target.labels,
        target.dropped_by,
        target.state,
        target.last_entry_ns,
        target.position_ns,
        target.lag,
        target.problem,
        _changes(target),
    )


def _changes(target: KnownTarget) -> list[tuple[str, Mapping[str, str] | None]]:
    """Each rule with the labels that it changed; None where it dropped the target."""
    changes: list[tuple[str, Mapping[str, str] | None]] = []
    before = target.discovered
    for rule, after in target.steps:
        if after is None:
            changes.append((rule, None))
            break
        names = sorted(before.keys() | after.keys())
        changed = {each: after.get(each, "(removed)") for each in names if before.get(each) != after.get(each)}
        changes.append((rule, changed))
        before = after
    return changes
