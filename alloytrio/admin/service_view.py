"""The running service as the admin port sees it: ``ServiceView`` told by a ``Service``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import trio

from alloytrio.admin.source_text import shown_broken_source, shown_source, without_userinfo
from alloytrio.admin.view import (
    ComponentView,
    ConfigurationView,
    EdgeView,
    OutboxView,
    Plain,
    RecorderView,
    RejectedView,
    ReloadView,
    ValueView,
)
from alloytrio.component import Delivers, HasNotes, KnownTarget, KnowsTargets, Note
from alloytrio.config.alloy.files import text_of
from alloytrio.config.load import LoadedConfig
from alloytrio.config.problems import dotted
from alloytrio.config.provenance import redacted
from alloytrio.errors import ConfigError
from alloytrio.graph import Node
from alloytrio.outbox import Outbox
from alloytrio.outbox.rejected import REJECTED_FOLDER, parse_rejected
from alloytrio.recorder.viewer import KeepsRecent
from alloytrio.service import ReloadOutcome, Service
from alloytrio.telemetry import Health, Telemetry

MAX_REJECTED = 50  # rejected payloads that are listed, per outbox, newest first
_HEAD_BYTES = 16 * 1024  # of a file in the rejected folder: its first line says what it is


class RunningServiceView:
    """Tells what ``alloytrio.admin.view.ServiceView`` asks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._shown = lru_cache(maxsize=2)(_shown)  # what runs, and what ran before the reload

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

    def component_ids(self) -> Sequence[str]:
        """All components in the order of the configuration."""
        return list(self._service.plan.configs)

    def components(self) -> Sequence[ComponentView]:
        """The same with all there is to know; a component that is being replaced is left out."""
        nodes = self._nodes()
        return [self._component(nodes[each]) for each in self._service.plan.configs if each in nodes]

    def edges(self) -> Sequence[EdgeView]:
        """All edges in the order of the configuration."""
        return [
            EdgeView(edge.source_id, edge.target_id, edge.signal.value if edge.signal else edge.kind.name.lower())
            for edge in self._service.plan.edges
        ]

    def outboxes(self) -> Mapping[str, Sequence[OutboxView]]:
        """The outboxes of each component that has some."""
        return {
            node.component_id: [_outbox_view(backend, each) for backend, each in node.component.backends().items()]
            for node in self._service.nodes
            if isinstance(node.component, Delivers)
        }

    def targets(self) -> Mapping[str, Sequence[KnownTarget]]:
        """The targets of each component that discovers, relabels or reads some, in the order of their flow."""
        return {
            node.component_id: node.component.known_targets()
            for node in reversed(self._service.nodes)
            if isinstance(node.component, KnowsTargets)
        }

    def notes(self) -> Mapping[str, Sequence[Note]]:
        """What there is to know of components beside their health."""
        return {
            node.component_id: node.component.notes()
            for node in self._service.nodes
            if isinstance(node.component, HasNotes)
        }

    def recorder(self) -> RecorderView | None:
        """The first recorder."""
        components = (node.component for node in self._service.nodes)
        return next((each.viewer for each in components if isinstance(each, KeepsRecent)), None)

    def rejected(self, component_id: str) -> Sequence[RejectedView]:
        """What backends of a component refused for good, newest first."""
        return [each for outbox in self._outboxes(component_id) for each in _rejected_of(outbox)]

    def rejected_payload(self, component_id: str, rejected_id: str) -> bytes | None:
        """The bytes of one of them; None if it is gone."""
        for outbox in self._outboxes(component_id):
            folder = outbox.store.directory.folder(REJECTED_FOLDER)
            if rejected_id not in folder.names():
                continue
            file = folder.open(rejected_id)
            try:
                return parse_rejected(file.read(0, file.size()))[1]
            except (OSError, ValueError):
                return None
            finally:
                file.close()
        return None

    def configuration(self) -> ConfigurationView:
        """What runs."""
        return self._shown(_Identified(self._service.loaded))

    async def configuration_on_disk(self) -> ConfigurationView | None:
        """The file as it is now, checked as a reload would check it; None if there is no file."""
        if self._service.loaded.path is None:
            return None
        return await trio.to_thread.run_sync(self._read_file)

    def last_reload(self) -> ReloadView | None:
        """The outcome of the last reload, if there was one."""
        outcome = self._service.last_reload
        return None if outcome is None else _reload_view(outcome)

    async def reload(self) -> ReloadView:
        """Read the configuration again and replace what changed."""
        return _reload_view(await self._service.reload())

    def _nodes(self) -> dict[str, Node]:
        return {node.component_id: node for node in self._service.nodes}

    def _outboxes(self, component_id: str) -> Sequence[Outbox]:
        node = self._nodes().get(component_id)
        found = node.component if node is not None else None
        return list(found.backends().values()) if isinstance(found, Delivers) else ()

    def _read_file(self) -> ConfigurationView:
        running = self._service.loaded
        assert running.path is not None
        try:
            loaded = self._service.load_again()
        except ConfigError as exc:
            try:
                text = text_of(running.path)
            except OSError:
                text = ""
            shown = shown_broken_source(text, running.path, running.source_text, self.configuration().text)
            return ConfigurationView(str(running.path), shown, str(exc))
        return _shown(_Identified(loaded))

    def _component(self, node: Node) -> ComponentView:
        component_type, _, label = node.component_id.rpartition(".")
        health = node.telemetry.health
        return ComponentView(
            id=node.component_id,
            type=component_type,
            label=label,
            health=health.current,
            history=health.history,
            config={key: _safe(value) for key, value in redacted(node.config).items()},
            values=[
                ValueView(dotted(each.path), _safe(each.value), str(each.origin))
                for each in self._service.loaded.shown_values(node.component_id)
            ],
            metrics=node.telemetry.values(),
        )


