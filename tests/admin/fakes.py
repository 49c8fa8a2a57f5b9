"""A service for the admin port to look at, and a client that asks without a network."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

import httpx
import trio

from alloytrio.admin.app import make_app
from alloytrio.admin.door import Door
from alloytrio.admin.live import Live
from alloytrio.admin.view import (
    ComponentView,
    ConfigurationView,
    EdgeView,
    OutboxView,
    RecorderView,
    RejectedView,
    ReloadView,
    ValueView,
)
from alloytrio.component import KnownTarget, Note
from alloytrio.outbox import OutboxCounts, OutboxStats
from alloytrio.telemetry import Health, HealthState, Telemetry

RECEIVER, BATCH, TEMPO = (
    "otelcol.receiver.otlp.default",
    "otelcol.processor.batch.default",
    "otelcol.exporter.otlp.tempo",
)
RUNNING = ConfigurationView("alloytrio.toml", "[admin]\n")


@dataclass
class FakeService:
    """Three components in a row, all healthy; a test changes what it wants before it looks."""

    names: Sequence[str] = (RECEIVER, BATCH, TEMPO)
    rows: Sequence[EdgeView] = (EdgeView(RECEIVER, BATCH, "traces"), EdgeView(BATCH, TEMPO, "traces"))
    backends: dict[str, list[OutboxView]] = field(default_factory=lambda: {TEMPO: [outbox_view(TEMPO, "tempo:4317")]})
    found: dict[str, list[KnownTarget]] = field(default_factory=dict)
    told: dict[str, list[Note]] = field(default_factory=dict)
    configs: dict[str, dict[str, object]] = field(default_factory=dict)
    refused: list[RejectedView] = field(default_factory=list)
    payloads: dict[str, bytes] = field(default_factory=dict)
    recording: RecorderView | None = None
    running: ConfigurationView = RUNNING
    on_disk: ConfigurationView | None = RUNNING
    ready: bool = True
    reload_error: str = ""
    reloads: list[ReloadView] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.telemetry = Telemetry(output=StringIO(), version="1.2.3")
        self.handles = {each: self.telemetry.component(each) for each in self.names}
        for handle in self.handles.values():
            handle.health.set(HealthState.HEALTHY)

    def is_ready(self) -> bool:
        """As the test says."""
        return self.ready

    def healths(self) -> Mapping[str, Health]:
        """Of the handles."""
        return self.telemetry.healths()

    def component_ids(self) -> Sequence[str]:
        """As the test says."""
        return self.names

    def components(self) -> Sequence[ComponentView]:
        """Of the handles."""
        return [
            ComponentView(
                id=component_id,
                type=component_id.rpartition(".")[0],
                label=component_id.rpartition(".")[2],
                health=handle.health.current,
                history=handle.health.history,
                config=self.configs.get(component_id, {"client": {"endpoint": "tempo:4317", "token": "(secret)"}}),  # type: ignore[arg-type]
                values=[
                    ValueView("client.endpoint", "tempo:4317", "alloytrio.toml:12"),
                    ValueView("client.token", "(secret)", "alloytrio.toml:13 (env:TOKEN)"),
                    ValueView("timeout", "5s", "default"),
                ],
                metrics=handle.values(),
            )
            for component_id, handle in self.handles.items()
        ]

    def edges(self) -> Sequence[EdgeView]:
        """As the test says."""
        return self.rows

    def outboxes(self) -> Mapping[str, Sequence[OutboxView]]:
        """As the test says."""
        return self.backends

    def targets(self) -> Mapping[str, Sequence[KnownTarget]]:
        """As the test says."""
        return self.found

    def notes(self) -> Mapping[str, Sequence[Note]]:
        """As the test says."""
        return self.told

    def recorder(self) -> RecorderView | None:
        """As the test says."""
        return self.recording

    def rejected(self, component_id: str) -> Sequence[RejectedView]:
        """As the test says."""
        return self.refused if component_id == TEMPO else ()

    def rejected_payload(self, component_id: str, rejected_id: str) -> bytes | None:
        """As the test says."""
        return self.payloads.get(rejected_id)

    def configuration(self) -> ConfigurationView:
        """As the test says."""
        return self.running

    async def configuration_on_disk(self) -> ConfigurationView | None:
        """As the test says."""
        await trio.lowlevel.checkpoint()
        return self.on_disk

    def last_reload(self) -> ReloadView | None:
        """The last one."""
        return self.reloads[-1] if self.reloads else None

    async def reload(self) -> ReloadView:
        """Fails if the test says so."""
        await trio.lowlevel.checkpoint()
        self.reloads.append(
            ReloadView(time.time_ns(), self.reload_error, () if self.reload_error else (self.names[-1],))
        )
        return self.reloads[-1]

    def change_outbox(self, component_id: str, **values: Any) -> None:
        """Change some values of a component's only outbox."""
        (before,) = self.backends[component_id]
        self.backends[component_id] = [outbox_view(before.name, before.backend, before.stats, **values)]


def outbox_view(name: str, backend: str, before: OutboxStats | None = None, **values: Any) -> OutboxView:
    """An outbox with some values other than those before; both stats and their counts may be named."""
    stats = before or OutboxStats(0, OutboxCounts())
    counts = {key: values.pop(key) for key in list(values) if hasattr(stats.counts, key)}
    return OutboxView(name, backend, replace(stats, counts=replace(stats.counts, **counts), **values))


def client_of(
    service: FakeService, prefix: str = "/", host: str = "127.0.0.1:12345", live: Live | None = None
) -> httpx.AsyncClient:
    """A client of the admin port of this service."""
    watching = live or Live(service, trio.Event())
    door = Door(
        service,
        watching,
        allowed_hosts=("alloytrio.example.org",),
        listen_addr="127.0.0.1:12345",
        prefix=prefix,
        make_page=lambda: make_app(service, watching, prefix=prefix.rstrip("/"), version="1.2.3"),
    )
    # httpx types ASGI apps with plain dictionaries
    return httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url=f"http://{host}")  # type: ignore[arg-type]
