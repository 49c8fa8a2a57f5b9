"""Cross-origin requests: what a browser may read and send. A pure function of configuration and headers.

Source: the collector's CORS handling as Alloy configures it: off without ``allowed_origins``; methods are always GET,
POST and HEAD; credentials are always allowed; a disallowed origin is still processed, the browser hides the answer.
"""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

Headers = list[tuple[bytes, bytes]]

_METHODS = ("GET", "POST", "HEAD")
_DEFAULT_HEADERS = ("accept", "content-type", "x-requested-with")
_PREFLIGHT_VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class CorsConfig(BaseModel):
    """``cors``: which web pages may send telemetry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_origins: list[str] = Field(default=[], description='origins; each may hold one "*"; empty = CORS is off')
    allowed_headers: list[str] = Field(default=[], description='request headers; "*" = all')
    exposed_headers: list[str] = Field(default=[], description="answer headers that pages may read")
    max_age: int = Field(default=0, ge=0, description="seconds that browsers keep a preflight answer; 0 = their own")


class Cors:
    """Answers preflights and adds headers to answers."""

    def __init__(self, config: CorsConfig) -> None:
        self._config = config
        self._any_origin = "*" in config.allowed_origins
        self._origins = [_origin_pattern(origin) for origin in config.allowed_origins]
        self._any_header = "*" in config.allowed_headers
        self._headers = {name.lower() for name in config.allowed_headers} or set(_DEFAULT_HEADERS)

    @property
    def is_on(self) -> bool:
        """Whether any origin is allowed."""
        return bool(self._config.allowed_origins)

    def preflight(self, request: Mapping[bytes, bytes]) -> Headers:
        """The headers of the 204 answer to an OPTIONS request with ``Access-Control-Request-Method``."""
        answer = [(b"vary", _PREFLIGHT_VARY)]
        origin = request.get(b"origin", b"")
        method = request[b"access-control-request-method"].decode("latin-1")
        wanted = request.get(b"access-control-request-headers", b"")
        names = {name.strip().lower() for name in wanted.decode("latin-1").split(",")} - {""}
        if not self._allows(origin) or method not in _METHODS or not (self._any_header or names <= self._headers):
            return answer
        answer += [
            (b"access-control-allow-origin", self._echo(origin)),
            (b"access-control-allow-methods", method.encode()),
            (b"access-control-allow-credentials", b"true"),
        ]
        if wanted:
            answer.append((b"access-control-allow-headers", wanted))
        if self._config.max_age:
            answer.append((b"access-control-max-age", str(self._config.max_age).encode()))
        return answer

    def answer_headers(self, request: Mapping[bytes, bytes]) -> Headers:
        """What an ordinary answer gets."""
        answer = [(b"vary", b"Origin")]
        origin = request.get(b"origin", b"")
        if self._allows(origin):
            answer += [
                (b"access-control-allow-origin", self._echo(origin)),
                (b"access-control-allow-credentials", b"true"),
            ]
            if self._config.exposed_headers:
                answer.append((b"access-control-expose-headers", ", ".join(self._config.exposed_headers).encode()))
        return answer

    def _allows(self, origin: bytes) -> bool:
        text = origin.decode("latin-1").lower()
        return bool(text) and (self._any_origin or any(pattern.fullmatch(text) for pattern in self._origins))

    def _echo(self, origin: bytes) -> bytes:
        return b"*" if self._any_origin else origin


def _origin_pattern(origin: str) -> re.Pattern[str]:
    before, star, after = origin.lower().partition("*")
    return re.compile(re.escape(before) + (".*" if star else "") + re.escape(after))
