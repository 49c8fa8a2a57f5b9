"""The JSON API."""

from alloytrio.telemetry import HealthState
from tests.admin.fakes import BATCH, RECEIVER, TEMPO, FakeService, client_of


async def test_components() -> None:
    """Each component comes with its configuration, edges, health and counts; secrets are hidden."""
    service = FakeService()
    service.handles[BATCH].counter("x_total", "Help.", a="b").inc(3)
    service.handles[BATCH].health.set(HealthState.UNHEALTHY, "no")
    async with client_of(service) as client:
        response = await client.get("/api/v1/components")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        receiver, batch, tempo = response.json()["components"]
    assert [receiver["id"], batch["id"], tempo["id"]] == [RECEIVER, BATCH, TEMPO]
    assert (batch["type"], batch["label"]) == ("otelcol.processor.batch", "default")
    assert batch["health"]["state"] == "unhealthy"
    assert batch["health"]["message"] == "no"
    assert [each["state"] for each in batch["health_history"]] == ["unknown", "healthy", "unhealthy"]
    assert batch["inputs"] == [{"from": RECEIVER, "kind": "traces"}]
    assert batch["outputs"] == [{"to": TEMPO, "kind": "traces"}]
    assert batch["metrics"] == [{"name": "x_total", "labels": {"a": "b"}, "value": 3}]
    assert tempo["config"] == {"client": {"endpoint": "tempo:4317", "token": "(secret)"}}
    assert tempo["values"][1] == {
        "path": "client.token",
        "value": "(secret)",
        "origin": "alloytrio.toml:13 (env:TOKEN)",
    }
    assert receiver["inputs"] == []


async def test_one_component() -> None:
    """A component can be asked for by its id; an unknown one is 404, as JSON."""
    async with client_of(FakeService()) as client:
        assert (await client.get(f"/api/v1/components/{TEMPO}")).json()["id"] == TEMPO
        response = await client.get("/api/v1/components/no.such")
        assert (response.status_code, response.json()) == (404, {"error": "no component is called no.such"})
