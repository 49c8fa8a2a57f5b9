"""What ``alloytrio tap`` and ``alloytrio top`` print. Pure functions of what the API answered."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from textwrap import wrap

from alloytrio.admin import words
from alloytrio.admin.client import printable

Json = Mapping[str, object]

LEAST_NAME = 12  # columns of a component's id, however narrow the terminal
_COLOURS = {"error": "31", "fatal": "31", "warn": "33", "unhealthy": "31", "exited": "31", "healthy": "32"}


def tap_line(item: Json, *, as_json: bool, colour: bool, width: int = 0) -> str:
    """One item that passed, on one line: as JSON, or time, level, service, text, detail, stages, labels.

    Args:
        item: an event of a tap.
        as_json: as it came; never cut off.
        colour: the level has one.
        width: columns; what is longer is cut off. 0 = nothing is.
    """
    if as_json:
        return json.dumps(item, ensure_ascii=True)
    milliseconds = item.get("time_ms")
    stamp = _clock(milliseconds) if isinstance(milliseconds, int) else " " * 12
    level = str(item.get("level") or item.get("kind") or "")
    named = f"{printable(level):<6}"
    parts = [printable(item[key]) for key in ("service", "text", "detail") if item.get(key)]
    parts += _stages(item)
    parts += [f"{printable(key)}={printable(value)}" for key, value in _mapping(item, "labels").items()]
    if item.get("trace_id"):
        parts.append(f"trace_id={printable(item['trace_id'])}")
    rest = cut(" ".join(parts), width - len(stamp) - len(named) - 2) if width else " ".join(parts)
    return f"{stamp} {_coloured(named, level, colour)} {rest}".rstrip()


def cut(text: str, width: int) -> str:
    """A text that is at most so long, with a sign where its end is missing."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def cut_front(text: str, width: int) -> str:
    """The same with its beginning missing: the end of a component's id says most."""
    return text if len(text) <= width else "…" + text[len(text) - max(width - 1, 0) :]


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


def top_screen(
    status: Json,
    components: Sequence[Json],
    edges: Sequence[Json],
    *,
    colour: bool,
    width: int = 0,
    height: int = 0,
) -> str:
    """The whole screen: the service, then each component with its rates, its queue and why it fails.

    Args:
        status, components, edges: what the API answered.
        colour: states have one.
        width: columns; ids are shortened and reasons broken to fit. 0 = any.
        height: rows; if not all components fit, those that fail come first. 0 = any.
    """
    cpu = status.get("cpu_cores")
    memory = status.get("resident_bytes")
    head = [
        f"alloytrio {printable(status.get('version'))}",
        "ready" if status.get("ready") else "not ready",
        f"CPU {words.percent(cpu) if isinstance(cpu, int | float) else words.NONE}",
        f"memory {words.size(memory) if isinstance(memory, int) else words.NONE}",
    ]
    rows = [_Row.of(each, edges) for each in components]
    widths = _widths(rows, width)
    blocks = [row.lines(widths, width, colour) for row in rows]
    if height and 4 + sum(map(len, blocks)) > height:
        blocks = [block for _, block in sorted(zip(rows, blocks, strict=True), key=lambda each: not each[0].reason)]
    lines = ["  ".join(head), "", _HEADINGS.lines(widths, 0, colour=False)[0]]
    for index, block in enumerate(blocks):
        is_last = index == len(blocks) - 1
        if height and len(lines) + len(block) + (not is_last) > height - 1:
            lines.append(f"… and {words.plural(len(blocks) - index, 'more component')}")
            break
        lines += block
    return "\n".join([cut(line, width) if width and index < 2 else line for index, line in enumerate(lines)]) + "\n"


@dataclass(frozen=True, slots=True)
class _Row:
    """One component: its rates one below the other, and the reason if it does not do its work."""

    name: str
    state: str
    taken_in: Sequence[str]
    handed_on: Sequence[str]
    waiting: str
    reason: str = ""

    @classmethod
    def of(cls, component: Json, edges: Sequence[Json]) -> "_Row":
        """From the API's answers."""
        component_id = str(component.get("id"))
        health = _mapping(component, "health")
        outboxes = _list(component, "outboxes")
        is_bad = health.get("state") in ("unhealthy", "exited")
        return cls(
            printable(component_id),
            printable(health.get("state", "")),
            _rates([each for each in edges if each.get("to") == component_id]),
            _rates([each for each in edges if each.get("from") == component_id]),
            words.count(sum(_number(each, "queued_items") for each in outboxes)) if outboxes else "",
            printable(health.get("message", "") or "no reason is known") if is_bad else "",
        )

    def lines(self, widths: Sequence[int], width: int, colour: bool) -> list[str]:
        """Its lines, at most ``width`` long if that is not 0."""
        lines = []
        rates = list(zip_longest(self.taken_in, self.handed_on, fillvalue="")) or [("", "")]
        for index, (taken_in, handed_on) in enumerate(rates):
            cells = ["", "", taken_in, handed_on, ""]
            if index == 0:
                cells = [cut_front(self.name, widths[0]), self.state, taken_in, handed_on, self.waiting]
            padded = [f"{cell:<{room}}" for cell, room in zip(cells, widths, strict=True)]
            padded[4] = f"{cells[4]:>{widths[4]}}"
            padded[1] = _coloured(padded[1], self.state, colour and index == 0)
            lines.append("  ".join(padded).rstrip())
        if self.reason:
            broken = wrap(self.reason, max(width - 4, 20) if width else 10_000)
            lines += [_coloured(f"    {line}", self.state, colour) for line in broken]
        return lines


_HEADINGS = _Row("COMPONENT", "HEALTH", ["IN"], ["OUT"], "WAITING")


def _widths(rows: Sequence[_Row], width: int) -> list[int]:
    """Of the columns; the first gets what the others leave of ``width``."""
    shown = [_HEADINGS, *rows]
    widths = [
        max(len(row.name) for row in shown),
        max(len(row.state) for row in shown),
        max(len(rate) for row in shown for rate in [*row.taken_in, ""]),
        max(len(rate) for row in shown for rate in [*row.handed_on, ""]),
        max(len(row.waiting) for row in shown),
    ]
    if width:
        widths[0] = max(min(widths[0], width - sum(widths[1:]) - 2 * 4), LEAST_NAME)
    return widths


def _rates(edges: Sequence[Json]) -> list[str]:
    """By unit, the largest of the edges: each of several targets gets everything."""
    by_unit: dict[str, float] = {}
    for edge in edges:
        rate = edge.get("items_per_second")
        if isinstance(rate, int | float):
            unit = str(edge.get("unit"))
            by_unit[unit] = max(by_unit.get(unit, 0.0), rate)
    return [words.rate(rate, printable(unit)) for unit, rate in by_unit.items()]


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
