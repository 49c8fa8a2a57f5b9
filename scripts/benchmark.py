"""Runs the scenarios with the load generator and writes BENCHMARKS.md; called by ``scripts/bench``.

Each scenario is a file for ``collectorbench compare``, made here: load → collector → sink, all on the loopback of one
machine. A collector to compare with is a command that listens on $OTLP_GRPC and $OTLP_HTTP, reads $DOCKER, and sends
to $SINK_GRPC and $SINK_HTTP.
"""

import argparse
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from scripts.cpu_profile import CpuProfile, profile_table
from scripts.memory import MemoryWatch, memory_table
from scripts.page_cost import cost_table, measure
from scripts.page_reader import PageReader
from scripts.scenarios import ADDRESSES, QUICK, SCENARIOS, Scenario

CALIBRATION_LOOP = 3_000_000
KEPT = "From an earlier run: "
LIBRARIES = ("trio", "h2", "hpack", "isal", "orjson", "pydantic", "hypercorn")


class Row(TypedDict):
    """One collector's medians over its runs, as the generator prints them."""

    collector: str
    runs: int
    runs_failed: int
    median: dict[str, float]
    duplicates: int
    missing: int
    memory: NotRequired[list[float]]  # MiB over time, where the scenario asks for it
    profile: NotRequired[Mapping[str, float]]  # share of the CPU by part, where it was asked for


@dataclass(frozen=True)
class Column:
    """A column of the report: heading, key of the generator's median, format."""

    heading: str
    key: str
    format: str = ",.0f"


COLUMNS = (
    Column("items/s", "items/s"),
    Column("CPU s per million", "cpu-s/M", ".2f"),
    Column("p99 ms", "p99 ms", ".1f"),
    Column("peak RSS MiB", "peak MiB", ".0f"),
    Column("idle RSS MiB", "idle MiB", ".0f"),
    Column("delivered/acknowledged", "deliv/ack", ".4f"),
    Column("wire B/item", "wire B/item", ".0f"),
    Column("ready s", "ready s", ".2f"),
    Column("stop s", "stop s", ".2f"),
)


def main() -> int:
    """Run what the command line asks for and write the report."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure alloytrio and rewrite BENCHMARKS.md.")
    parser.add_argument("--collectorbench", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, required=True, help="the report to write")
    parser.add_argument("--vs", action="append", default=[], metavar="NAME=COMMAND", help="compare with this collector")
    parser.add_argument("--only", default=",".join(QUICK), help="scenarios, with commas between (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: %(default)s); medians are shown")
    parser.add_argument("--keep", action="store_true", help="leave what the report says of other scenarios")
    parser.add_argument("--profile", default="", metavar="PY-SPY", help="this sampling profiler watches one more run")
    options = parser.parse_args()
    others = dict(parse_collector(text) for text in options.vs)
    known = {scenario.name: scenario for scenario in SCENARIOS}
    results: list[tuple[Scenario, list[Row]]] = []
    costs: dict[str, list[str]] = {}
    loop = calibrate()
    for name in options.only.split(","):
        if name not in known:
            parser.error(f"no scenario {name!r}: there are {', '.join(known)}")
        scenario = known[name]
        rounds = min(options.rounds, scenario.max_rounds)
        if scenario.ways:
            costs[name] = look(scenario, options.collectorbench, options.work / name, rounds)
            results.append((scenario, []))
            continue
        rows = run(scenario, options.collectorbench, options.work / name, rounds, others)
        if options.profile and scenario.profiled:
            folder = options.work / f"{name}-profile"
            rows[0]["profile"] = run(scenario, options.collectorbench, folder, 1, {}, options.profile)[0]["profile"]
        results.append((scenario, rows))
    text = report(results, describe_machine(loop), costs)
    if options.keep and options.output.exists():
        text = keep_others(text, options.output.read_text())
    options.output.write_text(text)
    print(f"wrote {options.output}", file=sys.stderr)
    return int(any(row["runs_failed"] for _, rows in results for row in rows))


def parse_collector(text: str) -> tuple[str, list[str]]:
    """``name=command with arguments`` → (name, words)."""
    name, equals, command = text.partition("=")
    if not equals or not name or not command:
        raise SystemExit(f"--vs {text!r}: write NAME=COMMAND")
    return name, shlex.split(command)


def calibrate() -> float:
    """Seconds that this machine needs for a fixed loop, best of three: figures of two machines scale by it."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        sum(range(CALIBRATION_LOOP))
        best = min(best, time.perf_counter() - began)
    return best


