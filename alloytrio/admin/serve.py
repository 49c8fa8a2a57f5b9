"""Puts the admin port on its listeners.

In: a ``ServiceView`` and the ``[admin]`` settings. Out: HTTP until ``stop``; ends within ``ADMIN_GRACE``.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import trio
from hypercorn.typing import ASGIFramework

from alloytrio.admin.door import Door
from alloytrio.admin.live import Live
from alloytrio.admin.sampler import INTERVAL
from alloytrio.admin.view import ServiceView
from alloytrio.auth import Authenticator
from alloytrio.handshake import TlsPort
from alloytrio.http import HttpSettings, local_addresses, serve_http

ADMIN_GRACE = 1.0  # seconds for answers in flight; the page can wait, the journals cannot

ADMIN_HTTP = HttpSettings(
    max_connections=256,
    max_body_bytes=64 * 1024,
    header_timeout=60.0,
    body_timeout=10.0,
    write_timeout=10.0,
    drain_bytes=64 * 1024,
    drain_timeout=1.0,
)
"""Bounds of the admin port: its requests are small, and a stream that a page does not read is dropped soon."""


class AdminPlace(Protocol):
    """What of the ``[admin]`` table is needed here."""

    @property
    def listen_addr(self) -> str:
        """``host:port``."""

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Names under which browsers may reach the page."""

    @property
    def ui_path_prefix(self) -> str:
        """Path of the page behind a reverse proxy."""


async def serve_admin(
    view: ServiceView,
    listeners: Sequence[trio.SocketListener],
    *,
    settings: AdminPlace,
    stop: trio.Event,
    auth: Sequence[Authenticator] = (),
    tls: TlsPort | None = None,
    http: HttpSettings = ADMIN_HTTP,
    interval: float = INTERVAL,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until ``stop``. ``started()`` means that probes are answered.

    Args:
        view: the service.
        listeners: bound already.
        settings: see there.
        stop: ends it.
        auth: any of these lets a request in; empty = everybody.
        tls: the context of new connections; None = plaintext.
        http: bounds.
        interval: seconds between two updates of an open overview.
    """

    def make_page() -> ASGIFramework:
        from alloytrio.admin.app import make_app  # Quart is loaded when the first page is asked for

        return make_app(view, live, prefix=settings.ui_path_prefix.rstrip("/"), version=view.telemetry.version)

    live = Live(view, stop, interval)
    door = Door(
        view,
        live,
        allowed_hosts=settings.allowed_hosts,
        listen_addr=settings.listen_addr,
        prefix=settings.ui_path_prefix,
        auth=auth,
        make_page=make_page,
    )
    log = view.telemetry.log
    async with trio.open_nursery() as server:
        server.start_soon(live.run)
        await server.start(
            partial(serve_http, door, listeners, settings=http, stop=stop, grace=ADMIN_GRACE, log=log, tls=tls)
        )
        log.info("the page is served", addresses=", ".join(local_addresses(listeners)))
        task_status.started()
