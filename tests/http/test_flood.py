"""The budget of an HTTP/2 peer: floods are noticed, honest traffic and HTTP/1.1 never are."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.http.flood import PREFACE, FrameBudget


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream_id: int = 1) -> bytes:
    """One HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


RESET, PING, SETTINGS, PRIORITY = frame(3, bytes(4)), frame(6, bytes(8)), frame(4), frame(2, bytes(5))
EMPTY_DATA, LAST_DATA, DATA, CONTINUATION = frame(0), frame(0, flags=1), frame(0, b"x" * 100), frame(9)


@pytest.mark.parametrize(
    ("one", "allowed"),
    [(RESET, 10), (PING, 100), (SETTINGS, 20), (PRIORITY, 100), (EMPTY_DATA, 100), (CONTINUATION, 100)],
)
def test_flood_is_noticed_at_the_budget(one: bytes, allowed: int) -> None:
    """As many frames as the budget pays for are fine; one more is a flood."""
    budget = FrameBudget(100, 0, 0.0)
    assert budget.feed(PREFACE + one * allowed, 0.0)
    assert not budget.feed(one, 0.0)


@pytest.mark.parametrize("one", [LAST_DATA, DATA, frame(1, b"headers")])
def test_requests_and_data_cost_nothing(one: bytes) -> None:
    """Requests, their data and the end of a stream are never a flood."""
    assert FrameBudget(0, 0, 0.0).feed(PREFACE + one * 1000, 0.0)


def test_time_fills_the_budget() -> None:
    """Units come back with time, up to the budget and no further."""
    budget = FrameBudget(10, 2, 0.0)
    assert budget.feed(PREFACE + PING * 10, 0.0)
    assert budget.feed(PING * 2, 1.0)
    assert budget.feed(PING * 10, 1000.0)
    assert not budget.feed(PING, 1000.0)


def test_http1_is_never_counted() -> None:
    """Bytes that do not begin with the HTTP/2 preface pass, whatever they hold."""
    budget = FrameBudget(0, 0, 0.0)
    assert budget.feed(b"PRI * HTTP/1.1\r\n", 0.0)
    assert budget.feed(RESET * 100, 0.0)


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([RESET, PING, SETTINGS, EMPTY_DATA, DATA, LAST_DATA]), max_size=20),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_any_split_gives_the_same_answer(frames: list[bytes], cuts: list[int]) -> None:
    """How the bytes were cut up by the network changes nothing."""
    received = PREFACE + b"".join(frames)
    whole = FrameBudget(50, 0, 0.0)
    expected = whole.feed(received, 0.0)
    split = FrameBudget(50, 0, 0.0)
    answers = [True]
    borders = [0, *sorted(cut for cut in cuts if cut < len(received)), len(received)]
    for begin, end in pairwise(borders):
        answers.append(split.feed(received[begin:end], 0.0))
    assert answers[-1] == expected
