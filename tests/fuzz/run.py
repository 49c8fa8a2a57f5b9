"""Fuzzes every reader for a while: ``python -m tests.fuzz.run [--minutes N | --seconds N] [--seed N] [--only NAME]``.

Each crash is made small by hypothesis, printed and written to ``fuzz-crashes/``; the exit code is 1 then. The same seed
gives the same inputs.
"""

import argparse
import contextlib
import itertools
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, Target

EXAMPLES = 50  # inputs for a target before the next one has its turn
PATIENCE = 30  # seconds for one input; mostly they take less than a millisecond


class HangError(Exception):
    """An input that does not come to an end."""


@contextlib.contextmanager
def watched() -> Iterator[Callable[[], object]]:
    """Raises HangError in the main thread where one input takes too long; call what it gives before each."""

    def alarm(number: int, frame: FrameType | None) -> None:
        raise HangError(f"more than {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, alarm)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(target: Target, number: int, examples: int, begin: Callable[[], object]) -> tuple[bytes, Exception] | None:
    """Some inputs for one target; the smallest that crashes it and the error, or None. ``number``: the seed."""
    latest: list[tuple[bytes, Exception]] = []

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(target.seeds))
    def check(raw: bytes) -> None:
        begin()
        try:
            target.read(raw)
        except target.allowed:
            pass
        except Exception as exc:
            latest[:] = [(raw, exc)]
            raise

    with contextlib.suppress(Exception):  # hypothesis raises the last one again
        check()
    return latest[0] if latest else None


def save(folder: Path, target: Target, raw: bytes, error: Exception) -> None:
    """Keep a crash and tell of it."""
    folder.mkdir(exist_ok=True)
    path = folder / target.name.replace(" ", "-")
    path.write_bytes(raw)
    print(f"crash in {target.name}: {type(error).__name__}: {error}\n  input {raw[:200]!r} in {path}", file=sys.stderr)


def run(targets: Sequence[Target], seconds: float, start: int, crashes: Path) -> Counter[str]:
    """Fuzz the targets in turn until the time is over; returns the crashes of each."""
    found: Counter[str] = Counter()
    end = time.monotonic() + seconds
    with watched() as begin:
        for number in itertools.count(start):
            for target in targets:
                if found[target.name]:
                    continue
                crash = fuzz(target, number, EXAMPLES, begin)
                if crash is not None:
                    found[target.name] += 1
                    save(crashes, target, *crash)
            if time.monotonic() > end:
                inputs = (number - start + 1) * EXAMPLES
                print(f"{len(targets)} readers, {inputs} inputs for each, {found.total()} crashes")
                return found
    raise AssertionError("the loop ends by time")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Fuzzes every decoder and parser.")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument("--seconds", type=float, default=0.0, help="the same in seconds")
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--only", default="", help="targets whose name holds this")
    arguments = parser.parse_args()
    targets = [target for target in TARGETS if arguments.only in target.name]
    if not targets:
        parser.error(f"no target's name holds {arguments.only!r}; there are {', '.join(each.name for each in TARGETS)}")
    seconds = arguments.seconds or arguments.minutes * 60
    return 1 if run(targets, seconds, arguments.seed, Path("fuzz-crashes")) else 0


if __name__ == "__main__":
    sys.exit(main())
