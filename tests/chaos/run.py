"""Everything at once: all signals, every fault, and the sum at the end. ``scripts/chaos`` runs it.

What must hold for every signal: accepted = delivered + set aside + still queued. At the end all faults are taken away
and nothing may be queued any more, so each number that was acknowledged (or written by a container) must have arrived
at its backend or lie in the ``rejected/`` folder.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.backends import Http, Store, Tempo, numbers_in_text, numbers_of_samples, numbers_of_spans
from tests.chaos.containers import Containers
from tests.chaos.senders import Application, Logs, Metrics, Traces
from tests.chaos.stack import Chaos, SmallDisk

DISK_MIB = 96
SETTLE_PATIENCE = 120.0  # seconds in which everything must have arrived once all faults are gone
FAULT_SECONDS = (0.5, 2.0)
Say = Callable[[str], None]


@dataclass
class Tally:
    """What became of one signal's items.

    Attributes:
        accepted: acknowledged to a sender, or written to a container's log.
        delivered: numbers that arrived.
        repeated: arrivals beyond the first.
        set_aside: accepted, not delivered, in the ``rejected/`` folder.
        missing: neither: lost.
    """

    accepted: int
    delivered: int
    repeated: int
    set_aside: int
    missing: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.accepted} accepted = {self.delivered} delivered + {self.set_aside} set aside + "
            f"{len(self.missing)} missing ({self.repeated} arrived more than once)"
        )


def tally(accepted: set[int], store: Store, aside: set[int]) -> Tally:
    """Compare what was accepted with what arrived."""
    arrived = store.arrived
    missing = accepted - arrived.keys()
    return Tally(
        accepted=len(accepted),
        delivered=len(accepted & arrived.keys()),
        repeated=arrived.total() - len(arrived),
        set_aside=len(missing & aside),
        missing=sorted(missing - aside),
    )


class Run:
    """One run: what takes part in it, and what can go wrong with it.

    Args:
        stack: closes what is opened.
        folder: empty.
        seed: of all choices.
        say: takes a line about what happens.
    """

    def __init__(self, stack: ExitStack, folder: Path, seed: int, say: Say) -> None:
        self._random = random.Random(seed)
        self._say = say
        self.disk: SmallDisk | None = None
        if os.geteuid() == 0:
            self.disk = SmallDisk(folder / "disk", DISK_MIB)
            stack.callback(self.disk.unmount)
        socket = folder / "d"
        self.containers = stack.enter_context(Containers(socket, seed))
        self.tempo = stack.enter_context(Tempo())
        self.prometheus = stack.enter_context(Http(numbers_of_samples))
        self.loki = stack.enter_context(Http(numbers_in_text))
        self.logs = stack.enter_context(Http(numbers_in_text))
        ports: dict[str, int | Path] = {
            "tempo": self.tempo.port, "prometheus": self.prometheus.port, "loki": self.loki.port,
            "logs": self.logs.port, "docker": socket,
        }  # fmt: skip
        (folder / "service").mkdir()
        storage = (self.disk.folder if self.disk else folder) / "data"
        self.service = stack.enter_context(Chaos(folder / "service", storage, ports, max_size="16MiB"))
        self.applications: dict[str, Application] = {
            "traces": Traces(self.service.otlp_port),
            "metrics": Metrics(self.service.otlp_port),
            "logs": Logs(self.service.otlp_port),
        }
        for application in self.applications.values():
            stack.enter_context(application)
        self.happened: Counter[str] = Counter()

    def faults(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """All faults in turn, as (name, what brings it about and takes it away); a new order in each round."""
        backends: list[tuple[str, Tempo | Http]] = [
            ("tempo", self.tempo), ("prometheus", self.prometheus), ("loki", self.loki), ("logs", self.logs),
        ]  # fmt: skip
        every: list[tuple[str, Callable[[], None]]] = [
            (f"{name} {fault}", lambda backend=backend, fault=fault: self._backend(backend, fault))  # type: ignore[misc]  # lambda defaults
            for name, backend in backends
            for fault in backend.FAULTS
        ]
        others: list[tuple[str, Callable[[], None]]] = [
            ("kill -9", self._kill),
            ("SIGSTOP", lambda: self.service.stop_for(self._random.uniform(0.2, 1.5))),
            ("SIGTERM", self._restart),
            ("docker breaks", self.containers.break_streams),
            ("all backends down", self._all_down),
            ("kill -9 while all are down", self._kill_while_down),
        ]
        if self.disk is not None:
            others.append(("disk full", self._fill_disk))
        while True:
            # The process's own faults come between those of backends, so that a short run has seen each.
            self._random.shuffle(every)
            self._random.shuffle(others)
            turn = list(every)
            for at, other in enumerate(others):
                turn.insert(at * 3, other)
            yield from turn

    def step(self, name: str, fault: Callable[[], None]) -> None:
        """Bring one fault about; containers come and go meanwhile."""
        self._say(name)
        self.happened[name] += 1
        self.containers.churn()
        fault()
        time.sleep(self._random.uniform(0.1, 0.5))
        assert self.service.process.poll() is None, f"the service ended after {name}:\n{self.service.log[-4000:]}"

    def settle(self) -> dict[str, Tally]:
        """Take all faults away, let everything arrive, and count."""
        self.containers.stop()
        for application in self.applications.values():
            application.stop()
            assert application.unexpected == [], application.unexpected[:3]
        deadline = time.monotonic() + SETTLE_PATIENCE
        while self.service.queued() > 0 or self.tallies()["container logs"].missing:
            if time.monotonic() > deadline:
                self._say(f"{self.service.queued():g} items still wait; the log ends with:\n{self.service.log[-4000:]}")
                break
            time.sleep(0.2)
        return self.tallies()

    def tallies(self) -> dict[str, Tally]:
        """What became of each signal's items up to now."""
        aside: dict[str, set[int]] = {"traces": set(), "metrics": set(), "text": set()}
        for encoding, payload in self.service.set_aside():
            if encoding.startswith("traces"):
                aside["traces"].update(numbers_of_spans(payload))
            elif encoding.startswith(("logs", "push")):
                aside["text"].update(numbers_in_text(payload))
            else:
                aside["metrics"].update(numbers_of_samples(payload))
        accepted = {name: application.acknowledged for name, application in self.applications.items()}
        return {
            "traces": tally(accepted["traces"], self.tempo.store, aside["traces"]),
            "metrics": tally(accepted["metrics"], self.prometheus.store, aside["metrics"]),
            "logs": tally(accepted["logs"], self.logs.store, aside["text"]),
            "container logs": tally(self.containers.written, self.loki.store, aside["text"]),
        }

    def _backend(self, backend: Tempo | Http, fault: str) -> None:
        backend.be(fault)
        time.sleep(self._random.uniform(*FAULT_SECONDS))
        backend.be("")

    def _kill(self) -> None:
        self.service.kill()
        self.service.start()

    def _restart(self) -> None:
        self.service.terminate()
        self.service.start()

    @contextmanager
    def _down(self) -> Iterator[None]:
        backends: list[Tempo | Http] = [self.tempo, self.prometheus, self.loki, self.logs]
        for backend in backends:
            backend.be("down")
        yield
        for backend in backends:
            backend.be("")

    def _all_down(self) -> None:
        with self._down():
            time.sleep(self._random.uniform(*FAULT_SECONDS))

    def _kill_while_down(self) -> None:
        with self._down():
            time.sleep(self._random.uniform(*FAULT_SECONDS))
            self._kill()

    def _fill_disk(self) -> None:
        assert self.disk is not None
        self.disk.fill()
        time.sleep(self._random.uniform(*FAULT_SECONDS))
        self.disk.empty()


def run(seconds: float, seed: int, say: Say) -> tuple[dict[str, Tally], Counter[str]]:
    """Run for so long; returns what became of each signal, and how often each fault happened.

    Raises:
        AssertionError: the service ended.
    """
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, ExitStack() as stack:
        chaos = Run(stack, Path(folder), seed, say)
        deadline = time.monotonic() + seconds
        for name, fault in chaos.faults():
            if time.monotonic() >= deadline:
                break
            chaos.step(name, fault)
        return chaos.settle(), chaos.happened


def main() -> int:
    """``scripts/chaos``."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description="Break everything, and count what arrives.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long faults go on (default: 5)")
    parser.add_argument("--seed", type=int, default=None, help="of the order of the faults (default: a new one)")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    tallies, happened = run(
        options.minutes * 60, seed, lambda line: print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)
    )
    print(", ".join(f"{name}: {times}" for name, times in sorted(happened.items())))
    for signal, each in tallies.items():
        print(f"{signal}: {each}")
        if each.missing:
            print(f"  missing: {each.missing[:20]}")
    return int(any(each.missing for each in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
