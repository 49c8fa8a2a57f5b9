"""Watches the resident memory of the collectors that the load generator starts, over the time of a long scenario."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

KIB = 1024


class MemoryWatch:
    """Samples in a thread until the generator ends.

    Args:
        generator: the process whose children are the collectors.
        commands: of the collectors, by name.
        interval: seconds between samples.

    Attributes:
        samples: MiB by collector, in the order in which they were taken, of its latest process.
    """

    def __init__(
        self, generator: "subprocess.Popen[str]", commands: Mapping[str, Sequence[str]], interval: float
    ) -> None:
        self.samples: dict[str, list[float]] = {}
        self._generator = generator
        self._commands = {name: list(command) for name, command in commands.items()}
        self._interval = interval
        self._pids: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once the generator has."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            for pid, command in children(self._generator.pid):
                for name, wanted in self._commands.items():
                    if command == wanted:
                        self._note(name, pid)

    def _note(self, name: str, pid: int) -> None:
        mib = resident_mib(pid)
        if mib is None:
            return
        if self._pids.get(name) != pid:
            self._pids[name] = pid
            self.samples[name] = []
        self.samples[name].append(mib)


def children(parent: int) -> list[tuple[int, list[str]]]:
    """The child processes of a process and their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name may hold spaces and brackets; the parent's id is the second field behind it.
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append((int(entry.name), (entry / "cmdline").read_text().split("\0")[:-1]))
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile
    return found


def resident_mib(pid: int) -> float | None:
    """The resident set of a process in MiB; None if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / KIB for line in lines if line.startswith("VmRSS:")), None)


def memory_table(samples: Mapping[str, Sequence[float]], interval: float, columns: int = 10) -> list[str]:
    """The lines of a table of memory over time, at most so many columns."""
    longest = max(map(len, samples.values()), default=0)
    if longest == 0:
        return []
    step = max(longest // columns, 1)
    at = range(step - 1, longest, step)
    lines = [
        "",
        "| RSS MiB after | " + " | ".join(f"{(index + 1) * interval / 60:.0f} min" for index in at) + " |",
        "|---" + "|---:" * len(at) + "|",
    ]
    for name, series in samples.items():
        cells = [f"{series[index]:.0f}" if index < len(series) else "–" for index in at]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
