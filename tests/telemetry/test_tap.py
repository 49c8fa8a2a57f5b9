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
        assert await watch.receive() == item(1)
        assert await watch.receive() == item(2)
    assert not tap.is_watched
    tap.show(item(3))


async def test_a_slow_watcher_misses_items() -> None:
    """At the limit nothing is missed, beyond it items are, and counted; other watchers are not affected."""
    tap = Telemetry().component("a.b").tap
    with Watch([tap], 2) as slow, Watch([tap], 3) as other:
        for number in range(3):
            tap.show(item(number))
        assert (slow.missed, other.missed) == (1, 0)
        assert await slow.receive() == item(0)
    with pytest.raises(trio.ClosedResourceError):
        await slow.receive()


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
        assert [await watch.receive() for _ in taps] == [item(1), item(2)]
    assert not any(tap.is_watched for tap in taps)
    silent = telemetry.tap("a.c")
    assert silent is not None
    assert not silent.is_offered
    assert taps[0].is_offered


async def test_payloads_that_wait_are_bounded() -> None:
    """At the bound in bytes an item fits, one more byte is missed; what was looked at makes room again."""
    tap = Telemetry().component("a.b").tap
    with Watch([tap], 10, max_bytes=10) as watch:
        tap.show(OtlpSeen("traces", b"12345"))
        assert watch.has_room
        tap.show(OtlpSeen("traces", b"67890"))
        assert not watch.has_room
        tap.show(OtlpSeen("traces", b"x"))
        assert watch.missed == 1
        await watch.receive()
        tap.show(OtlpSeen("traces", b"x"))
        assert watch.missed == 1
        tap.show(OtlpSeen("traces", b"123456"))
        assert watch.missed == 2


async def test_a_payload_larger_than_the_bound_is_shown_alone() -> None:
    """What is larger by itself is shown when nothing else waits, and missed otherwise."""
    tap = Telemetry().component("a.b").tap
    with Watch([tap], 10, max_bytes=10) as watch:
        tap.show(OtlpSeen("traces", b"x" * 11))
        assert watch.missed == 0
        tap.show(OtlpSeen("traces", b"x"))
        assert watch.missed == 1
        await watch.receive()
        tap.show(OtlpSeen("traces", b"x"))
        tap.show(OtlpSeen("traces", b"x" * 11))
        assert watch.missed == 2


def test_nothing_need_be_made_while_nobody_has_room() -> None:
    """Who would have to make an item is told whether anybody would get it; if not, it counts as missed."""
    tap = Telemetry().component("a.b").tap
    with Watch([tap], 1) as slow, Watch([tap], 2) as other:
        assert tap.has_room()
        tap.show(item(1))
        assert tap.has_room()
        tap.show(item(2))
        assert (slow.missed, other.missed) == (1, 0)
        assert not tap.has_room()
        assert (slow.missed, other.missed) == (2, 1)
        tap.miss(5)
        assert (slow.missed, other.missed) == (7, 6)


async def test_what_is_there_is_shown_first() -> None:
    """A component whose state changes rarely shows it to each new watcher."""
    tap = Telemetry().component("a.b").tap
    tap.current = lambda: item(7)
    with Watch([tap], 10) as watch:
        assert await watch.receive() == item(7)