def run(
    scenario: Scenario,
    collectorbench: Path,
    work: Path,
    rounds: int,
    others: Mapping[str, Sequence[str]],
    sampler: str = "",
) -> list[Row]:
    """Run one scenario in a folder of its own; returns the medians, ours first. ``sampler``: profiles it."""
    work.mkdir(parents=True)
    places = dict(zip(ADDRESSES, free_addresses(len(ADDRESSES)), strict=True))
    places |= {"data": str(work / "data"), "docker": str(work / "docker.sock")}
    config = work / "alloytrio.toml"
    config.write_text(scenario.config.format_map(places))
    ours = [sys.executable, "-P", "-m", "alloytrio", "run", str(config)]
    collectors = [{"name": "alloytrio", "command": ours, "ready": {"http": f"http://{places['admin']}/-/ready"}}]
    collectors += [
        {"name": name, "command": list(command), "ready": {"tcp": places["otlp_grpc"], "timeout": "60s"}}
        for name, command in others.items()
    ]
    document = {
        "name": scenario.name,
        "vars": {name.upper(): place for name, place in places.items()},
        "sink": {
            "grpc": places["sink_grpc"],
            "http": places["sink_http"],
            "control": places["sink_control"],
            "args": ["-verify"],
        },
        "expect": {"count": scenario.count, **scenario.expect},
        "faults": [{"at": at, "fault": fault} for at, fault in scenario.faults],
        "collectors": collectors,
    }
    if scenario.load:
        document |= {"load": scenario.load.format_map(places).split(), "warmup": scenario.warmup.split()}
    if scenario.containers:
        serving = [str(collectorbench), "fakedocker", "-sock", places["docker"], *scenario.containers.split()]
        document["helpers"] = [{"name": "docker", "command": serving, "ready": {"unix": places["docker"]}}]
    file = work / "scenario.json"
    file.write_text(json.dumps(document, indent=2))
    command = [
        str(collectorbench),
        "compare",
        "-scenario",
        str(file),
        "-rounds",
        str(rounds),
        "-out",
        str(work / "logs"),
    ]
    generator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory = MemoryWatch(generator, {"alloytrio": ours, **others}, scenario.watch_memory)
    profile = CpuProfile(sampler, ours, work / "stacks") if sampler else None
    if profile is not None:
        profile.start(generator)
    page = PageReader(f"http://{places['admin']}/api/v1/live")
    if scenario.watch_memory:
        memory.start()
    if scenario.with_page:
        page.start()
    lines = generator.communicate()[0].strip().splitlines()
    if scenario.watch_memory:
        memory.stop()
    if scenario.with_page:
        page.stop()
        print(f"the page got {page.updates} updates", file=sys.stderr)
    print("\n".join(lines[:-1]), file=sys.stderr)
    rows = cast(list[Row], json.loads(lines[-1])["summary"])
    for row in rows:
        row["memory"] = memory.samples.get(row["collector"], [])
        row["profile"] = profile.shares() if profile is not None else {}
    return rows


def look(scenario: Scenario, collectorbench: Path, work: Path, rounds: int) -> list[str]:
    """Run a scenario of ways to look at the page; returns the lines of its table."""
    work.mkdir(parents=True)
    places = dict(zip(ADDRESSES, free_addresses(len(ADDRESSES)), strict=True)) | {"data": str(work / "data")}
    config = work / "alloytrio.toml"
    config.write_text(scenario.config.format_map(places))
    sink = [str(collectorbench), "sink", "-grpc", places["sink_grpc"], "-http", places["sink_http"]]
    collector = [sys.executable, "-P", "-m", "alloytrio", "run", str(config)]
    load = [str(collectorbench), "load", *scenario.load.format_map(places).split()]
    commands = {"sink": sink, "collector": collector}
    return cost_table(measure(commands, load, places["admin"], scenario.ways, rounds))


