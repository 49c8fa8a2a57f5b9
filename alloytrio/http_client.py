"""HTTP clients in Prometheus' words: credentials and TLS, for Loki, remote write and Docker over TCP.

Here are the user's tables, and the client that a table asks for. How a batch is sent and what an answer means is said
elsewhere: in ``loki/pusher.py`` and ``prometheus/sender.py``, whose backends have words of their own, and in
``http_export.py`` for OTLP, which takes its client from here too.

At most one kind of credentials; files are read again for each request, because tokens in files are replaced.
Source: Prometheus ``common/config/http_config.go``, Alloy ``internal/component/common/config``.
"""

import base64
import ssl
from pathlib import Path
from typing import Literal, Self

import httpx  # noqa: ASYNC127 - the client that we build on
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alloytrio.errors import ConfigError
from alloytrio.tls import TlsClientConfig
from alloytrio.values import Secret

MAX_SECRET_FILE_BYTES = 65_536  # a token or a password; anything larger is the wrong file
_VERSIONS: dict[str, Literal["1.0", "1.1", "1.2", "1.3"]] = {
    "": "1.2",
    "TLS10": "1.0",
    "TLS11": "1.1",
    "TLS12": "1.2",
    "TLS13": "1.3",
}


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(_Table):
    """``tls_config``"""

    ca_file: str = Field("", description="File of the authorities that the server must be signed by.")
    ca_pem: str = Field("", description="The same as text.")
    cert_file: str = Field("", description="File of our own certificate and its chain.")
    cert_pem: str = Field("", description="The same as text.")
    key_file: str = Field("", description="File of its private key.")
    key_pem: Secret = Field(Secret(""), description="The same as text.")
    server_name: str = Field("", description="Name that the server's certificate must have; empty: its host.")
    insecure_skip_verify: bool = Field(default=False, description="Do not check the server's certificate.")
    min_version: Literal["", "TLS10", "TLS11", "TLS12", "TLS13"] = Field("", description="Lowest version.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.client_config()
        return self

    def client_config(self) -> TlsClientConfig:
        """The same in the words that the rest of the program knows."""
        same = self.model_dump(exclude={"min_version"})
        return TlsClientConfig(**same, min_version=_VERSIONS[self.min_version])


class BasicAuth(_Table):
    """``basic_auth``"""

    username: str = Field("", description="User name.")
    password: Secret = Field(Secret(""), description="Password.")
    password_file: str = Field("", description="File with the password.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.password.get_secret_value() and self.password_file:
            raise ValueError("password and password_file exclude each other")
        return self


class Authorization(_Table):
    """``authorization``"""

    type: str = Field("Bearer", description="The word before the credentials.")
    credentials: Secret = Field(Secret(""), description="The credentials.")
    credentials_file: str = Field("", description="File with the credentials.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.type.strip().lower() == "basic":
            raise ValueError('type "Basic" is not allowed here: use basic_auth')
        if self.credentials.get_secret_value() and self.credentials_file:
            raise ValueError("credentials and credentials_file exclude each other")
        return self


class HttpClientConfig(_Table):
    """Credentials and TLS; the base of whatever speaks HTTP to a backend."""

    bearer_token: Secret = Field(Secret(""), description="Token of the header Authorization.")
    bearer_token_file: str = Field("", description="File with the token.")
    basic_auth: BasicAuth | None = Field(None, description="User name and password.")
    authorization: Authorization | None = Field(None, description="Any other kind of credentials.")
    tls_config: TlsSettings = Field(TlsSettings(), description="TLS to the server.")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [self.bearer_token.get_secret_value(), self.bearer_token_file, self.basic_auth, self.authorization]
        if sum(map(bool, given)) > 1:
            raise ValueError("at most one of bearer_token, bearer_token_file, basic_auth and authorization")
        return self

    def authorization_header(self) -> str:
        """The value of the header ``Authorization`` as it is now; empty for none.

        Raises:
            ConfigError: a file cannot be read.
        """
        if self.bearer_token.get_secret_value() or self.bearer_token_file:
            return f"Bearer {_secret(self.bearer_token, self.bearer_token_file)}"
        if self.basic_auth is not None:
            password = _secret(self.basic_auth.password, self.basic_auth.password_file)
            pair = f"{self.basic_auth.username}:{password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        if self.authorization is not None:
            given = self.authorization
            return f"{given.type.strip()} {_secret(given.credentials, given.credentials_file)}"
        return ""

    def context(self) -> ssl.SSLContext:
        """TLS for HTTP/1.1.

        Raises:
            ConfigError: a file or text cannot be used.
        """
        return self.tls_config.client_config().secure_context(["http/1.1"])


def open_http(config: HttpClientConfig, url: str, connections: int) -> httpx.AsyncClient:
    """The client that a user's table asks for; see ``open_client``.

    Args:
        config: credentials and TLS; the caller adds ``authorization_header()`` to each request.
        url: of the backend. The system's authorities, which take 2 MiB, are read for ``https`` only.
        connections: open at the same time at most.

    Raises:
        ConfigError: a file or text for TLS cannot be used.
    """
    needs_tls = url.startswith("https:") or config.tls_config != TlsSettings()
    return open_client(config.context() if needs_tls else None, connections)


def open_client(tls: ssl.SSLContext | None, connections: int, *, idle: float = 5.0) -> httpx.AsyncClient:
    """A client for one backend. It has no time limits: callers set deadlines. Redirects are answers, not followed.

    Args:
        tls: for ``https``; None: there is none.
        connections: open at the same time at most.
        idle: seconds after which a connection that is not used is closed.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=idle)
    return httpx.AsyncClient(
        headers={"Accept-Encoding": "identity"},  # an answer is short, or a bomb
        verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # the latter trusts nobody
        timeout=None,
        limits=limits,
        trust_env=False,
        follow_redirects=False,
        http2=False,
    )


def _secret(value: Secret, path: str) -> str:
    if not path:
        return value.get_secret_value()
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SECRET_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(data) > MAX_SECRET_FILE_BYTES:
        raise ConfigError(f"{path}: too large for a secret")
    return data.decode(errors="replace").strip()
