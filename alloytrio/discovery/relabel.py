"""``discovery.relabel``: changes and drops targets by rules.

In: targets of other discoveries; None, to give only its rules to a ``loki.source.docker``. Out: the targets that are
left, and the rules. Errors: none at run time; rules are checked when the configuration is read.

Source: Alloy ``internal/component/discovery/relabel``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, cast

import trio
from pydantic import Field

from alloytrio.component import BuildContext, Component, ComponentConfig, KnownTarget
from alloytrio.relabel import Relabeling, RelabelRule
from alloytrio.targets import Latest, Target, TargetSource, all_targets, follow
from alloytrio.telemetry import ComponentTelemetry, HealthState, TargetsSeen
from alloytrio.values import Kind, TargetsEdge


class DiscoveryRelabelConfig(ComponentConfig):
    """``[discovery.relabel.<label>]``"""

    component_type: ClassVar[str] = "discovery.relabel"
    exports: ClassVar[Mapping[str, Kind]] = {"output": Kind.TARGETS, "rules": Kind.RULES}

    targets: TargetsEdge | tuple[TargetsEdge, ...] = Field(
        description="Where targets come from; [] if only the rules are used."
    )
    rule: tuple[RelabelRule, ...] = Field((), description="Rules, applied in order.")

    def build(self, context: BuildContext) -> Component:
        """The component, not yet running."""
        edges = (self.targets,) if isinstance(self.targets, str) else self.targets
        # What is upstream is built later, so it is asked for when this runs.
        sources = [partial(_target_source, context, edge) for edge in edges]
        return DiscoveryRelabel(sources, Relabeling(self.rule), context.telemetry, context.stop)


def _target_source(context: BuildContext, edge: str) -> TargetSource:
    return cast(TargetSource, context.resolve(edge))


class DiscoveryRelabel:
    """Applies rules to the current targets of its sources.

    Args:
        sources: give the components whose targets are taken; called when this component runs.
        rules: applied to each target.

    Attributes:
        targets: those that are left; None until every source has told its own.
        rules: the rules.
    """

    def __init__(
        self,
        sources: Sequence[Callable[[], TargetSource]],
        rules: Relabeling,
        telemetry: ComponentTelemetry,
        stop: trio.Event,
    ) -> None:
        self.targets: Latest[tuple[Target, ...] | None] = Latest(None if sources else ())
        self.rules = rules
        self._find_sources = sources
        self._sources: list[TargetSource] = []
        self._health = telemetry.health
        self._known: list[KnownTarget] = []
        self._known_versions: list[int] = []
        self._tap = telemetry.tap
        self._tap.current = self._seen
        self._stop = stop

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the sources until stopped."""
        self._health.set(HealthState.HEALTHY)
        self._sources = [find() for find in self._find_sources]
        async with trio.open_nursery() as followers:
            for source in self._sources:
                followers.start_soon(follow, source, self._update)
            task_status.started()
            await self._stop.wait()
            followers.cancel_scope.cancel()

    def _update(self) -> None:
        known = all_targets(self._sources)
        if known is None:
            return
        kept = tuple(labels for target in known if (labels := self.rules.apply(target)) is not None)
        if kept != self.targets.value:
            self.targets.set(kept)
        if self._tap.is_watched:
            self._tap.show(self._seen())

    def _discovered(self) -> list[Target]:
        """The targets that the sources give now."""
        return [target for source in self._sources for target in source.targets.value or ()]

    def known_targets(self) -> Sequence[KnownTarget]:
        """All targets of the sources, with what each rule does to them."""
        versions = [source.targets.version for source in self._sources]
        if versions != self._known_versions:
            self._known_versions = versions
            self._known = [self._explained(target) for target in self._discovered()]
        return self._known

    def _explained(self, target: Target) -> KnownTarget:
        explained = self.rules.explain(target)
        steps = [(rule.in_words(), labels) for rule, labels in explained]
        dropped_by = f"rule {len(steps)}: {steps[-1][0]}" if steps and steps[-1][1] is None else ""
        return KnownTarget(target, None if dropped_by else self.rules.apply(target), dropped_by, steps=steps)

    def _seen(self) -> TargetsSeen:
        return TargetsSeen([(target, self.rules.apply(target)) for target in self._discovered()])
