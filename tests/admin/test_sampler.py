"""Rates from samples."""

import pytest

from alloytrio.admin.sampler import Sampler


def test_rate_over_the_window() -> None:
    """A rate is the growth over the window; there is none before two samples, or for what is not counted."""
    sampler = Sampler(window=10)
    assert sampler.rate("a") is None
    sampler.add(0, {"a": 0})
    assert sampler.rate("a") is None
    sampler.add(2, {"a": 10})
    assert sampler.rate("a") == 5
    assert sampler.rate("b") is None
    for second in range(4, 30, 2):
        sampler.add(second, {"a": 10 + second * 3})
    assert sampler.rate("a") == pytest.approx(3)


def test_a_total_that_appears_or_falls_counts_from_zero() -> None:
    """A component that is new, or was replaced, has no negative rate."""
    sampler = Sampler()
    sampler.add(0, {"a": 100})
    sampler.add(2, {"a": 10, "b": 4})
    assert sampler.rate("a") == 5
    assert sampler.rate("b") == 2


def test_rates_for_a_chart() -> None:
    """One rate between each two samples, oldest first; no more samples than allowed are kept."""
    sampler = Sampler(history=3)
    for second, total in ((0, 0), (1, 1), (2, 3), (4, 9)):
        sampler.add(second, {"a": total})
    assert sampler.rates("a") == [2, 3]


def test_samples_far_apart_still_give_a_rate() -> None:
    """When the last two samples are further apart than the window they are what there is."""
    sampler = Sampler(window=10)
    sampler.add(0, {"a": 0})
    sampler.add(60, {"a": 60})
    assert sampler.rate("a") == 1


def test_what_falls_has_a_slope() -> None:
    """A slope may be negative; it is not known of what was not there at the beginning of the window."""
    sampler = Sampler(window=10)
    assert sampler.slope("a") is None
    sampler.add(0, {"a": 10.0})
    assert sampler.slope("a") is None
    sampler.add(2, {"a": 4.0, "b": 1.0})
    assert sampler.slope("a") == -3
    assert sampler.slope("b") is None
