"""The admin port: probes, metrics, reload, and what is refused."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx  # noqa: ASYNC127 - the client that we build on
import pytest
import trio
from hypercorn.typing import ASGIFramework

from alloytrio.admin.door import Door
from alloytrio.admin.live import Live
from alloytrio.admin.serve import serve_admin
from alloytrio.auth import BasicAuthenticator, BasicCredentials, TokenAuthenticator
from alloytrio.http.server import local_addresses
from alloytrio.telemetry import HealthState
from alloytrio.values import Secret
from tests.admin.fakes import RECEIVER, TEMPO, FakeService, client_of
from tests.failing_accept import ACCEPT_ERRORS, fail_accepts


async def test_ready() -> None:
    """Ready is 200 when the service is configured and receiving, 503 otherwise; a failing backend does not matter."""
    service = FakeService()
    service.handles[TEMPO].health.set(HealthState.UNHEALTHY, "connection refused")
    async with client_of(service) as client:
        response = await client.get("/-/ready")
        assert (response.status_code, response.text) == (200, "alloytrio is ready.\n")
        service.ready = False
        response = await client.get("/-/ready")
        assert (response.status_code, response.text) == (503, "alloytrio is not ready.\n")
        assert (await client.head("/-/ready")).content == b""


async def test_healthy_means_delivering() -> None:
    """Healthy names the components that do not deliver and says why, one line each."""
    service = FakeService()
    async with client_of(service) as client:
        response = await client.get("/-/healthy")
        assert (response.status_code, response.text) == (200, "All alloytrio components are healthy.\n")
        service.handles[TEMPO].health.set(HealthState.UNHEALTHY, "tempo:4317: connection\nrefused")
        service.handles[RECEIVER].health.set(HealthState.EXITED)
        response = await client.get("/-/healthy")
        assert response.status_code == 500
        assert response.text == (
            f"unhealthy components: {RECEIVER}, {TEMPO}\n{RECEIVER}: exited\n{TEMPO}: tempo:4317: connection refused\n"
        )


async def test_reload_takes_a_post() -> None:
    """GET changes nothing and shows the command; POST reloads and says what was replaced, or what is wrong."""
    service = FakeService()
    async with client_of(service) as client:
        response = await client.get("/-/reload")
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert "curl -X POST http://127.0.0.1:12345/-/reload" in response.text
        assert service.reloads == []
        response = await client.post("/-/reload")
        assert (response.status_code, response.text) == (200, f"config reloaded: {TEMPO}\n")
        service.reload_error = "alloytrio.toml:3: unknown key"
        response = await client.post("/-/reload")
        assert (response.status_code, response.text) == (400, "alloytrio.toml:3: unknown key\n")


async def test_metrics() -> None:
    """Metrics come in the Prometheus text format, or as OpenMetrics for those who ask for it."""
    service = FakeService()
    service.handles[RECEIVER].counter("otelcol_receiver_accepted_spans_total", "Spans.", transport="grpc").inc(7)
    expected = (
        f'otelcol_receiver_accepted_spans_total{{component_id="{RECEIVER}",component_path="/",transport="grpc"}} 7.0'
    )
    async with client_of(service) as client:
        response = await client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=")
        assert expected in response.text
        response = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert response.headers["content-type"].startswith("application/openmetrics-text")
        assert response.text.endswith("# EOF\n")
        assert expected in response.text


async def test_foreign_host_names_are_refused() -> None:
    """DNS rebinding: a name that a foreign site can own reaches nothing, the answer says what to configure."""
    for host in ("evil.example.com", "127.0.0.1.evil.com:12345"):
        async with client_of(FakeService(), host=host) as client:
            for path in ("/-/ready", "/metrics", "/", "/api/v1/components"):
                response = await client.get(path)
                assert response.status_code == 403
                assert "admin.allowed_hosts" in response.text
    async with client_of(FakeService(), host="alloytrio.example.org") as client:
        assert (await client.get("/-/ready")).status_code == 200


async def test_other_sites_cannot_change_anything() -> None:
    """CSRF: a POST that a browser sends for another site is refused."""
    service = FakeService()
    async with client_of(service) as client:
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
            assert (await client.post("/-/reload", headers=headers)).status_code == 403
        assert service.reloads == []
        same = {"origin": "http://127.0.0.1:12345", "sec-fetch-site": "same-origin"}
        assert (await client.post("/-/reload", headers=same)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT"])
async def test_other_methods_are_refused(method: str) -> None:
    """Only reading and POST exist here."""
    async with client_of(FakeService()) as client:
        assert (await client.request(method, "/-/ready")).status_code == 405


async def test_every_answer_has_the_security_headers() -> None:
    """Nothing may be framed, sniffed, or run a script that is not ours; refusals and errors included."""
    async with client_of(FakeService()) as client:
        for path in ("/-/ready", "/-/reload", "/metrics", "/api/v1/components", "/no/such/page"):
            headers = (await client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"


async def test_prefix_moves_the_page_but_not_the_probes() -> None:
    """Behind a reverse proxy the page has a prefix; probes and metrics stay where orchestrators look."""
    async with client_of(FakeService(), prefix="/alloytrio") as client:
        assert (await client.get("/-/ready")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/alloytrio/api/v1/components")).status_code == 200
        response = await client.get("/api/v1/components")
        assert response.status_code == 404
        assert "/alloytrio/" in response.text


@dataclass
class Place:
    """The ``[admin]`` table."""

    listen_addr: str = "127.0.0.1:0"
    allowed_hosts: tuple[str, ...] = ()
    ui_path_prefix: str = "/"


async def test_on_a_port_until_stop() -> None:
    """On a real port probes and the API answer, and a client that reads nothing does not delay the end."""
    service, stop = FakeService(), trio.Event()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = local_addresses(listeners)[0]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_admin, service, listeners, settings=Place(), stop=stop))
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            assert (await client.get("/-/ready")).status_code == 200
            components = (await client.get("/api/v1/components")).json()["components"]
            assert [each["id"] for each in components][-1] == TEMPO
        host, port = address.rsplit(":", 1)
        stalled = await trio.open_tcp_stream(host, int(port))
        await stalled.send_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n" * 3)
        started = trio.current_time()
        stop.set()
    assert trio.current_time() - started <= 3  # ADMIN_GRACE, with room for a busy machine
    await stalled.aclose()
    await listeners[0].aclose()


async def test_accept_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes are answered again after every error of accept that another connection may cure."""
    service, stop = FakeService(), trio.Event()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_admin, service, listeners, settings=Place(), stop=stop))
        coming = fail_accepts(monkeypatch, *ACCEPT_ERRORS)
        async with httpx.AsyncClient(base_url=f"http://{local_addresses(listeners)[0]}") as client:
            assert (await client.get("/-/ready")).status_code == 200
        assert coming == []
        stop.set()
    await listeners[0].aclose()


async def test_credentials() -> None:
    """With a password everything but /-/ready asks for it; any of the configured credentials lets in."""
    user = BasicCredentials(username="admin", password=Secret("page"))
    service = FakeService()
    live = Live(service, trio.Event())
    door = Door(service, live, auth=[BasicAuthenticator(user, user), TokenAuthenticator("scrape")], make_page=no_page)
    app: Any = door
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:12345") as client:
        assert (await client.get("/-/ready")).status_code == 200
        for path in ("/metrics", "/-/healthy", "/", "/api/v1/components", "/-/ready/"):
            refused = await client.get(path)
            assert (refused.status_code, refused.headers["x-frame-options"]) == (401, "DENY")
            assert refused.headers["www-authenticate"].startswith("Basic realm=")
        assert (await client.post("/-/reload", auth=("admin", "wrong"))).status_code == 401
        assert (await client.get("/metrics", auth=("admin", "page"))).status_code == 200
        assert (await client.get("/metrics", headers={"authorization": "Bearer scrape"})).status_code == 200


def no_page() -> ASGIFramework:
    """These tests ask for no page."""
    raise AssertionError
