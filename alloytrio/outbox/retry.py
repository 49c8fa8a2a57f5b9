"""How long a failed batch waits before it is tried again. Sans-IO: time is an argument.

Source: the OpenTelemetry collector's ``configretry``: each wait is uniform in interval × (1 ± randomization_factor),
then the interval grows by ``multiplier`` up to ``max_interval``. A backend's wish (RetryInfo, Retry-After) is a lower
bound.
"""

from collections.abc import Callable

from alloytrio.outbox.settings import RetryPolicy


class Retry:
    """The retries of one batch.

    Args:
        policy: intervals and limits.
        random: uniform in [0, 1).
    """

    def __init__(self, policy: RetryPolicy, random: Callable[[], float]) -> None:
        self._policy = policy
        self._random = random
        self._interval = policy.initial_interval
        self._first_attempt_at: float | None = None

    def begin(self, now: float) -> None:
        """An attempt begins."""
        if self._first_attempt_at is None:
            self._first_attempt_at = now

    def next_at(self, now: float, retry_after: float | None) -> float | None:
        """When to try again after an attempt that failed; None: give up.

        Args:
            now: seconds, monotonic.
            retry_after: seconds that the backend asked for, if it did.
        """
        if not self._policy.enabled:
            return None
        wait = max(self._jittered(self._interval), retry_after or 0.0)
        self._interval = min(self._interval * self._policy.multiplier, self._policy.max_interval)
        limit = self._policy.max_elapsed_time
        if limit and self._first_attempt_at is not None and now + wait - self._first_attempt_at > limit:
            return None
        return now + wait

    def slowly_at(self, now: float) -> float:
        """When to try again what will be refused until somebody changes something outside."""
        return now + self._jittered(self._policy.max_interval)

    def restart(self) -> None:
        """The backend answered: the next failure is the first of its kind."""
        self._interval = self._policy.initial_interval

    def _jittered(self, interval: float) -> float:
        return interval * (1 + self._policy.randomization_factor * (2 * self._random() - 1))
