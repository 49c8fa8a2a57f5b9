"""The invented newspaper: whatever happens in it, the times and names fit together."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from alloytrio.demo.story import SERVICES, Step, invent

ROUNDING = 1e-9


def all_steps(step: Step) -> list[Step]:
    """A tree's steps, the parent before its children."""
    return [step, *(below for child in step.children for below in all_steps(child))]


@given(st.integers())
def test_a_story_fits_together(seed: int) -> None:
    """Services are known, durations positive, and children lie within their parent unless they are asynchronous."""
    story = invent(Random(seed))
    assert story.count() == len(all_steps(story))
    for step in all_steps(story):
        assert step.service in SERVICES
        assert step.duration > 0
        for child in step.children:
            assert child.start >= 0
            if step.kind != "producer":
                assert child.start + child.duration <= step.duration + ROUNDING
        for line in step.lines:
            assert line.level in {"debug", "info", "warn", "error"}


def test_the_same_seed_tells_the_same_story() -> None:
    """A seed makes a story repeatable."""
    assert invent(Random(7)) == invent(Random(7))


def test_a_hundred_stories_have_what_a_newcomer_should_see() -> None:
    """Among a hundred stories: every service, an error, a failed request, a log line, a queue."""
    random = Random(1)
    steps = [step for _ in range(100) for step in all_steps(invent(random))]
    assert {step.service for step in steps} == set(SERVICES)
    assert any(step.error for step in steps)
    assert any(step.attributes.get("http.response.status_code") == 502 for step in steps)
    assert any(step.lines for step in steps)
    assert {"producer", "consumer"} <= {step.kind for step in steps}
