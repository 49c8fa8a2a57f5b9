"""A service for the admin port to look at, and a client that asks without a network."""

from collections.abc import Mapping, Sequence
from io import StringIO

import httpx

from alloytrio.admin.app import make_app
from alloytrio.admin.door import Door
from alloytrio.admin.view import ComponentView, EdgeView, ReloadView, ValueView
from alloytrio.telemetry import Health, HealthState, Telemetry

RECEIVER, BATCH, TEMPO = (
    "otelcol.receiver.otlp.default",
    "otelcol.processor.batch.default",
    "otelcol.exporter.otlp.tempo",
)


class FakeService:
    """Three components in a row, all healthy, that a test may change."""

    def __init__(self) -> None:
        self.telemetry = Telemetry(output=StringIO(), version="1.2.3")
        self.handles = {each: self.telemetry.component(each) for each in (RECEIVER, BATCH, TEMPO)}
        for handle in self.handles.values():
            handle.health.set(HealthState.HEALTHY)
        self.ready = True
        self.reload_error = ""
        self.reloads: list[ReloadView] = []

    def is_ready(self) -> bool:
        """As the test says."""
        return self.ready

    def healths(self) -> Mapping[str, Health]:
        """Of the handles."""
        return self.telemetry.healths()

    def components(self) -> Sequence[ComponentView]:
        """Of the handles."""
        return [
            ComponentView(
                id=component_id,
                type=component_id.rpartition(".")[0],
                label=component_id.rpartition(".")[2],
                health=handle.health.current,
                history=handle.health.history,
                config={"client": {"endpoint": "tempo:4317", "token": "(secret)"}},
                values=[
                    ValueView("client.endpoint", "tempo:4317", "alloytrio.toml:12"),
                    ValueView("client.token", "(secret)", "alloytrio.toml:13 (env:TOKEN)"),
                ],
                metrics=handle.values(),
            )
            for component_id, handle in self.handles.items()
        ]

    def edges(self) -> Sequence[EdgeView]:
        """In a row."""
        return [EdgeView(RECEIVER, BATCH, "traces"), EdgeView(BATCH, TEMPO, "traces")]

    def last_reload(self) -> ReloadView | None:
        """The last one."""
        return self.reloads[-1] if self.reloads else None

    async def reload(self) -> ReloadView:
        """Fails if the test says so."""
        self.reloads.append(ReloadView(0, self.reload_error, () if self.reload_error else (TEMPO,)))
        return self.reloads[-1]


def client_of(service: FakeService, prefix: str = "/", host: str = "127.0.0.1:12345") -> httpx.AsyncClient:
    """A client of the admin port of this service."""
    door = Door(
        service,
        allowed_hosts=("alloytrio.example.org",),
        listen_addr="127.0.0.1:12345",
        prefix=prefix,
        make_page=lambda: make_app(service),
    )
    # httpx types ASGI apps with plain dictionaries
    return httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url=f"http://{host}")  # type: ignore[arg-type]
