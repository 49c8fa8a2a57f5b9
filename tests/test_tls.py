"""TLS arguments become contexts that shake hands, or errors that name the argument, the file and the cause."""

import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from alloytrio.errors import ConfigError
from alloytrio.tls import ReloadingContext, TlsClientConfig, TlsServerConfig, client_context, server_context
from alloytrio.values import Secret


class Certificates:
    """An authority and certificates signed by it, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = self.write("ca.pem", self.authority.cert_pem.bytes())

    def write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def issue(self, name: str, host: str = "localhost", not_after: datetime | None = None) -> tuple[str, str]:
        """(certificate with chain, key) files."""
        issued = self.authority.issue_cert(host, not_after=not_after)
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        return self.write(f"{name}.pem", chain), self.write(f"{name}.key", issued.private_key_pem.bytes())


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "localhost") -> ssl.SSLObject:
    """A handshake in memory; gives the client's side."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    far.write(b"hello")
    assert near.read(5) == b"hello"
    return near


def test_files_and_texts_are_the_same(certificates: Certificates) -> None:
    """A certificate works as files and as texts, and ALPN is agreed on."""
    cert, key = certificates.issue("server")
    by_file = TlsServerConfig(cert_file=cert, key_file=key)
    by_text = TlsServerConfig(cert_pem=Path(cert).read_text(), key_pem=Secret(Path(key).read_text()))
    for server in (by_file, by_text):
        for client in (
            TlsClientConfig(ca_file=certificates.ca),
            TlsClientConfig(ca_pem=Path(certificates.ca).read_text()),
        ):
            context = client.context()
            assert context is not None
            assert shake_hands(context, server.context()).selected_alpn_protocol() == "h2"


def test_no_secret_is_shown(certificates: Certificates) -> None:
    """A key given as text is in no representation."""
    cert, key = certificates.issue("server")
    config = TlsServerConfig(cert_file=cert, key_pem=Secret(Path(key).read_text()))
    assert "PRIVATE" not in repr(config) + str(config.model_dump())


@pytest.mark.parametrize(
    ("insecure", "with_ca", "plaintext"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_insecure_counts_only_without_an_authority(
    insecure: bool, with_ca: bool, plaintext: bool, certificates: Certificates
) -> None:
    """Plaintext needs insecure = true and no authority; with one, insecure is ignored."""
    config = TlsClientConfig(insecure=insecure, ca_file=certificates.ca if with_ca else "")
    assert (config.context() is None) == plaintext == (client_context(config) is None)


def test_mutual_tls(certificates: Certificates) -> None:
    """client_ca_file refuses clients without a certificate and takes those with one."""
    cert, key = certificates.issue("server")
    server = TlsServerConfig(cert_file=cert, key_file=key, client_ca_file=certificates.ca).context()
    without = TlsClientConfig(ca_file=certificates.ca).context()
    assert without is not None
    with pytest.raises(ssl.SSLError):
        shake_hands(without, server)
    own_cert, own_key = certificates.issue("client", "client.example")
    config = TlsClientConfig(ca_file=certificates.ca, cert_file=own_cert, key_file=own_key)
    context = config.context()
    assert context is not None
    shake_hands(context, server)


@pytest.mark.parametrize(
    ("host", "days", "problem"),
    [("other.example", 1, "Hostname mismatch"), ("localhost", -1, "certificate has expired")],
)
def test_a_wrong_server_is_refused(host: str, days: int, problem: str, certificates: Certificates) -> None:
    """A certificate for another host, and one that has expired, end the handshake, unless checks are off."""
    cert, key = certificates.issue("server", host, datetime.now(UTC) + timedelta(days=days))
    server = TlsServerConfig(cert_file=cert, key_file=key).context()
    careful = TlsClientConfig(ca_file=certificates.ca).context()
    careless = TlsClientConfig(ca_file=certificates.ca, insecure_skip_verify=True).context()
    assert careful is not None
    assert careless is not None
    with pytest.raises(ssl.SSLCertVerificationError, match=problem):
        shake_hands(careful, server)
    shake_hands(careless, server)


def test_versions_suites_and_curves_are_set(certificates: Certificates) -> None:
    """The highest version, the suite by Go's name and the curve are what is negotiated."""
    cert, key = certificates.issue("server")
    suites = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
    server = TlsServerConfig(
        cert_file=cert, key_file=key, max_version="1.2", cipher_suites=suites, curve_preferences=("P384",)
    )
    client = TlsClientConfig(ca_file=certificates.ca).context()
    assert client is not None
    connection = shake_hands(client, server.context())
    assert connection.version() == "TLSv1.2"
    cipher = connection.cipher()
    assert cipher is not None
    assert cipher[0] in ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "a server needs cert_file and key_file"),
        ({"cert_file": "a"}, "belong together"),
        ({"cert_file": "a", "cert_pem": "b", "key_file": "c"}, "cert_file and cert_pem exclude each other"),
        ({"cert_file": "a", "key_file": "b", "key_pem": "c"}, "key_file and key_pem exclude each other"),
        ({"cert_file": "a", "key_file": "b", "min_version": "1.3", "max_version": "1.2"}, "below min_version"),
        ({"cert_file": "a", "key_file": "b", "cipher_suites": ["RC4"]}, "unknown cipher suite"),
        (
            {"cert_file": "a", "key_file": "b", "cipher_suites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]},
            "unknown cipher suite",
        ),
        ({"cert_file": "a", "key_file": "b", "curve_preferences": ["P192"]}, "unknown curve"),
        ({"cert_file": "a", "key_file": "b", "tpm": {}}, "Extra inputs"),
    ],
)
def test_contradictions_are_refused(arguments: dict[str, object], problem: str) -> None:
    """Arguments that contradict each other, and unknown ones, fail before any file is read."""
    with pytest.raises(ValidationError, match=problem):
        TlsServerConfig.model_validate(arguments)


