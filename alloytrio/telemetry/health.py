"""The health of a component, with a short history for the page."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

HEALTH_HISTORY = 32  # changes kept; a flapping backend must not grow memory


class HealthState(Enum):
    """The words are Alloy's, so that scripts which read them keep working."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Health:
    """One state of a component. ``since_ns`` is wall-clock time in nanoseconds."""

    state: HealthState
    message: str
    since_ns: int


class HealthRecord:
    """The current health of one component and its latest changes.

    Args:
        on_change: called with the previous and the new health when the state changes (not for a new message in
            the same state), so that a failing backend gives one log line and not one per retry.
    """

    def __init__(self, on_change: Callable[[Health, Health], None] | None = None) -> None:
        first = Health(HealthState.UNKNOWN, "not started", time.time_ns())
        self._changes: deque[Health] = deque([first], maxlen=HEALTH_HISTORY)
        self._on_change = on_change

    @property
    def current(self) -> Health:
        """The state now, since when, and why."""
        return self._changes[-1]

    @property
    def history(self) -> list[Health]:
        """The latest changes, oldest first."""
        return list(self._changes)

    def set(self, state: HealthState, message: str = "") -> None:
        """Note a state; the same state again only renews its message."""
        before = self.current
        if state is before.state:
            if message != before.message:
                self._changes[-1] = Health(state, message, before.since_ns)
            return
        after = Health(state, message, time.time_ns())
        self._changes.append(after)
        if self._on_change is not None:
            self._on_change(before, after)
