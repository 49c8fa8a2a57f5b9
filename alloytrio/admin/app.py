"""The Quart app: the JSON API and the page. Imported only when somebody asks for one of them.

In: a ``ServiceView``. Out: routes below ``/api/v1/`` and the pages.
Errors: JSON ``{"error": …}`` below ``/api/``, a page elsewhere.
"""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import ParamSpec, TypeVar, cast

import trio
from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from alloytrio.admin import api
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


def make_app(view: ServiceView) -> QuartTrio:
    """The app for one service."""
    app = AdminApp(__name__, static_folder=None)
    app.register_blueprint(api.make_blueprint(view))
    app.register_error_handler(HTTPException, _error)
    return app


def _error(error: HTTPException) -> Response:
    return api.json_response({"error": error.description or error.name}, error.code or 500)