Broken = Callable[[Certificates], tuple[TlsServerConfig, str]]


def missing(certificates: Certificates) -> tuple[TlsServerConfig, str]:
    return TlsServerConfig(cert_file="/nowhere.pem", key_file="/x"), "cert_file /nowhere.pem: no such file"


def not_pem(certificates: Certificates) -> tuple[TlsServerConfig, str]:
    path = certificates.write("no.pem", b"\xff\x00")
    return TlsServerConfig(cert_file=path, key_file=path), f"cert_file {path}: no PEM in it"


def of_another(certificates: Certificates) -> tuple[TlsServerConfig, str]:
    cert, _ = certificates.issue("one")
    _, key = certificates.issue("two")
    return TlsServerConfig(cert_file=cert, key_file=key), f"cert_file {cert} and key_file {key} do not belong together"


def damaged(certificates: Certificates) -> tuple[TlsServerConfig, str]:
    _, key = certificates.issue("one")
    path = certificates.write("no.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return TlsServerConfig(cert_file=path, key_file=key), f"cert_file {path} and key_file {key}: "


def no_authorities(certificates: Certificates) -> tuple[TlsServerConfig, str]:
    cert, key = certificates.issue("one")
    return TlsServerConfig(cert_file=cert, key_file=key, client_ca_file=key), f"client_ca_file {key}: no certificates"


@pytest.mark.parametrize("broken", [missing, not_pem, of_another, damaged, no_authorities])
def test_errors_name_file_and_cause(broken: Broken, certificates: Certificates) -> None:
    """Each way in which a file can be wrong is one clear error."""
    config, problem = broken(certificates)
    with pytest.raises(ConfigError) as caught:
        config.context()
    assert problem in str(caught.value)


def test_a_locked_key_does_not_ask_the_terminal(certificates: Certificates) -> None:
    """A key with a password is an error, not a prompt."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    cert, key = certificates.issue("server")
    private = load_pem_private_key(Path(key).read_bytes(), None)
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    Path(key).write_bytes(locked)
    with pytest.raises(ConfigError, match="locked by a password"):
        TlsServerConfig(cert_file=cert, key_file=key).context()


def test_changed_files_are_taken_up(certificates: Certificates) -> None:
    """With reload_interval a new certificate serves new connections; a broken one is reported and the old one stays."""
    now = 1000.0
    cert, key = certificates.issue("server")
    errors: list[ConfigError] = []
    config = TlsServerConfig.model_validate({"cert_file": cert, "key_file": key, "reload_interval": "60s"})
    source = ReloadingContext(config, config.context, errors.append, clock=lambda: now)
    first = source()
    certificates.issue("server")
    os.utime(cert, ns=(1, 1))
    now += 59
    assert source() is first
    now += 1
    second = source()
    assert second is not first
    Path(key).write_bytes(b"")
    os.utime(key, ns=(2, 2))
    now += 60
    assert source() is second
    assert len(errors) == 1
    now += 60
    assert source() is second
    assert len(errors) == 1


def test_without_an_interval_nothing_is_read_again(certificates: Certificates) -> None:
    """reload_interval = 0s keeps the first context for ever."""
    cert, key = certificates.issue("server")
    source = server_context(TlsServerConfig(cert_file=cert, key_file=key))
    first = source()
    Path(cert).unlink()
    assert source() is first
