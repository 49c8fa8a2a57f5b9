"""The Quart app: the JSON API and the page. Imported only when somebody asks for one of them.

In: a ``ServiceView``. Out: routes below ``/api/v1/`` and the pages.
Errors: JSON ``{"error": …}`` below ``/api/``, a page elsewhere.
"""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import ParamSpec, TypeVar, cast

import trio
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, NotFound

from alloytrio.admin import api, pages, viewer_pages
from alloytrio.admin.live import Live
from alloytrio.admin.rendering import Renderer
from alloytrio.admin.view import ServiceView

P = ParamSpec("P")
R = TypeVar("R")


class AdminApp(QuartTrio):
    """Quart that calls plain functions where they stand: ours answer from memory, and a thread costs more (0.26 ms)."""

    def ensure_async(self, func: Callable[P, Awaitable[R]] | Callable[P, R]) -> Callable[P, Awaitable[R]]:
        """A coroutine function that calls ``func``."""
        if iscoroutinefunction(func):
            return func
        plain = cast(Callable[P, R], func)

        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            await trio.lowlevel.checkpoint()  # a page is some milliseconds of work: let the pipelines go first
            return plain(*args, **kwargs)

        return call


def make_app(view: ServiceView, live: Live, *, prefix: str = "", version: str = "") -> QuartTrio:
    """The app for one service.

    Args:
        view: the service.
        live: its samples.
        prefix: path of the page behind a reverse proxy, without a slash at its end.
        version: of this program.
    """
    app = AdminApp(__name__, static_folder=None)
    render = Renderer(prefix, version)

    @app.get("/static/<digest>/<name>")
    def static_file(digest: str, name: str) -> Response:
        found = render.static.response(name)
        if found is None:
            raise NotFound
        return found

    @app.get("/api/v1/openapi.json")
    def describe() -> Response:
        found = render.static.response("openapi.json")
        assert found is not None
        found.headers["cache-control"] = "no-store"
        return found

    @app.errorhandler(HTTPException)
    async def show_error(error: HTTPException) -> Response:
        message, status = error.description or error.name, error.code or 500
        if request.path.startswith("/api/"):
            return api.json_response({"error": message}, status)
        return await render.page("error.html", "", error.name, status, message=message)

    app.register_blueprint(api.make_blueprint(view, live))
    app.register_blueprint(pages.make_blueprint(view, live, render))
    app.register_blueprint(viewer_pages.make_blueprint(view, render))
    return app
