"""What somebody who looks at a page costs: one collector under a steady load, with and without readers in turn.

Two runs of the same load differ by more than a page costs, so all kinds of looking take turns within one run, in an
order that changes with each round, and each window is compared with the window of its round in which nobody looked.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from scripts.page_reader import PageReader

TICKS = 100.0  # per second, of the times in /proc
NOBODY = "nobody"
SETTLE = 1.0  # seconds between windows: readers come and go, batches go out
READY_TIMEOUT = 30.0


@dataclass(frozen=True)
class Looking:
    """A way to look: the address of a page's stream, or of a page that is asked for again and again.

    Args:
        name: for the report.
        path: on the admin port.
        every: seconds between two requests for a page; 0 = a stream.
    """

    name: str
    path: str
    every: float = 0.0


@dataclass(frozen=True)
class Window:
    """What was measured while one looked in one way.

    Args:
        cpu: seconds per million items.
        p99: milliseconds until the acknowledgement.
        pieces: events or pages that the reader got.
    """

    cpu: float
    p99: float
    pieces: int


def measure(
    commands: Mapping[str, Sequence[str]], load: Sequence[str], admin: str, ways: Sequence[Looking], rounds: int
) -> Mapping[str, list[Window]]:
    """Start the sink and the collector, and measure.

    Args:
        commands: of ``sink`` and ``collector``.
        load, admin, ways, rounds: see ``take_turns``.
    """
    with running(commands["sink"]), running(commands["collector"]) as collector:
        wait_until_ready(admin)
        return take_turns(collector.pid, load, admin, ways, rounds)


@contextmanager
def running(command: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process for as long as the block takes; what it says is not kept."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def take_turns(
    pid: int, load: Sequence[str], admin: str, ways: Sequence[Looking], rounds: int
) -> Mapping[str, list[Window]]:
    """The windows of each way and of nobody, one per round.

    Args:
        pid: of the collector.
        load: command of the generator for one window.
        admin: address of the collector's page.
        ways: of looking.
        rounds: how often each has its turn.
    """
    turns: list[Looking | None] = [None, *ways]
    found: dict[str, list[Window]] = {NOBODY: [], **{way.name: [] for way in ways}}
    run_window(pid, load, admin, None)  # the first is slower: connections, caches
    for number in range(rounds):
        for index in range(len(turns)):
            way = turns[(index + number) % len(turns)]
            name = NOBODY if way is None else way.name
            found[name].append(run_window(pid, load, admin, way))
            print(f"{name}: {found[name][-1]}", file=sys.stderr)
    return found


def run_window(pid: int, load: Sequence[str], admin: str, way: Looking | None) -> Window:
    """One window."""
    reader = None if way is None else PageReader(f"http://{admin}{way.path}", way.every)
    if reader is not None:
        reader.start()
    time.sleep(SETTLE)
    before = cpu_seconds(pid)
    result = json.loads(subprocess.run(load, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
    spent = cpu_seconds(pid) - before
    if reader is not None:
        reader.stop()
    pieces = 0 if reader is None else reader.updates
    return Window(spent / result["items_acked"] * 1e6, result["latency_ms"]["p99"], pieces)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_until_ready(admin: str, timeout: float = READY_TIMEOUT) -> None:
    """Until the collector receives.

    Raises:
        TimeoutError: it does not.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{admin}/-/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the collector is not ready")


def cost_table(windows: Mapping[str, Sequence[Window]]) -> list[str]:
    """The lines of the table: how much CPU each way adds, in per cent of what the same load costs with nobody."""
    alone = windows[NOBODY]
    lines = [
        "| looking | rounds | CPU s per million | added CPU | least … most | p99 ms | least … most | got |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, some in windows.items():
        added = [100 * (each.cpu / base.cpu - 1) for each, base in zip(some, alone, strict=True)]
        latencies = [each.p99 for each in some]
        share = "–" if name == NOBODY else f"{median(added):+.1f} %"
        spread = "–" if name == NOBODY else f"{min(added):+.1f} … {max(added):+.1f} %"
        lines.append(
            f"| {name} | {len(some)} | {median(each.cpu for each in some):.2f} | {share} | {spread} "
            f"| {median(latencies):.1f} | {min(latencies):.1f} … {max(latencies):.1f} "
            f"| {median(each.pieces for each in some):.0f} |"
        )
    return lines
