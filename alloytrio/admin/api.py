"""The JSON API, ``/api/v1/…``: all that the pages show.

In: a ``ServiceView``. Out: JSON; times are RFC 3339 in UTC.
Errors: 404 for an unknown component.
"""

from collections.abc import Mapping, Sequence

import orjson
from quart import Blueprint, Response
from werkzeug.exceptions import NotFound

from alloytrio.admin.view import ComponentView, EdgeView, ServiceView
from alloytrio.telemetry import Health
from alloytrio.telemetry.logs import format_time


def make_blueprint(view: ServiceView) -> Blueprint:
    """The routes of the API."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")

    @routes.get("/components")
    def list_components() -> Response:
        edges = view.edges()
        return json_response({"components": [component_json(each, edges) for each in view.components()]})

    @routes.get("/components/<component_id>")
    def get_component(component_id: str) -> Response:
        for each in view.components():
            if each.id == component_id:
                return json_response(component_json(each, view.edges()))
        raise NotFound(f"no component is called {component_id}")

    return routes


def json_response(value: Mapping[str, object], status: int = 200) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(
        orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS),
        status,
        content_type="application/json",
        headers={"cache-control": "no-store"},
    )


def component_json(component: ComponentView, edges: Sequence[EdgeView]) -> dict[str, object]:
    """One component as the API tells it."""
    return {
        "id": component.id,
        "type": component.type,
        "label": component.label,
        "health": health_json(component.health),
        "health_history": [health_json(each) for each in component.history],
        "config": component.config,
        "values": [{"path": each.path, "value": each.value, "origin": each.origin} for each in component.values],
        "inputs": [{"from": each.source_id, "kind": each.kind} for each in edges if each.target_id == component.id],
        "outputs": [{"to": each.target_id, "kind": each.kind} for each in edges if each.source_id == component.id],
        "metrics": [{"name": name, "labels": labels, "value": value} for name, labels, value in component.metrics],
    }


def health_json(health: Health) -> dict[str, object]:
    """A state of health with its beginning."""
    return {"state": health.state.value, "message": health.message, "since": format_time(health.since_ns)}
