"""TLS for clients and servers: Alloy's arguments, and the ``ssl`` contexts made of them.

In: files or PEM texts. Out: ``ssl.SSLContext``, or a function that gives the current one and re-reads changed files.
Errors: ``ConfigError`` that names the argument, the file and the cause. Source: Alloy's ``tls`` blocks
(otelcol.receiver.otlp, otelcol.exporter.otlp); suites and curves have Go's names, as there. ``tpm`` is not offered.
"""

import os
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alloytrio.errors import ConfigError
from alloytrio.values import Duration, Secret

_SPELLINGS = {"TLS10": "1.0", "TLS11": "1.1", "TLS12": "1.2", "TLS13": "1.3"}  # Prometheus' and Alloy's http block's


def _plain_version(value: object) -> object:
    return _SPELLINGS.get(value, value) if isinstance(value, str) else value


Version = Annotated[Literal["1.0", "1.1", "1.2", "1.3"], BeforeValidator(_plain_version)]
ContextSource = Callable[[], ssl.SSLContext]

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_SUITES = {  # Go's names → OpenSSL's; the suites of TLS 1.3 cannot be chosen, in Go neither
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
_INSECURE_SUITES = {
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
}
_CURVES = {"X25519": "X25519", "P256": "prime256v1", "P384": "secp384r1", "P521": "secp521r1"}


@dataclass(frozen=True, slots=True)
class TlsNames:
    """A client's arguments that decide about a handshake, ready to print.

    Args:
        trusted: whom a server must be signed by.
        shown: our own certificate, or that there is none.
    """

    trusted: str
    shown: str


class TlsConfig(BaseModel):
    """What clients and servers have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_file: str = Field(default="", description="file of the authorities that the other side must be signed by")
    ca_pem: str = Field(default="", description="the same as text")
    cert_file: str = Field(default="", description="file of our own certificate and its chain")
    cert_pem: str = Field(default="", description="the same as text")
    key_file: str = Field(default="", description="file of its private key")
    key_pem: Secret = Field(default=Secret(""), description="the same as text")
    min_version: Version = Field(default="1.2", description="lowest TLS version")
    max_version: Version | Literal[""] = Field(default="", description="highest TLS version; empty: the newest")
    cipher_suites: tuple[str, ...] = Field(
        default=(), description="suites below TLS 1.3, by Go's names; empty: good ones"
    )
    curve_preferences: tuple[str, ...] = Field(
        default=(), max_length=1, description="the curve: X25519, P256, P384 or P521"
    )
    include_system_ca_certs_pool: bool = Field(default=False, description="trust the system's authorities besides ours")
    include_insecure_cipher_suites: bool = Field(default=False, description="allow suites that Go calls insecure")
    reload_interval: Duration = Field(default=0.0, ge=0, description="re-read changed files so often; 0s: never")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kind in ("ca", "cert", "key"):
            if self._text(kind) and getattr(self, f"{kind}_file"):
                raise ValueError(f"{kind}_file and {kind}_pem exclude each other")
        if self._given("cert") != self._given("key"):
            raise ValueError("a certificate and its key belong together: set cert_file and key_file (or _pem)")
        if self.max_version and self.max_version < self.min_version:
            raise ValueError("max_version is below min_version")
        known = _SUITES | (_INSECURE_SUITES if self.include_insecure_cipher_suites else {})
        for suite in self.cipher_suites:
            if suite not in known:
                raise ValueError(f"unknown cipher suite; known are {', '.join(sorted(known))}")
        for curve in self.curve_preferences:
            if curve not in _CURVES:
                raise ValueError(f"unknown curve; known are {', '.join(_CURVES)}")
        return self

    def _text(self, kind: str) -> str:
        value = getattr(self, f"{kind}_pem")
        return value.get_secret_value() if isinstance(value, Secret) else str(value)

    def _given(self, kind: str) -> bool:
        return bool(self._text(kind) or getattr(self, f"{kind}_file"))

    def files(self) -> list[str]:
        """The files that a context is made of."""
        return [path for path in (self.ca_file, self.cert_file, self.key_file) if path]

    def _prepare(self, context: ssl.SSLContext, alpn: Sequence[str]) -> ssl.SSLContext:
        context.minimum_version = _VERSIONS[self.min_version]
        if self.max_version:
            context.maximum_version = _VERSIONS[self.max_version]
        if self.cipher_suites:
            names = _SUITES | _INSECURE_SUITES
            context.set_ciphers(":".join(names[suite] for suite in self.cipher_suites))
        for curve in self.curve_preferences:
            context.set_ecdh_curve(_CURVES[curve])
        if self._given("cert"):
            self._load_certificate(context)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        with _as_file(self._text("cert"), self.cert_file, "cert") as cert:
            with _as_file(self._text("key"), self.key_file, "key") as key:
                try:
                    context.load_cert_chain(cert, key, password=_no_password)
                except _LockedKeyError:
                    raise ConfigError(f"tls: {_name('key', self.key_file)}: the key is locked by a password") from None
                except ssl.SSLError as error:
                    names = f"{_name('cert', self.cert_file)} and {_name('key', self.key_file)}"
                    if error.reason == "KEY_VALUES_MISMATCH":
                        raise ConfigError(f"tls: {names} do not belong together") from error
                    raise ConfigError(f"tls: {names}: {error.reason or error}") from error

    def _trust(self, context: ssl.SSLContext, text: str, path: str, kind: str) -> None:
        try:
            context.load_verify_locations(cadata=text or _read(path, kind))
        except ssl.SSLError as error:
            raise ConfigError(f"tls: {_name(kind, path)}: no certificates in it") from error


class TlsClientConfig(TlsConfig):
    """``client.tls``. TLS is on, unless ``insecure`` is set and no authority is given."""

    insecure: bool = Field(default=False, description="plaintext; without effect if an authority is set")
    insecure_skip_verify: bool = Field(default=False, description="do not check the server's certificate")
    server_name: str = Field(default="", description="name that the server's certificate must have; empty: its host")

    @property
    def plaintext(self) -> bool:
        """Whether there is no TLS at all."""
        return self.insecure and not self._given("ca")

    def context(self, alpn: Sequence[str] = ("h2",)) -> ssl.SSLContext | None:
        """A new context; None = plaintext.

        Raises:
            ConfigError: a file or text cannot be used.
        """
        return None if self.plaintext else self.secure_context(alpn)

    def secure_context(self, alpn: Sequence[str]) -> ssl.SSLContext:
        """A new context, whatever ``insecure`` says.

        Raises:
            ConfigError: a file or text cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if not self._given("ca") or self.include_system_ca_certs_pool:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if self._given("ca"):
            self._trust(context, self.ca_pem, self.ca_file, "ca")
        return self._prepare(context, alpn)

    def names(self) -> "TlsNames":
        """What decides about a handshake, for the message when it fails."""
        trusted = "the system's authorities"
        if self._given("ca"):
            trusted = _name("ca", self.ca_file) + (" and the system's" if self.include_system_ca_certs_pool else "")
        shown = _name("cert", self.cert_file) if self._given("cert") else "no certificate"
        return TlsNames(trusted, shown)


class TlsServerConfig(TlsConfig):
    """``tls`` of a server."""

    client_ca_file: str = Field(default="", description="clients must have a certificate signed by one of these")

    @model_validator(mode="after")
    def _has_certificate(self) -> Self:
        if not self._given("cert"):
            raise ValueError("a server needs cert_file and key_file, or cert_pem and key_pem")
        return self

    def files(self) -> list[str]:
        """The files that a context is made of."""
        return super().files() + ([self.client_ca_file] if self.client_ca_file else [])

    def decided_by(self, *, ours: bool) -> str:
        """Argument and file behind a handshake that failed for our certificate, or for a client's."""
        return _name("cert", self.cert_file) if ours else f"client_ca_file {self.client_ca_file}"

    def context(self, alpn: Sequence[str] = ("h2",)) -> ssl.SSLContext:
        """A new context.

        Raises:
            ConfigError: a file or text cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.client_ca_file:
            context.verify_mode = ssl.CERT_REQUIRED
            self._trust(context, "", self.client_ca_file, "client_ca")
        return self._prepare(context, alpn)


def server_context(
    config: TlsServerConfig, alpn: Sequence[str] = ("h2",), on_error: Callable[[ConfigError], None] = lambda error: None
) -> ContextSource:
    """A function that gives the current context; see ``ReloadingContext``.

    Raises:
        ConfigError: a file or text cannot be used.
    """
    return ReloadingContext(config, lambda: config.context(alpn), on_error)


def client_context(
    config: TlsClientConfig, alpn: Sequence[str] = ("h2",), on_error: Callable[[ConfigError], None] = lambda error: None
) -> ContextSource | None:
    """The same for a client; None = plaintext.

    Raises:
        ConfigError: a file or text cannot be used.
    """
    if config.plaintext:
        return None
    return ReloadingContext(config, lambda: config.secure_context(alpn), on_error)


class ReloadingContext:
    """The context of a configuration whose files may change.

    With ``reload_interval``, a call looks at most so often at the files' times; if one changed, a new context is made
    for the connections from now on. Files that cannot be used are reported once per change; the old context stays.

    Args:
        config: names the files and the interval.
        build: makes a context.
        on_error: told about files that cannot be used.
        clock: seconds.

    Raises:
        ConfigError: the first context cannot be made.
    """

    def __init__(
        self,
        config: TlsConfig,
        build: Callable[[], ssl.SSLContext],
        on_error: Callable[[ConfigError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._files = config.files()
        self._interval = config.reload_interval
        self._build = build
        self._on_error = on_error
        self._times = self._look()
        self._context = build()
        self._next_look = clock() + self._interval

    def __call__(self) -> ssl.SSLContext:
        """The context for a new connection."""
        if self._interval and self._clock() >= self._next_look:
            self._next_look = self._clock() + self._interval
            times = self._look()
            if times != self._times:
                self._times = times
                try:
                    self._context = self._build()
                except ConfigError as error:
                    self._on_error(error)
        return self._context

    def _look(self) -> list[tuple[int, int]]:
        return [_fingerprint(path) for path in self._files]


def _fingerprint(path: str) -> tuple[int, int]:
    """(time of change in nanoseconds, inode): renaming a file into place changes the second."""
    try:
        stat = Path(path).stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)


def _name(kind: str, path: str) -> str:
    return f"{kind}_file {path}" if path else f"{kind}_pem"


def _read(path: str, kind: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigError(f"tls: {kind}_file {path}: {(error.strerror or str(error)).lower()}") from error


@contextmanager
def _as_file(text: str, path: str, kind: str) -> Iterator[str]:
    """A path for OpenSSL, which reads keys from files only. A text never touches a disk."""
    content = text or _read(path, kind)
    if "-----BEGIN" not in content:
        raise ConfigError(f"tls: {_name(kind, path)}: no PEM in it")
    if not text:
        yield path
        return
    file = os.memfd_create("pem")
    try:
        os.write(file, content.encode())
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)


class _LockedKeyError(Exception):
    """OpenSSL asks for a password."""


def _no_password() -> str:
    raise _LockedKeyError
