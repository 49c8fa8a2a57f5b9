"""The running service as the admin port sees it."""

from collections.abc import Mapping, Sequence

from alloytrio.admin.view import ComponentView, EdgeView, ReloadView, ValueView
from alloytrio.config.problems import dotted
from alloytrio.config.provenance import redacted
from alloytrio.graph import Node
from alloytrio.service import ReloadOutcome, Service
from alloytrio.telemetry import Health, Telemetry


class RunningServiceView:
    """Tells what ``alloytrio.admin.view.ServiceView`` asks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def telemetry(self) -> Telemetry:
        """Metrics and recent log lines of the whole process."""
        return self._service.telemetry

    def is_ready(self) -> bool:
        """Configured and receiving."""
        return self._service.is_ready

    def healths(self) -> Mapping[str, Health]:
        """The health of every component by id."""
        return self._service.telemetry.healths()

    def components(self) -> Sequence[ComponentView]:
        """All components in the order of the configuration."""
        nodes = {node.component_id: node for node in self._service.nodes}
        return [self._component(nodes[each]) for each in self._service.plan.configs if each in nodes]

    def edges(self) -> Sequence[EdgeView]:
        """All edges in the order of the configuration."""
        return [
            EdgeView(edge.source_id, edge.target_id, edge.signal.value if edge.signal else edge.kind.name.lower())
            for edge in self._service.plan.edges
        ]

    def last_reload(self) -> ReloadView | None:
        """The outcome of the last reload, if there was one."""
        outcome = self._service.last_reload
        return None if outcome is None else _reload_view(outcome)

    async def reload(self) -> ReloadView:
        """Read the configuration again and replace what changed."""
        return _reload_view(await self._service.reload())

    def _component(self, node: Node) -> ComponentView:
        component_type, _, label = node.component_id.rpartition(".")
        health = node.telemetry.health
        return ComponentView(
            id=node.component_id,
            type=component_type,
            label=label,
            health=health.current,
            history=health.history,
            config=redacted(node.config),
            values=[
                ValueView(dotted(each.path), each.value, str(each.origin))
                for each in self._service.loaded.shown_values(node.component_id)
            ],
            metrics=node.telemetry.values(),
        )


def _reload_view(outcome: ReloadOutcome) -> ReloadView:
    return ReloadView(outcome.at_ns, outcome.error, outcome.replaced)
