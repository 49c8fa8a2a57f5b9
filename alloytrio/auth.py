"""Who may come in, and how we say who we are: credentials in one header, for servers and clients.

In: a function that gives a request's header by its lower-case name. Out: whether it is let in; for clients the header
to send. Comparisons take the same time wherever the difference is, and every credential that there is is compared.
Source: Alloy's ``otelcol.auth.basic`` and ``otelcol.auth.bearer``; RFC 7617, RFC 6750.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from alloytrio.errors import ConfigError
from alloytrio.values import Secret

MAX_FILE_BYTES = 65_536  # of tokens; anything larger is the wrong file

ReadHeader = Callable[[str], str]


class Authenticator(Protocol):
    """One kind of credentials."""

    @property
    def challenge(self) -> str:
        """The value of ``WWW-Authenticate`` for who is not let in."""

    def accepts(self, header: ReadHeader) -> bool:
        """Whether a request carries the right credentials."""

    def header(self) -> tuple[str, str]:
        """Name, lower case, and value of the header that a client sends."""


class BasicCredentials(BaseModel):
    """A user name and a password."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = Field(min_length=1, pattern=r"^[^:\x00-\x1f]*$", description="user name; without a colon")
    password: Secret = Field(description="password")

    def encoded(self) -> bytes:
        """``user:password``."""
        return f"{self.username}:{self.password.get_secret_value()}".encode()


class BasicAuthenticator:
    """User name and password.

    Args:
        server: who is let in.
        client: what a client sends.
    """

    challenge = 'Basic realm="alloytrio", charset="UTF-8"'

    def __init__(self, server: BasicCredentials, client: BasicCredentials) -> None:
        self._expected = server.encoded()
        self._sent = f"Basic {base64.b64encode(client.encoded()).decode()}"

    def accepts(self, header: ReadHeader) -> bool:
        """Whether both are right."""
        scheme, _, encoded = header("authorization").strip().partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        return hmac.compare_digest(given, self._expected) and scheme.lower() == "basic"

    def header(self) -> tuple[str, str]:
        """``authorization: Basic …``"""
        return "authorization", self._sent


class TokenAuthenticator:
    """A token in a header.

    Args:
        token: the token; empty = it is in the file.
        filename: file with one token per line, read again when it changes; a client sends the first.
        scheme: the word before the token; empty = none.
        name: of the header.

    Raises:
        ConfigError: the file cannot be read, or has no token.
    """

    def __init__(self, token: str = "", *, filename: str = "", scheme: str = "Bearer", name: str = "") -> None:
        self._name = name.lower() or "authorization"
        self._prefix = f"{scheme} " if scheme else ""
        self._path = Path(filename) if filename else None
        self._stamp: tuple[int, int] | None = None
        self._tokens: tuple[str, ...] = (token,) if token else ()
        if self._path is not None:
            self._stamp, self._tokens = read_tokens(self._path)
        self.challenge = f"{scheme or 'Bearer'}"

    def accepts(self, header: ReadHeader) -> bool:
        """Whether it is one of the tokens."""
        given = header(self._name).strip().encode("utf-8", "replace")
        matches = [
            hmac.compare_digest(given, f"{self._prefix}{token}".encode("utf-8", "replace")) for token in self._current()
        ]
        return any(matches)

    def header(self) -> tuple[str, str]:
        """``authorization: Bearer …``"""
        return self._name, f"{self._prefix}{self._current()[0]}"

    def _current(self) -> tuple[str, ...]:
        """The tokens in force; a file that cannot be read any more leaves those from before."""
        if self._path is not None:
            try:
                if _stamp(self._path) != self._stamp:
                    self._stamp, self._tokens = read_tokens(self._path)
            except (OSError, ConfigError):
                pass
        return self._tokens


def read_tokens(path: Path) -> tuple[tuple[int, int], tuple[str, ...]]:
    """The state of a file and the tokens in it, one per line.

    Raises:
        ConfigError: it cannot be read, or has none; no content is repeated.
    """
    try:
        stamp = _stamp(path)
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"filename {path}: {(exc.strerror or 'cannot be read').lower()}") from exc
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"filename {path}: too large for tokens")
    tokens = tuple(line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip())
    if not tokens:
        raise ConfigError(f"filename {path}: no token in it")
    return stamp, tokens


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_ino
