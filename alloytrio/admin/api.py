"""The JSON API, ``/api/v1/…``: all that the pages show. ``static/openapi.json`` describes it, a test holds it true.

In: a ``ServiceView``, and the overview's samples. Out: JSON; times are RFC 3339 in UTC, durations seconds.
Errors: ``{"error": …}``: 400 for an argument that cannot be understood, 404 for what is not there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import orjson
from quart import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, NotFound, ServiceUnavailable

from alloytrio.admin import api_values as values
from alloytrio.admin.live import Live
from alloytrio.admin.queries import Arguments, label_filter, limit, line_query, trace_id, trace_query, whole_number
from alloytrio.admin.streams import event_stream
from alloytrio.admin.tap_items import TapQuery
from alloytrio.admin.tapping import MAX_WATCHES, TapEvents, taps_of
from alloytrio.admin.view import RecorderView, ServiceView

MAX_TAP_RATE = 100  # items per second

Q = TypeVar("Q")


def make_blueprint(view: ServiceView, live: Live) -> Blueprint:
    """The routes about the service itself."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")

    @routes.get("/status")
    def get_status() -> Response:
        return json_response(values.status(view, live))

    @routes.get("/components")
    def list_components() -> Response:
        return json_response({"components": [values.component(each, view) for each in view.components()]})

    @routes.get("/components/<component_id>")
    def get_component(component_id: str) -> Response:
        for each in view.components():
            if each.id == component_id:
                return json_response(values.component(each, view))
        raise NotFound(f"no component is called {component_id}")

    @routes.get("/components/<component_id>/rejected")
    def list_rejected(component_id: str) -> Response:
        return json_response({"rejected": [values.rejected(each) for each in view.rejected(component_id)]})

    @routes.get("/components/<component_id>/rejected/<rejected_id>")
    def get_rejected(component_id: str, rejected_id: str) -> Response:
        payload = view.rejected_payload(component_id, rejected_id)
        if payload is None:
            raise NotFound("it is not kept any more")
        headers = {"content-disposition": "attachment; filename=rejected.bin"}
        return Response(payload, content_type="application/octet-stream", headers=headers)

    @routes.get("/edges")
    def list_edges() -> Response:
        return json_response({"edges": values.edges(view, live)})

    @routes.get("/configuration")
    async def get_configuration() -> Response:
        return json_response(values.configuration(view, await view.configuration_on_disk()))

    @routes.get("/own-log")
    def list_own_log() -> Response:
        return json_response({"lines": [values.own_line(each) for each in view.telemetry.recent_logs.lines()]})

    @routes.get("/live")
    def watch_overview() -> Response:
        events = live.events()
        if events is None:
            raise ServiceUnavailable("too many pages are open")
        return event_stream(events)

    _add_taps(routes, view, live)
    _add_recorder(routes, view)
    return routes


def _add_taps(routes: Blueprint, view: ServiceView, live: Live) -> None:
    watches: set[TapEvents] = set()

    @routes.get("/components/<component_id>/tap")
    def watch_component(component_id: str) -> Response:
        if component_id not in view.healths():
            raise NotFound(f"no component is called {component_id}")
        taps, kinds = taps_of(component_id, view.edges(), view.telemetry)
        if len(watches) >= MAX_WATCHES:
            raise ServiceUnavailable("too many taps are open")
        query = understood(tap_query, request.args)
        return event_stream(TapEvents(taps, replace(query, kinds=query.kinds or kinds), live.stop, watches))


def _add_recorder(routes: Blueprint, view: ServiceView) -> None:
    def recorder() -> RecorderView:
        found = view.recorder()
        if found is None:
            raise NotFound("the configuration has no recorder")
        return found

    @routes.get("/traces")
    async def search_traces() -> Response:
        found = await recorder().search_traces(understood(trace_query, request.args))
        return json_response(values.found("traces", [values.trace_summary(each) for each in found.items], found))

    @routes.get("/traces/<id_of_trace>")
    async def get_trace(id_of_trace: str) -> Response:
        wanted = understood(lambda written: trace_id(written["id"]), {"id": id_of_trace})
        trace = await recorder().trace(wanted)
        if trace is None:
            raise NotFound("nothing of this trace is kept")
        return json_response(values.trace(trace))

    @routes.get("/logs")
    async def search_lines() -> Response:
        found = await recorder().search_lines(understood(line_query, request.args))
        return json_response(values.found("lines", [values.line(each) for each in found.items], found))

    @routes.get("/series")
    async def search_series() -> Response:
        name, service = request.args.get("name", ""), request.args.get("service", "")
        most = understood(lambda arguments: limit(arguments, 100), request.args)
        found = await recorder().search_series(name, service, most)
        return json_response(values.found("series", [values.series(each) for each in found.items], found))


def tap_query(arguments: Arguments) -> TapQuery:
    """From ``text``, ``label`` (``name=value``), ``rate`` (items per second) and ``kind`` (of OpenTelemetry data).

    Raises:
        ValueError: it cannot be understood.
    """
    rate = whole_number(arguments.get("rate", "10"), 1, MAX_TAP_RATE, "rate")
    kind = arguments.get("kind", "")
    if kind not in ("", "traces", "metrics", "logs"):
        raise ValueError("kind must be traces, metrics or logs")
    kinds = frozenset({kind}) if kind else frozenset()
    return TapQuery(arguments.get("text", "").strip(), label_filter(arguments.get("label", "")), rate, kinds)


def understood(read: Callable[[Arguments], Q], arguments: Arguments) -> Q:
    """What the arguments ask for.

    Raises:
        BadRequest: they cannot be understood; its description says why.
    """
    try:
        return read(arguments)
    except ValueError as exc:
        raise BadRequest(str(exc)) from exc


def json_response(value: Mapping[str, object] | Sequence[object], status: int = 200) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(
        orjson.dumps(value, default=values.plain, option=orjson.OPT_NON_STR_KEYS),
        status,
        content_type="application/json",
        headers={"cache-control": "no-store"},
    )
