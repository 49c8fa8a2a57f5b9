"""What somebody who looks at a page costs: one collector under a steady load, with and without readers in turn.

Two runs of the same load differ by more than a page costs, so all kinds of looking take turns within one run, in an
order that changes with each round, and each window is compared with those before and behind it, when nobody looked.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

from scripts.page_reader import PageReader

NOBODY = "nobody"
CPU_CLOCK = 2  # CPUCLOCK_SCHED of a process's clock id: see clock_getcpuclockid(3) and linux/posix-timers.h
SETTLE = 0.5  # seconds between windows: readers come and go, batches go out
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
        added: share of CPU beyond what the same load costs when nobody looks; of such a window itself: beyond the one
            before, which is how much two windows differ by chance.
    """

    cpu: float
    p99: float
    pieces: int
    added: float = 0.0


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
    """What each way costs, once per round.

    Args:
        pid: of the collector.
        load: command of the generator for one window.
        admin: address of the collector's page.
        ways: of looking.
        rounds: how often each has its turn.
    """
    found: dict[str, list[Window]] = {NOBODY: [], **{way.name: [] for way in ways}}
    run_window(pid, load, admin, None)  # the first is slower: connections, caches
    before = run_window(pid, load, admin, None)
    for number in range(rounds):
        for index in range(len(ways)):
            way = ways[(index + number) % len(ways)]
            window = run_window(pid, load, admin, way)
            behind = run_window(pid, load, admin, None)
            added = window.cpu / ((before.cpu + behind.cpu) / 2) - 1
            found[way.name].append(replace(window, added=added))
            found[NOBODY].append(replace(behind, added=behind.cpu / before.cpu - 1))
            print(f"{way.name}: {found[way.name][-1]}", file=sys.stderr)
            before = behind
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
    return time.clock_gettime(~pid << 3 | CPU_CLOCK)


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
    lines = [
        "| looking | windows | CPU s per million | added CPU | least … most | p99 ms | least … most | got |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, some in windows.items():
        added = [100 * each.added for each in some]
        latencies = [each.p99 for each in some]
        lines.append(
            f"| {name} | {len(some)} | {median(each.cpu for each in some):.2f} "
            f"| {median(added):+.1f} % | {min(added):+.1f} … {max(added):+.1f} % "
            f"| {median(latencies):.1f} | {min(latencies):.1f} … {max(latencies):.1f} "
            f"| {median(each.pieces for each in some):.0f} |"
        )
    return lines
