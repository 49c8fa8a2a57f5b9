"""Credentials and TLS settings of HTTP clients."""

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from alloytrio.errors import ConfigError
from alloytrio.http_client import MAX_SECRET_FILE_BYTES, HttpClientConfig, open_http


@pytest.mark.parametrize(
    ("table", "header"),
    [
        ({}, ""),
        ({"bearer_token": "t"}, "Bearer t"),
        ({"basic_auth": {"username": "u", "password": "p"}}, "Basic dTpw"),
        ({"authorization": {"type": "Token", "credentials": "c"}}, "Token c"),
        ({"authorization": {"credentials": "c"}}, "Bearer c"),
    ],
)
def test_header(table: dict[str, object], header: str) -> None:
    """Each kind of credentials makes the header that servers expect."""
    assert HttpClientConfig.model_validate(table).authorization_header() == header


def test_files_are_read_each_time(tmp_path: Path) -> None:
    """A token in a file is the one that is there now; a missing or huge file is an error."""
    path = tmp_path / "token"
    config = HttpClientConfig(bearer_token_file=str(path))
    with pytest.raises(ConfigError, match="cannot be read"):
        config.authorization_header()
    path.write_text("one\n")
    assert config.authorization_header() == "Bearer one"
    path.write_text("two")
    assert config.authorization_header() == "Bearer two"
    path.write_text("x" * MAX_SECRET_FILE_BYTES)
    assert len(config.authorization_header()) == 7 + MAX_SECRET_FILE_BYTES
    path.write_text("x" * (MAX_SECRET_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="too large"):
        config.authorization_header()


@pytest.mark.parametrize(
    "table",
    [
        {"bearer_token": "t", "bearer_token_file": "f"},
        {"bearer_token": "t", "basic_auth": {}},
        {"basic_auth": {"password": "p", "password_file": "f"}},
        {"authorization": {"type": "basic", "credentials": "x"}},
        {"authorization": {"credentials": "x", "credentials_file": "f"}},
        {"tls_config": {"ca_file": "a", "ca_pem": "b"}},
        {"tls_config": {"min_version": "1.2"}},
        {"oauth2": {}},
        {"follow_redirects": True},
    ],
)
def test_refused(table: dict[str, object]) -> None:
    """Settings that contradict each other, and those that do not exist, are errors."""
    with pytest.raises(ValueError, match="validation error"):
        HttpClientConfig.model_validate(table)


def test_secrets_do_not_show() -> None:
    """No secret is in a config's text."""
    config = HttpClientConfig.model_validate({"bearer_token": "hidden", "tls_config": {"insecure_skip_verify": True}})
    assert "hidden" not in repr(config) + str(config)


async def test_tls() -> None:
    """A client trusts the given authority, and does not follow redirects."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 302 X\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n")

    async with trio.open_nursery() as nursery:
        [tcp] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, [trio.SSLListener(tcp, server, https_compatible=True)])
        port = tcp.socket.getsockname()[1]
        table = {"tls_config": {"ca_pem": authority.cert_pem.bytes().decode()}}
        async with open_http(HttpClientConfig.model_validate(table), "https://127.0.0.1", 1) as http:
            response = await http.get(f"https://127.0.0.1:{port}/x")
        assert response.status_code == 302
        nursery.cancel_scope.cancel()


def test_authorities_are_read_for_https_only() -> None:
    """A client for plain HTTP does not hold the system's authorities in memory, unless its TLS is configured."""
    read: list[str] = []

    class Noted(HttpClientConfig):
        def context(self) -> ssl.SSLContext:
            read.append(self.tls_config.server_name)
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    open_http(Noted(), "http://loki:3100/push", 1)
    assert read == []
    open_http(Noted(), "https://loki:3100/push", 1)
    open_http(Noted.model_validate({"tls_config": {"server_name": "x"}}), "http://loki:3100/push", 1)
    assert read == ["", "x"]