def free_addresses(count: int) -> list[str]:
    """Addresses of the loopback that nothing listens on."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return addresses


def describe_machine(loop: float) -> list[tuple[str, str]]:
    """What the figures depend on, as (what, value)."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    ours = subprocess.run(
        [sys.executable, "-P", "-m", "alloytrio", "--version"], capture_output=True, text=True, check=True
    )
    installed = {distribution.name.lower(): distribution.version for distribution in distributions()}
    libraries = ", ".join(f"{name} {installed[name]}" for name in LIBRARIES if name in installed)
    return [
        ("date", time.strftime("%Y-%m-%d")),
        ("machine", f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}"),
        ("alloytrio", ours.stdout.strip()),
        ("Python", f"{platform.python_version()}; {libraries}"),
        ("calibration", f"`sum(range({CALIBRATION_LOOP:_}))` takes {loop:.3f} s here: scale CPU figures by it"),
    ]


def report(
    results: Sequence[tuple[Scenario, Sequence[Row]]],
    machine: Sequence[tuple[str, str]],
    costs: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The text of BENCHMARKS.md. Args: ``costs``: tables of the scenarios of ways to look, by name."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `scripts/bench`; do not edit. Load, collector and sink share one machine over its loopback; CPU",
        "and memory are those of the collector's process. Figures are medians. alloytrio's journal is on: everything",
        "acknowledged was on disk (in the page cache, with an fsync every second) before the answer; another collector",
        "does what its command says (scripts/otelcol.yaml: all in memory). Missing are items that were sent,",
        "acknowledged or not, and did not arrive; twice are arrivals beyond the first, those that the sender's own",
        "retries caused included.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in machine),
    ]
    for scenario, rows in results:
        figures = table(rows) if rows else [*(costs or {}).get(scenario.name, ())]
        lines += ["", f"## {scenario.name}", "", scenario.about, "", *figures]
        lines += memory_table({row["collector"]: row.get("memory", []) for row in rows}, scenario.watch_memory)
        lines += profile_table(rows[0].get("profile", {}) if rows else {})
    return "\n".join(lines) + "\n"


def keep_others(new: str, old: str) -> str:
    """The new report, with the sections of the old one that it does not have, in the order of the scenarios.

    A section that is kept says what it was measured with, if that differs from what the new head says.
    """
    head, *sections = new.split("\n## ")
    old_head, *old_sections = old.split("\n## ")
    origin = "\n\n" + KEPT + " · ".join(facts(old_head))
    kept = (text.rstrip("\n") for text in old_sections)
    if facts(old_head) != facts(head):
        kept = (text if KEPT in text else text + origin for text in kept)
    known = {text.partition("\n")[0]: text.rstrip("\n") for text in [*kept, *sections]}
    names = [scenario.name for scenario in SCENARIOS if scenario.name in known]
    return "\n\n## ".join([head.rstrip("\n"), *(known[name] for name in names)]) + "\n"


def facts(head: str) -> list[str]:
    """What figures depend on, as the head of a report says it."""
    cells = [line.strip("| ").split(" | ", 1) for line in head.splitlines() if line.startswith("| ")]
    return [
        value
        for name, value in (cell for cell in cells if len(cell) == 2)
        if name in ("date", "alloytrio", "calibration")
    ]


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of one scenario's table."""
    headings = ["collector", "runs", *(column.heading for column in COLUMNS), "missing", "twice"]
    lines = ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    for row in rows:
        runs = f"{row['runs'] - row['runs_failed']} of {row['runs']}" if row["runs_failed"] else str(row["runs"])
        cells = [row["collector"], runs]
        cells += [
            format(row["median"][column.key], column.format) if column.key in row["median"] else "–"
            for column in COLUMNS
        ]
        lines.append("| " + " | ".join([*cells, f"{row['missing']:,}", f"{row['duplicates']:,}"]) + " |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
