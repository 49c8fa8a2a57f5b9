"""The pages about recorded data: traces, logs, metrics.

In: the recorder, if there is one. Out: HTML. Errors: a search that cannot be understood says why on its page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from alloytrio.admin import words
from alloytrio.admin.queries import line_query, trace_id, trace_query
from alloytrio.admin.rendering import Renderer
from alloytrio.admin.view import ServiceView
from alloytrio.recorder.lines import LEVELS, LineQuery
from alloytrio.recorder.series import Series
from alloytrio.recorder.traces import Span, Trace, TraceQuery
from alloytrio.recorder.viewer import MAX_TRACE_SPANS

SERVICE_COLOURS = 8  # as many as style.css has
MAX_CHARTS = 60
TRACE_LINES = 500

_WHAT = {
    "gauge": "as measured",
    "sum": "as it stands",
    "counter": "per second",
    "histogram": "mean",
    "exponential histogram": "mean",
    "summary": "mean",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """One series on the page of metrics; ``lines`` are the parts between values that are no numbers."""

    name: str
    description: str
    what: str
    service: str
    attributes: Mapping[str, object]
    latest: str
    low: str
    high: str
    lines: Sequence[str]


def make_blueprint(view: ServiceView, render: Renderer) -> Blueprint:
    """The routes."""
    routes, pages = Blueprint("viewer", __name__), ViewerPages(view, render)
    routes.add_url_rule("/traces", view_func=pages.list_traces)
    routes.add_url_rule("/traces/<id_of_trace>", view_func=pages.show_trace)
    routes.add_url_rule("/logs", view_func=pages.list_lines)
    routes.add_url_rule("/series", view_func=pages.list_series)
    return routes


class ViewerPages:
    """One method per page."""

    def __init__(self, view: ServiceView, render: Renderer) -> None:
        self._view = view
        self._render = render

    async def list_traces(self) -> Response | WerkzeugResponse:
        """Traces that match."""
        recorder, query, problem = self._view.recorder(), TraceQuery(), ""
        try:
            query = trace_query(request.args)
            wanted = trace_id(request.args.get("id", ""))
        except ValueError as exc:
            problem, wanted = str(exc), ""
        if wanted:
            return redirect(f"{request.root_path}/traces/{wanted}", 303)
        found = None if recorder is None else await recorder.search_traces(query)
        return await self._render.page(
            "traces.html",
            "/traces",
            "Traces",
            recorder=recorder,
            found=found,
            query=query,
            problem=problem,
            min_duration=request.args.get("min_duration", ""),
            is_filtered=query != TraceQuery(),
            longest_ns=max([1, *(each.end_ns - each.start_ns for each in found.items)]) if found else 1,
        )

    async def show_trace(self, id_of_trace: str) -> Response:
        """One trace as a waterfall, with the lines that belong to it."""
        recorder, trace = self._view.recorder(), None
        try:
            wanted = trace_id(id_of_trace)
        except ValueError:
            wanted = ""
        if recorder is not None and wanted:
            trace = await recorder.trace(wanted)
        if recorder is None or trace is None:
            return await self._render.page("trace.html", "/traces", "Trace", 404, trace=None)
        selected = _selected(trace, request.args.get("span", ""))
        lines = await recorder.search_lines(
            LineQuery(trace_id=wanted, span_id=selected.span_id if selected else "", limit=TRACE_LINES)
        )
        services = list(dict.fromkeys(span.service for span in trace.spans))
        return await self._render.page(
            "trace.html",
            "/traces",
            trace.spans[0].name or "Trace",
            trace=trace,
            total_ns=max(1, trace.end_ns - trace.start_ns),
            services=services,
            colours={service: index % SERVICE_COLOURS for index, service in enumerate(services)},
            selected=selected,
            lines=lines.items[::-1],
            is_cut=len(trace.spans) >= MAX_TRACE_SPANS,
        )

    async def list_lines(self) -> Response:
        """Log lines that match."""
        recorder, query, problem = self._view.recorder(), LineQuery(), ""
        try:
            query = line_query(request.args)
        except ValueError as exc:
            problem = str(exc)
        return await self._render.page(
            "logs.html",
            "/logs",
            "Logs",
            recorder=recorder,
            found=None if recorder is None else await recorder.search_lines(query),
            query=query,
            problem=problem,
            label=request.args.get("label", ""),
            levels=LEVELS,
            is_filtered=any(request.args.values()),
        )

    async def list_series(self) -> Response:
        """Series that match, with small charts."""
        recorder = self._view.recorder()
        name, service = request.args.get("name", "").strip(), request.args.get("service", "")
        found = None if recorder is None else await recorder.search_series(name, service, MAX_CHARTS)
        return await self._render.page(
            "metrics.html",
            "/series",
            "Metrics",
            recorder=recorder,
            found=found,
            charts=[chart_of(each) for each in found.items] if found else [],
            name=name,
            service=service,
            is_filtered=bool(name or service),
        )


def _selected(trace: Trace, span_id: str) -> Span | None:
    return next((span for span in trace.spans if span.span_id == span_id.lower()), None) if span_id else None


def chart_of(series: Series) -> Chart:
    """A series as the page shows it."""
    points = series.rates()
    values = [value for _, value in points if isfinite(value)]
    seconds = round((points[-1][0] - points[0][0]) / 1e9) if points else 0
    is_rate = series.info.kind == "counter"
    unit, suffix = series.info.unit, "/s" if is_rate else ""
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    return Chart(
        name=series.info.name,
        description=series.info.description,
        what=_WHAT[series.info.kind] + (f" over {words.duration(seconds)}" if seconds else ""),
        service=series.info.service,
        attributes=series.info.attributes,
        latest=words.measure(points[-1][1], unit) + suffix if points else words.NONE,
        low=words.measure(low, unit) + suffix,
        high=words.measure(high, unit) + suffix,
        lines=chart_lines(points, 300, 60),
    )


def chart_lines(points: Sequence[tuple[int, float]], width: int, height: int) -> list[str]:
    """Points for SVG polylines: by time from left to right, the lowest value at the bottom.

    A value that is no number, or infinite, is a gap. A point alone is a short line, so that it can be seen.
    """
    values = [value for _, value in points if isfinite(value)]
    if len(values) < 2:
        return []
    began, span_ns = points[0][0], max(1, points[-1][0] - points[0][0])
    low = min(values)
    halved = max(values) / 2 - low / 2 or 1.0  # the whole may be beyond what a double holds
    lines: list[str] = []
    for is_drawn, part in groupby(points, lambda point: isfinite(point[1])):
        if not is_drawn:
            continue
        places = [
            (
                (time_ns - began) / span_ns * width,
                height - 2 - (value / 2 - low / 2) / halved * (height - 4),
            )
            for time_ns, value in part
        ]
        if len(places) == 1:
            places.append((places[0][0] + 1, places[0][1]))
        lines.append(" ".join(f"{x:.1f},{y:.1f}" for x, y in places))
    return lines
