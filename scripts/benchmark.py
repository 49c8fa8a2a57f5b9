"""Runs the scenarios with the load generator and writes BENCHMARKS.md; called by ``scripts/bench``.

Each scenario is a file for ``collectorbench compare``, made here: load → collector → sink, all on the loopback of one
machine. A collector to compare with is a command that listens on $OTLP_GRPC and sends to $SINK_GRPC.
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
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import TypedDict, cast

Text = str | int | float | bool
CALIBRATION_LOOP = 3_000_000
LIBRARIES = ("trio", "h2", "hpack", "isal", "orjson", "pydantic", "hypercorn")

CONFIG = """\
[admin]
listen_addr = "{admin}"

[storage]
path = "{data}"

[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "{otlp}" }}
output = {{ traces = ["otelcol.processor.batch.default"] }}

[otelcol.processor.batch.default]
timeout = "5s"
send_batch_size = 1024
output = {{ traces = ["otelcol.exporter.otlp.sink"] }}

[otelcol.exporter.otlp.sink]
client = {{ endpoint = "{sink}", tls = {{ insecure = true }} }}
"""


@dataclass(frozen=True)
class Scenario:
    """What is sent, and what it shows.

    Args:
        name: for ``--only`` and the heading.
        about: one or two sentences for the report.
        load: arguments of the generator.
        faults: (seconds, query for the sink's control port) while the load runs.
        expect: changes to what is waited for.
        max_rounds: repetitions at most.
    """

    name: str
    about: str
    load: str
    faults: Sequence[tuple[str, str]] = ()
    expect: Mapping[str, Text] = field(default_factory=dict)
    max_rounds: int = 9


SCENARIOS = (
    Scenario(
        "traces-max",
        "Spans by OTLP/gRPC as fast as they are acknowledged: 512 per request, 4 connections with 2 in flight.",
        "-conns 4 -inflight 2 -batch 512 -duration 10s",
    ),
    Scenario(
        "traces-rate",
        "A steady 5 000 spans/s in requests of 100.",
        "-conns 2 -inflight 4 -batch 100 -rate 5000 -duration 20s",
    ),
    Scenario(
        "traces-small",
        "The generator's smallest requests, four spans each, as fast as they are acknowledged. A request costs four "
        "times the CPU of a span: 50 s per million spans are 0.2 ms per request.",
        "-conns 4 -inflight 8 -batch 4 -duration 10s",
    ),
    Scenario(
        "connections",
        "10 000 connections, each with one request of four spans every 5 s: 2 000 requests/s.",
        "-conns 10000 -inflight 1 -batch 4 -rate 8000 -duration 25s",
        expect={"timeout": "90s"},
        max_rounds=1,
    ),
    Scenario(
        "traces-faults",
        "20 000 spans/s while the backend is unavailable, dead, throttling and resetting, two seconds each.",
        "-conns 2 -inflight 4 -batch 512 -rate 20000 -duration 16s",
        faults=(
            ("2s", "fault=unavailable&for=2s"),
            ("5s", "fault=down&for=2s"),
            ("8s", "fault=throttle&for=2s"),
            ("11s", "fault=reset&for=2s"),
        ),
        expect={"stable": "30s", "timeout": "120s"},
        max_rounds=1,
    ),
    Scenario(
        "soak",
        "A steady 20 000 spans/s for ten minutes.",
        "-conns 2 -inflight 4 -batch 512 -rate 20000 -duration 600s",
        max_rounds=1,
    ),
)
QUICK = tuple(scenario.name for scenario in SCENARIOS if scenario.name != "soak")


class Row(TypedDict):
    """One collector's medians over its runs, as the generator prints them."""

    collector: str
    runs: int
    runs_failed: int
    median: dict[str, float]
    duplicates: int
    missing: int


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
    options = parser.parse_args()
    others = dict(parse_collector(text) for text in options.vs)
    known = {scenario.name: scenario for scenario in SCENARIOS}
    results: list[tuple[Scenario, list[Row]]] = []
    loop = calibrate()
    for name in options.only.split(","):
        if name not in known:
            parser.error(f"no scenario {name!r}: there are {', '.join(known)}")
        scenario = known[name]
        rows = run(
            scenario, options.collectorbench, options.work / name, min(options.rounds, scenario.max_rounds), others
        )
        results.append((scenario, rows))
    options.output.write_text(report(results, describe_machine(loop)))
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
    scenario: Scenario, collectorbench: Path, work: Path, rounds: int, others: Mapping[str, Sequence[str]]
) -> list[Row]:
    """Run one scenario in a folder of its own; returns the medians, ours first."""
    work.mkdir(parents=True)
    ports = dict(zip(("OTLP_GRPC", "SINK_GRPC", "SINK_HTTP", "SINK_CONTROL", "ADMIN"), free_addresses(5), strict=True))
    config = work / "alloytrio.toml"
    config.write_text(
        CONFIG.format(admin=ports["ADMIN"], data=work / "data", otlp=ports["OTLP_GRPC"], sink=ports["SINK_GRPC"])
    )
    ours = [sys.executable, "-P", "-m", "alloytrio", "run", str(config)]
    collectors = [{"name": "alloytrio", "command": ours, "ready": {"http": f"http://{ports['ADMIN']}/-/ready"}}]
    collectors += [
        {"name": name, "command": list(command), "ready": {"tcp": ports["OTLP_GRPC"], "timeout": "60s"}}
        for name, command in others.items()
    ]
    load = ["-signal", "traces", "-proto", "grpc", "-addr", ports["OTLP_GRPC"], *scenario.load.split()]
    document = {
        "name": scenario.name,
        "vars": ports,
        "sink": {
            "grpc": ports["SINK_GRPC"],
            "http": ports["SINK_HTTP"],
            "control": ports["SINK_CONTROL"],
            "args": ["-verify"],
        },
        "load": load,
        "warmup": ["-duration", "2s"],
        "expect": {"count": "spans", **scenario.expect},
        "faults": [{"at": at, "fault": fault} for at, fault in scenario.faults],
        "collectors": collectors,
    }
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
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    print("\n".join(lines[:-1]), file=sys.stderr)
    return cast(list[Row], json.loads(lines[-1])["summary"])


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


def report(results: Sequence[tuple[Scenario, Sequence[Row]]], machine: Sequence[tuple[str, str]]) -> str:
    """The text of BENCHMARKS.md."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `scripts/bench`; do not edit. Load, collector and sink share one machine over its loopback; CPU",
        "and memory are those of the collector's process. Figures are medians. The journal is on: everything",
        "acknowledged was on disk (in the page cache, with an fsync every second) before the answer. Missing are spans",
        "that were sent, acknowledged or not, and did not arrive; twice are arrivals beyond the first, those that the",
        "sender's own retries caused included.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in machine),
    ]
    for scenario, rows in results:
        lines += ["", f"## {scenario.name}", "", scenario.about, "", *table(rows)]
    return "\n".join(lines) + "\n"


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of one scenario's table."""
    headings = ["collector", "runs", *(column.heading for column in COLUMNS), "missing", "twice"]
    lines = ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    for row in rows:
        runs = f"{row['runs'] - row['runs_failed']} of {row['runs']}" if row["runs_failed"] else str(row["runs"])
        cells = [row["collector"], runs]
        cells += [format(row["median"][column.key], column.format) if row["median"] else "–" for column in COLUMNS]
        lines.append("| " + " | ".join([*cells, f"{row['missing']:,}", f"{row['duplicates']:,}"]) + " |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
