"""Serves ASGI apps with hypercorn on our own listeners, with the deadlines that hypercorn lacks.

``server.py`` accepts and ends; ``stream.py`` bounds writes; ``exchange.py`` bounds one request's body and answer;
``flood.py`` counts what an HTTP/2 peer sends beside its requests; ``backpressure.py`` bounds hypercorn's buffers.
"""

from alloytrio.http.exchange import BodyTimeoutError, BodyTooLargeError
from alloytrio.http.server import HttpSettings, local_addresses, serve_http

__all__ = ["BodyTimeoutError", "BodyTooLargeError", "HttpSettings", "local_addresses", "serve_http"]
