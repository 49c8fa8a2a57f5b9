"""Says which parts of alloytrio the CPU of a scenario goes to, by a sampling profiler (py-spy) on the process."""

import subprocess
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.memory import children

WARM_UP = 7.0  # seconds from the start of the process until the profile begins
DURATION = 6  # seconds of the profile
RATE = 200  # samples a second
OTHER = "others"
# The part that a stack belongs to is that of the innermost frame that has one of these texts.
PARTS = (
    *((f"CPyDef_{module}___", "gRPC") for module in ("frames", "headers", "http2", "receiving", "sending")),
    ("CPyDef_otlp_count___", "counting points"),
    ("CPyDef_", "data points to series"),
    ("cramjam", "compression"),
    ("isal", "compression"),
    ("httpx/", "requests to the backend (httpx)"),
    ("httpcore/", "requests to the backend (httpx)"),
    ("h11/", "requests to the backend (httpx)"),
    ("alloytrio/outbox/", "outbox"),
    ("alloytrio/grpc/", "gRPC"),
    ("alloytrio/otelcol/", "components"),
    ("alloytrio/prometheus/", "components"),
    ("trio/_core/", "trio"),
)
WAITING = ("trio/_core/_thread_cache.py", "trio/_core/_io_epoll.py")  # innermost in Python: nothing to do


class CpuProfile:
    """Profiles one collector that the load generator starts.

    Args:
        sampler: the program py-spy.
        command: of the collector.
        output: the file that the stacks go to.
    """

    def __init__(self, sampler: str, command: Sequence[str], output: Path) -> None:
        self._sampler = sampler
        self._command = list(command)
        self._output = output
        self._ended = threading.Event()

    def start(self, generator: "subprocess.Popen[str]") -> None:
        """Begin, in a thread, once the generator has started the collector."""
        self._thread = threading.Thread(target=self._run, args=(generator.pid,), name="profile")
        self._thread.start()

    def shares(self) -> Mapping[str, float]:
        """The share of each part, once the generator has ended; nothing if there was no profile."""
        self._ended.set()
        self._thread.join()
        return parts(self._output.read_text()) if self._output.exists() else {}

    def _run(self, generator: int) -> None:
        while not self._ended.wait(0.2):
            pids = [pid for pid, command in children(generator) if command == self._command]
            if pids:
                self._ended.wait(WARM_UP)
                options = ["--pid", str(pids[0]), "--duration", str(DURATION), "--rate", str(RATE)]
                target = ["--native", "--format", "raw", "--output", str(self._output)]
                subprocess.run([self._sampler, "record", *options, *target], check=False, capture_output=True)
                return


def parts(stacks: str) -> Mapping[str, float]:
    """The share of each part in a profile: lines of frames with semicolons between, a blank and a number of samples."""
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = stack.split(";")
        innermost = next((frame for frame in reversed(frames) if ".py:" in frame), "")
        if not any(waiting in innermost for waiting in WAITING):
            counts[_part(frames)] += int(samples)
    return {part: count / counts.total() for part, count in counts.most_common()}


def _part(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        for text, part in PARTS:
            if text in frame:
                return part
    return OTHER


def profile_table(shares: Mapping[str, float]) -> list[str]:
    """The lines of a table of shares; none without a profile."""
    if not shares:
        return []
    rows = [f"| {part} | {share:.0%} |" for part, share in shares.items()]
    return ["", "| where alloytrio's CPU goes, in another run | share |", "|---|---:|", *rows]
