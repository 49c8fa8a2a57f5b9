"""discovery.relabel: follows its sources, gives what is left and its rules."""

from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from alloytrio.discovery.relabel import DiscoveryRelabel, DiscoveryRelabelConfig
from alloytrio.relabel import Relabeling
from alloytrio.targets import Latest, Target
from alloytrio.telemetry import Telemetry

RULES: list[dict[str, object]] = [
    {"source_labels": ["service"], "regex": "alloy|alloytrio", "action": "drop"},
    {"source_labels": ["__meta_docker_container_name"], "regex": "/(.*)", "target_label": "container"},
]


class Source:
    def __init__(self, *targets: Target) -> None:
        self.targets: Latest[tuple[Target, ...] | None] = Latest(targets or None)


def _same(source: Source) -> Source:
    return source


def relabel(*sources: Source) -> DiscoveryRelabel:
    config = DiscoveryRelabelConfig.model_validate({"targets": "discovery.docker.x", "rule": RULES})
    return DiscoveryRelabel(
        [partial(_same, each) for each in sources],
        Relabeling(config.rule),
        Telemetry().component("discovery.relabel.x"),
        trio.Event(),
    )


WEB, ALLOY = {"service": "web", "__meta_docker_container_name": "/web-1"}, {"service": "alloy"}


async def test_targets_follow() -> None:
    """Each change of a source is followed; dropped targets are left out; what is the same is not published again."""
    source = Source(WEB, ALLOY)
    component = relabel(source)

    def current() -> list[Target] | None:
        return None if component.targets.value is None else list(component.targets.value)

    async with trio.open_nursery() as nursery:
        await nursery.start(component.run)
        await wait_all_tasks_blocked()
        assert current() == [{**WEB, "container": "web-1"}]
        version = component.targets.version
        source.targets.set((WEB, ALLOY, ALLOY))
        await wait_all_tasks_blocked()
        assert component.targets.version == version
        source.targets.set(())
        await component.targets.wait(version)
        assert current() == []
        component._stop.set()


async def test_two_sources() -> None:
    """Targets of several sources are put together once all are known."""
    first, second = Source(WEB), Source()
    component = relabel(first, second)
    async with trio.open_nursery() as nursery:
        await nursery.start(component.run)
        await wait_all_tasks_blocked()
        assert component.targets.version == 0
        second.targets.set(({"service": "db"},))
        await component.targets.wait(0)
        found: tuple[Target, ...] = component.targets.value or ()
        assert [target["service"] for target in found] == ["web", "db"]
        nursery.cancel_scope.cancel()


async def test_known_targets() -> None:
    """Each target is known with what every rule did to it, up to the one that dropped it."""
    source = Source(WEB, ALLOY)
    component = relabel(source)
    async with trio.open_nursery() as nursery:
        await nursery.start(component.run)
        await wait_all_tasks_blocked()
        web, alloy = component.known_targets()
        assert (web.discovered, web.labels, web.dropped_by) == (WEB, {**WEB, "container": "web-1"}, "")
        drop = 'drop where service =~ "alloy|alloytrio"'
        assert web.steps == [
            (drop, WEB),
            ('container = "$1" where __meta_docker_container_name =~ "/(.*)"', {**WEB, "container": "web-1"}),
        ]
        assert (alloy.labels, alloy.dropped_by, alloy.steps) == (None, f"rule 1: {drop}", [(drop, None)])
        assert component.known_targets() is component.known_targets()
        source.targets.set((ALLOY,))
        assert len(component.known_targets()) == 1
        nursery.cancel_scope.cancel()


def test_rules_only() -> None:
    """Without sources there are no targets, and the rules are there."""
    component = relabel()
    assert component.targets.value == ()
    assert component.rules.apply(WEB) == {**WEB, "container": "web-1"}
    assert component.rules.apply(ALLOY) is None


@pytest.mark.parametrize(("targets", "edges"), [("a.b.c", "a.b.c"), ([], ()), (["a.b.c", "d.e.f"], ("a.b.c", "d.e.f"))])
def test_targets_as_written(targets: object, edges: object) -> None:
    """One name, several, or none."""
    assert DiscoveryRelabelConfig.model_validate({"targets": targets}).targets == edges


def test_bad_rules_are_refused() -> None:
    """A rule that cannot work is an error when the configuration is read."""
    with pytest.raises(ValueError, match="needs target_label"):
        DiscoveryRelabelConfig.model_validate({"targets": [], "rule": [{"action": "replace"}]})
