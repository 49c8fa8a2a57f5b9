"""The ASGI app on the admin port: checks each request, answers probes and metrics, and hands the rest to the page.

In: HTTP requests.
Out: ``/-/ready``, ``/-/healthy``, ``/-/reload``, ``/-/support``, ``/metrics``, and what the page answers, all with the
headers of ``checks.py``.
Errors: 401, 403 and 405 in plain text for requests that fail the checks; the reason says what to configure.
Source: paths and words are Alloy's; that ``GET /-/reload`` is refused is on purpose (an image tag could trigger it).
"""

from collections.abc import Callable, Sequence

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)
from prometheus_client.exposition import choose_encoder

from alloytrio.admin.checks import METHODS, READ_METHODS, SECURITY_HEADERS, is_allowed_host, is_cross_site
from alloytrio.admin.live import Live
from alloytrio.admin.support import FILE_NAME, support_bundle
from alloytrio.admin.view import ServiceView, unhealthy
from alloytrio.auth import Authenticator

TEXT = "text/plain; charset=utf-8"


class Answer:
    """A small answer, whole in memory."""

    def __init__(self, status: int, body: str | bytes, content_type: str = TEXT, **headers: str) -> None:
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = {"content-type": content_type, "cache-control": "no-store", **headers}


class Door:
    """Made once per service.

    Args:
        view: the service.
        live: its samples.
        allowed_hosts, listen_addr: see ``checks.is_allowed_host``.
        auth: any of these lets a request in; empty = everybody. ``/-/ready`` is answered without.
        prefix: path of the page and the API behind a reverse proxy, ``"/"`` for none; not of probes and metrics.
        make_page: builds the Quart app; called in a thread, once, when the first request needs it.
    """

    def __init__(
        self,
        view: ServiceView,
        live: Live,
        *,
        allowed_hosts: tuple[str, ...] = (),
        listen_addr: str = "",
        prefix: str = "/",
        auth: Sequence[Authenticator] = (),
        make_page: Callable[[], ASGIFramework],
    ) -> None:
        self._view = view
        self._live = live
        self._allowed_hosts = allowed_hosts
        self._listen_addr = listen_addr
        self._prefix = prefix.rstrip("/")
        self._auth = auth
        self._make_page = make_page
        self._page: ASGIFramework | None = None
        self._making_page = trio.Lock()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request."""
        assert scope["type"] == "http"
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = self._refusal(scope["method"], headers) or self._unauthenticated(scope["path"], headers)
        if answer is None:
            answer = await self._own(scope, headers)
        if answer is not None:
            await _send(send, answer, with_body=scope["method"] != "HEAD")
            return
        if not self._is_below_prefix(scope["path"]):
            await _send(send, Answer(404, f"not found; the page is at {self._prefix}/\n"), with_body=True)
            return
        page = await self._load_page()
        await page({**scope, "root_path": self._prefix}, receive, _with_security_headers(send))

    def _refusal(self, method: str, headers: dict[str, str]) -> Answer | None:
        host = headers.get("host", "")
        if not is_allowed_host(host, self._allowed_hosts, self._listen_addr):
            return Answer(
                403,
                "this host name is not allowed: use an IP address or a name without dots, "
                "or add the name to admin.allowed_hosts\n",
            )
        if method not in METHODS:
            return Answer(405, "method not allowed\n", allow=", ".join(sorted(METHODS)))
        if method not in READ_METHODS and is_cross_site(headers):
            return Answer(403, "refused: the request comes from another site\n")
        return None

    def _unauthenticated(self, path: str, headers: dict[str, str]) -> Answer | None:
        if not self._auth or path == "/-/ready":
            return None
        accepted = [each.accepts(lambda name: headers.get(name, "")) for each in self._auth]
        if any(accepted):
            return None
        challenges = ", ".join(each.challenge for each in self._auth)
        return Answer(401, "the credentials are missing or wrong\n", TEXT, **{"www-authenticate": challenges})

    async def _own(self, scope: HTTPScope, headers: dict[str, str]) -> Answer | None:
        match scope["path"]:
            case "/-/ready":
                return self._ready()
            case "/-/healthy":
                return self._healthy()
            case "/-/reload":
                return await self._reload(scope, headers["host"])
            case "/-/support":
                name = f'attachment; filename="{FILE_NAME}"'
                bundle = await support_bundle(self._view, self._live)
                return Answer(200, bundle, "application/zip", **{"content-disposition": name})
            case "/metrics":
                encode, content_type = choose_encoder(headers.get("accept", ""))
                return Answer(200, encode(self._view.telemetry.registry), content_type)
        return None

    def _ready(self) -> Answer:
        if self._view.is_ready():
            return Answer(200, "alloytrio is ready.\n")
        return Answer(503, "alloytrio is not ready.\n")

    def _healthy(self) -> Answer:
        failing = unhealthy(self._view.healths())
        if not failing:
            return Answer(200, "All alloytrio components are healthy.\n")
        reasons = (
            f"{component_id}: {health.message or health.state.value}" for component_id, health in failing.items()
        )
        lines = "\n".join(" ".join(reason.split()) for reason in reasons)
        return Answer(500, f"unhealthy components: {', '.join(failing)}\n{lines}\n")

    async def _reload(self, scope: HTTPScope, host: str) -> Answer:
        if scope["method"] != "POST":
            command = f"curl -X POST {scope['scheme']}://{host}/-/reload"
            return Answer(405, f"a reload changes the service, so it takes a POST:\n  {command}\n", allow="POST")
        outcome = await self._view.reload()
        if outcome.error:
            return Answer(400, f"{outcome.error}\n")
        replaced = ", ".join(outcome.replaced) or "nothing changed"
        return Answer(200, f"config reloaded: {replaced}\n")

    def _is_below_prefix(self, path: str) -> bool:
        return path == self._prefix or path.startswith(self._prefix + "/")

    async def _load_page(self) -> ASGIFramework:
        if self._page is None:
            async with self._making_page:
                if self._page is None:
                    # Importing Quart and reading templates takes about 0.1 s: not on the event loop.
                    self._page = await trio.to_thread.run_sync(self._make_page)
        return self._page


async def _send(send: ASGISendCallable, answer: Answer, *, with_body: bool) -> None:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, *SECURITY_HEADERS]})
    await send({"type": "http.response.body", "body": answer.body if with_body else b"", "more_body": False})


def _with_security_headers(send: ASGISendCallable) -> ASGISendCallable:
    async def wrapped(event: ASGISendEvent) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event["headers"], *SECURITY_HEADERS]}
        await send(event)

    return wrapped
