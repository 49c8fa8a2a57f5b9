"""The support bundle: a zip of all that helps to see what is wrong, without a secret in it.

In: the service. Out: the bytes of a zip file. Errors: none; what cannot be had is left out.
"""

import io
import os
import platform
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping

import orjson
import trio
from prometheus_client import generate_latest

from alloytrio.admin import api_values as values
from alloytrio.admin.live import Live
from alloytrio.admin.view import ServiceView
from alloytrio.telemetry.logs import format_time
from alloytrio.telemetry.render import logfmt

FILE_NAME = "alloytrio-support-bundle.zip"


async def support_bundle(view: ServiceView, live: Live) -> bytes:
    """The zip. Reading the configuration's file and packing happen in threads."""
    on_disk = await view.configuration_on_disk()
    members = {
        "metadata.json": _json(_metadata(view, live)),
        "components.json": _json([values.component(each, view) for each in view.components()]),
        "edges.json": _json(values.edges(view, live)),
        "configuration.txt": view.configuration().text,
        "metrics.txt": generate_latest(view.telemetry.registry).decode(),
        "log.txt": "".join(f"{line}\n" for line in _log_lines(view)),
        "tasks.txt": "".join(f"{line}\n" for line in task_tree()),
        "environment.txt": "".join(f"{name}\n" for name in sorted(os.environ) if name.startswith("ALLOYTRIO_")),
    }
    if on_disk is not None:
        members["configuration-on-disk.txt"] = on_disk.text
        members["configuration-problems.txt"] = on_disk.error
    return await trio.to_thread.run_sync(_pack, members)


def _pack(members: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"alloytrio-support/{name}", text.encode("utf-8", "replace"))
    return packed.getvalue()


def _metadata(view: ServiceView, live: Live) -> dict[str, object]:
    return {
        **values.status(view, live),
        "time": format_time(time.time_ns()),
        "python": sys.version,
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "process_seconds": time.process_time(),
    }


def _json(value: object) -> str:
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=values.plain, option=options).decode()  # what is no number becomes null


def _log_lines(view: ServiceView) -> Iterator[str]:
    for line in view.telemetry.recent_logs.lines():
        yield logfmt({"ts": format_time(line.time_ns), "level": line.level, "msg": line.text, **line.fields})


def task_tree() -> list[str]:
    """Every task with where it waits, its children below it. Values of variables are not shown."""
    root = trio.lowlevel.current_root_task()
    lines: list[str] = []
    waiting = [(root, 0)] if root is not None else []
    while waiting:
        task, depth = waiting.pop()
        frames = [f"{frame.f_code.co_name}:{line}" for frame, line in task.iter_await_frames()]
        lines.append(f"{'  ' * depth}{task.name}" + (f"  ({' > '.join(frames[-3:])})" if frames else ""))
        for nursery in task.child_nurseries:
            waiting += [(child, depth + 1) for child in nursery.child_tasks]
    return lines
