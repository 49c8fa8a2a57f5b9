"""Taps: free when nobody watches, never in the way when somebody does."""

import pytest
import trio

from alloytrio.telemetry import OtlpSeen, Telemetry, Watch


def item(number: int) -> OtlpSeen:
    """Something to show."""
    return OtlpSeen("traces", bytes([number]))


async def test_a_watcher_sees_what_passes() -> None:
    """Items come in order from the beginning of the watch to its end; nothing is watched before and after."""
    tap = Telemetry().component("a.b").tap
    assert not tap.is_watched
    tap.show(item(0))
    with Watch([tap], 10) as watch:
        assert tap.is_watched
        tap.show(item(1))
        tap.show(item(2))
        assert await watch.receive.receive() == item(1)
        assert await watch.receive.receive() == item(2)
    assert not tap.is_watched
    tap.show(item(3))


def test_a_slow_watcher_misses_items() -> None:
    """At the limit nothing is missed, beyond it items are, and counted; other watchers are not affected."""
    tap = Telemetry().component("a.b").tap
    with Watch([tap], 2) as slow, Watch([tap], 3) as other:
        for number in range(3):
            tap.show(item(number))
        assert (slow.missed, other.missed) == (1, 0)
        assert slow.receive.receive_nowait() == item(0)
    with pytest.raises(trio.ClosedResourceError):
        slow.receive.receive_nowait()


def test_a_reload_keeps_the_tap() -> None:
    """Who watches a component goes on watching when it is replaced; with the last one the tap goes."""
    telemetry = Telemetry()
    old = telemetry.component("a.b")
    tap = telemetry.tap("a.b")
    assert tap is old.tap
    new = telemetry.component("a.b")
    old.close()
    assert new.tap is tap
    new.close()
    assert telemetry.tap("a.b") is None


async def test_several_taps_at_once() -> None:
    """One watch sees what passes several components; a component that shows nothing has not offered its tap."""
    telemetry = Telemetry()
    taps = [telemetry.component(each).tap for each in ("a.a", "a.b")]
    telemetry.component("a.c")
    with Watch(taps, 10) as watch:
        taps[0].show(item(1))
        taps[1].show(item(2))
        assert [await watch.receive.receive() for _ in taps] == [item(1), item(2)]
    assert not any(tap.is_watched for tap in taps)
    silent = telemetry.tap("a.c")
    assert silent is not None
    assert not silent.is_offered
    assert taps[0].is_offered
