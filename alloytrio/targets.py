"""Targets between components: what flows over a TARGETS or RULES edge.

A discovery has one current set of targets; who uses it looks at the current one and waits for the next. Nothing is
queued: only the latest set matters.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NoReturn, Protocol, TypeVar

import trio

from alloytrio.relabel import Relabeling

Target = Mapping[str, str]
"""Labels of one target, ``__meta_docker_…`` among them."""

T = TypeVar("T")


class Latest(Generic[T]):
    """A value that changes, of which only the latest matters.

    Attributes:
        value: the current one.
        version: how often it was set.
    """

    def __init__(self, value: T) -> None:
        self.value = value
        self.version = 0
        self._changed = trio.Event()

    def set(self, value: T) -> None:
        """Replace the value and wake those who wait for a change."""
        self.value = value
        self.version += 1
        self._changed.set()
        self._changed = trio.Event()

    async def wait(self, version: int) -> int:
        """Wait until the value is newer than ``version``; the version that it has then."""
        while self.version <= version:
            await self._changed.wait()
        return self.version


class TargetSource(Protocol):
    """What gives targets. ``targets`` holds None until the first set is known."""

    @property
    def targets(self) -> Latest[tuple[Target, ...] | None]:
        """The current set."""
        ...


async def follow(source: TargetSource, changed: Callable[[], None]) -> NoReturn:
    """Call ``changed`` now, and whenever the source has a new set."""
    version = source.targets.version
    changed()
    while True:
        version = await source.targets.wait(version)
        changed()


def all_targets(sources: Iterable[TargetSource]) -> list[Target] | None:
    """The targets of all sources; None as long as one does not know its first set."""
    found: list[Target] = []
    for source in sources:
        known = source.targets.value
        if known is None:
            return None
        found += known
    return found


class RuleSource(Protocol):
    """What gives relabel rules."""

    @property
    def rules(self) -> Relabeling:
        """The rules."""
        ...
