"""Intervals between attempts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.outbox import RetryPolicy
from alloytrio.outbox.retry import Retry


def middle() -> float:
    """No jitter."""
    return 0.5


def waits(policy: RetryPolicy, count: int, *, random: float = 0.5) -> list[float | None]:
    """The waits after a number of failures in a row, each attempt taking no time."""
    retry = Retry(policy, lambda: random)
    now = 0.0
    found: list[float | None] = []
    for _ in range(count):
        retry.begin(now)
        at = retry.next_at(now, None)
        found.append(None if at is None else at - now)
        now = now if at is None else at
    return found


def test_the_collectors_defaults() -> None:
    """5 s, growing by half each time, up to 30 s."""
    assert waits(RetryPolicy(), 7) == pytest.approx([5, 7.5, 11.25, 16.875, 25.3125, 30, 30])


@pytest.mark.parametrize(("random", "first"), [(0.0, 2.5), (0.5, 5.0), (0.999999999, 7.5)])
def test_jitter_is_uniform_around_the_interval(random: float, first: float) -> None:
    """A wait is between interval × (1 - factor) and interval × (1 + factor)."""
    assert waits(RetryPolicy(), 1, random=random) == pytest.approx([first])


def test_max_elapsed_time_counts_from_the_first_attempt() -> None:
    """A batch is given up when the next attempt would be later than the limit; exactly at the limit it is made."""
    policy = RetryPolicy(initial_interval=2, multiplier=1, max_interval=2, max_elapsed_time=6)
    assert waits(policy, 4) == [2, 2, 2, None]


def test_disabled_means_one_attempt() -> None:
    """Without retries a failed batch is given up."""
    assert waits(RetryPolicy(enabled=False), 1) == [None]


@pytest.mark.parametrize(("retry_after", "wait"), [(None, 5.0), (1.0, 5.0), (60.0, 60.0)])
def test_the_backends_wish_is_a_lower_bound(retry_after: float | None, wait: float) -> None:
    """RetryInfo and Retry-After make a wait longer, never shorter."""
    assert Retry(RetryPolicy(), middle).next_at(100.0, retry_after) == 100.0 + wait


def test_success_starts_over() -> None:
    """After an answer the next failure waits for the initial interval again."""
    retry = Retry(RetryPolicy(), middle)
    retry.next_at(0, None)
    retry.next_at(0, None)
    retry.restart()
    assert retry.next_at(0, None) == 5.0


def test_slowly_is_the_longest_interval() -> None:
    """What is refused as a whole is tried again once per max_interval, without an end."""
    policy = RetryPolicy(max_interval=30, max_elapsed_time=1, enabled=False)
    assert Retry(policy, middle).slowly_at(10.0) == 40.0


@given(
    st.builds(
        RetryPolicy,
        initial_interval=st.floats(0.01, 60),
        multiplier=st.floats(1, 4),
        randomization_factor=st.floats(0, 1),
        max_interval=st.floats(60, 300),
    ),
    st.floats(0, 0.999),
)
def test_waits_are_bounded(policy: RetryPolicy, random: float) -> None:
    """No wait is negative, or longer than the longest interval with its jitter."""
    for wait in waits(policy, 20, random=random):
        assert wait is not None
        assert -1e-9 <= wait <= policy.max_interval * (1 + policy.randomization_factor) + 1e-6