class _Identified:
    """A loaded configuration as a key: equal only to itself."""

    def __init__(self, loaded: LoadedConfig) -> None:
        self.loaded = loaded

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identified) and other.loaded is self.loaded

    def __hash__(self) -> int:
        return id(self.loaded)


def _shown(key: _Identified) -> ConfigurationView:
    loaded = key.loaded
    return ConfigurationView(str(loaded.path or "the embedded default"), shown_source(loaded))


def _safe(value: Plain) -> Plain:
    """A value without passwords in URLs; secrets proper are hidden already."""
    if isinstance(value, str):
        return without_userinfo(value)
    if isinstance(value, list):
        return [_safe(each) for each in value]
    if isinstance(value, dict):
        return {key: _safe(each) for key, each in value.items()}
    return value


def _outbox_view(backend: str, outbox: Outbox) -> OutboxView:
    stats = outbox.stats()
    stats = replace(stats, counts=replace(stats.counts))
    return OutboxView(outbox.settings.name, without_userinfo(backend), stats)


def _rejected_of(outbox: Outbox) -> list[RejectedView]:
    folder = outbox.store.directory.folder(REJECTED_FOLDER)
    found = []
    for name in sorted(folder.names(), reverse=True)[:MAX_REJECTED]:
        try:
            file = folder.open(name)
        except OSError:
            continue  # newer ones have just taken its place
        try:
            head, _ = parse_rejected(file.read(0, _HEAD_BYTES))
        except (OSError, ValueError):
            continue
        finally:
            file.close()
        found.append(
            RejectedView(
                id=name,
                time_ns=_whole(head.get("time_ns")),
                encoding=str(head.get("encoding", "")),
                items=_whole(head.get("items")),
                size_bytes=_whole(head.get("bytes")),
                reason=str(head.get("reason", "")),
            )
        )
    return found


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _reload_view(outcome: ReloadOutcome) -> ReloadView:
    return ReloadView(outcome.at_ns, outcome.error, outcome.replaced)
