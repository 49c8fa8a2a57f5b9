"""What ``alloytrio tap`` and ``alloytrio top`` print. Pure functions of what the API answered."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from alloytrio.admin import words
from alloytrio.admin.client import printable

Json = Mapping[str, object]

_COLOURS = {"error": "31", "fatal": "31", "warn": "33", "unhealthy": "31", "exited": "31", "healthy": "32"}


def tap_line(item: Json, *, as_json: bool, colour: bool) -> str:
    """One item that passed, on one line: as JSON, or time, level, service, text, detail, labels, stages."""
    if as_json:
        return json.dumps(item, ensure_ascii=True)
    milliseconds = item.get("time_ms")
    stamp = _clock(milliseconds) if isinstance(milliseconds, int) else "            "
    level = str(item.get("level") or item.get("kind") or "")
    parts = [stamp, _coloured(f"{printable(level):<5}", level, colour)]
    parts += [printable(item[key]) for key in ("service", "text", "detail") if item.get(key)]
    parts += [f"{printable(key)}={printable(value)}" for key, value in _mapping(item, "labels").items()]
    if item.get("trace_id"):
        parts.append(f"trace_id={printable(item['trace_id'])}")
    return " ".join([*parts, *_stages(item)])


def _stages(item: Json) -> list[str]:
    found = []
    for stage in _list(item, "stages"):
        done = next((word for word in ("dropped", "held", "released") if stage.get(word)), "")
        if done:
            found.append(f"| {printable(stage.get('stage'))}: {done}")
        elif changes := _mapping(stage, "changes"):
            shown = ", ".join(f"{printable(key)}={printable(value)}" for key, value in changes.items())
            found.append(f"| {printable(stage.get('stage'))}: {shown}")
    return found


def top_screen(status: Json, components: Sequence[Json], edges: Sequence[Json], *, colour: bool) -> str:
    """The whole screen: the service, then one line per component with its rates, its queue and why it fails."""
    cpu = status.get("cpu_cores")
    memory = status.get("resident_bytes")
    head = [
        f"alloytrio {printable(status.get('version'))}",
        "ready" if status.get("ready") else "not ready",
        f"CPU {words.percent(cpu) if isinstance(cpu, int | float) else words.NONE}",
        f"memory {words.size(memory) if isinstance(memory, int) else words.NONE}",
    ]
    rows = [("COMPONENT", "HEALTH", "IN", "OUT", "WAITING", "")]
    states = ["", *(str(_mapping(each, "health").get("state", "")) for each in components)]
    rows += [_row(each, edges) for each in components]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row, state in zip(rows, states, strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:5], widths, strict=True)]
        cells[1] = _coloured(cells[1], state, colour)
        lines.append("  ".join([*cells, row[5]]).rstrip())
    return "\n".join(["  ".join(head), "", *lines]) + "\n"


def _row(component: Json, edges: Sequence[Json]) -> tuple[str, str, str, str, str, str]:
    component_id = str(component.get("id"))
    health = _mapping(component, "health")
    outboxes = _list(component, "outboxes")
    waiting = sum(_number(each, "queued_items") for each in outboxes)
    is_bad = health.get("state") in ("unhealthy", "exited")
    return (
        printable(component_id),
        printable(health.get("state", "")),
        _rates([each for each in edges if each.get("to") == component_id]),
        _rates([each for each in edges if each.get("from") == component_id]),
        words.count(waiting) if outboxes else "",
        printable(health.get("message", "")) if is_bad else "",
    )


def _rates(edges: Sequence[Json]) -> str:
    """By unit, the largest of the edges: each of several targets gets everything."""
    by_unit: dict[str, float] = {}
    for edge in edges:
        rate = edge.get("items_per_second")
        if isinstance(rate, int | float):
            unit = str(edge.get("unit"))
            by_unit[unit] = max(by_unit.get(unit, 0.0), rate)
    return ", ".join(words.rate(rate, printable(unit)) for unit, rate in by_unit.items())


def _coloured(text: str, state: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m" if colour and state in _COLOURS else text


def _clock(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000).strftime("%H:%M:%S.%f")[:-3]
    except (OverflowError, OSError, ValueError):
        return time.strftime("%H:%M:%S.000")


def _mapping(value: Json, key: str) -> Json:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _list(value: Json, key: str) -> list[Json]:
    found = value.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _number(value: Json, key: str) -> int:
    found = value.get(key)
    return found if isinstance(found, int) else 0
