"""Credentials: the right ones are let in, nothing else is; what a client sends, the server takes."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alloytrio.auth import MAX_FILE_BYTES, BasicAuthenticator, BasicCredentials, TokenAuthenticator
from alloytrio.config.edges import Edge
from alloytrio.errors import ConfigError
from alloytrio.graph import make_plan
from alloytrio.otelcol.auth.basic import BasicAuthConfig
from alloytrio.otelcol.auth.bearer import BearerAuthConfig
from alloytrio.otelcol.exporter.otlp import OtlpExporterConfig
from alloytrio.urls import is_loopback, is_private
from alloytrio.values import Kind, Secret


def headers(**given: str) -> Callable[[str], str]:
    """Reads a request's headers."""
    return lambda name: given.get(name, "")


def basic(pair: str, scheme: str = "Basic") -> Callable[[str], str]:
    """A request with a user name and a password."""
    return headers(authorization=f"{scheme} {base64.b64encode(pair.encode()).decode()}")


SHOP = BasicCredentials(username="shop", password=Secret("pä:ss"))


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_right_password(scheme: str) -> None:
    """The right pair is let in; a password may have colons and umlauts, the scheme any case."""
    assert BasicAuthenticator(SHOP, SHOP).accepts(basic("shop:pä:ss", scheme))


@pytest.mark.parametrize("pair", ["shop:", "shop:pä", "Shop:pä:ss", "shop:pä:ss ", ":", "", "shop"])
def test_wrong_password(pair: str) -> None:
    """Any other pair is not."""
    assert not BasicAuthenticator(SHOP, SHOP).accepts(basic(pair))


@given(value=st.text())
def test_any_header(value: str) -> None:
    """No header value is let in or raises."""
    assert not BasicAuthenticator(SHOP, SHOP).accepts(headers(authorization=value))
    assert not TokenAuthenticator("t" * 99).accepts(headers(authorization=value))


def test_client_and_server_agree() -> None:
    """What a client sends is what a server with the same settings takes."""
    for both in (
        BasicAuthenticator(SHOP, SHOP),
        TokenAuthenticator("t"),
        TokenAuthenticator("t", scheme="", name="X-Key"),
    ):
        name, value = both.header()
        assert both.accepts(headers(**{name: value}))
        assert not both.accepts(headers())


def test_tokens_in_a_file(tmp_path: Path) -> None:
    """Each line is a token; a changed file counts at once, one that vanished leaves the tokens from before."""
    file = tmp_path / "tokens"
    file.write_text("first\n\n  second \n")
    auth = TokenAuthenticator(filename=str(file))
    assert auth.header() == ("authorization", "Bearer first")
    assert auth.accepts(headers(authorization="Bearer second"))
    (tmp_path / "new").write_text("third")
    (tmp_path / "new").rename(file)
    assert not auth.accepts(headers(authorization="Bearer second"))
    assert auth.accepts(headers(authorization="Bearer third"))
    file.unlink()
    assert auth.accepts(headers(authorization="Bearer third"))


@pytest.mark.parametrize("content", [None, "", " \n", "x" * (MAX_FILE_BYTES + 1)])
def test_files_without_tokens(tmp_path: Path, content: str | None) -> None:
    """A file that is missing, empty or far too large stops the start, and is named."""
    file = tmp_path / "tokens"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=str(file)):
        TokenAuthenticator(filename=str(file))


@pytest.mark.parametrize("table", [{}, {"username": "a:b", "password": "x"}, {"client_auth": {"username": "a"}}])
def test_bad_basic_tables(table: dict[str, object]) -> None:
    """A table without a usable user name and password is refused."""
    with pytest.raises(ValidationError):
        BasicAuthConfig.model_validate(table)


@pytest.mark.parametrize(
    "table", [{}, {"token": "a", "filename": "b"}, {"token": "a\r\nb: c"}, {"token": "a", "header": "x y"}]
)
def test_bad_bearer_tables(table: dict[str, object]) -> None:
    """A table without one usable token is refused, and its token not repeated."""
    with pytest.raises(ValidationError) as caught:
        BearerAuthConfig.model_validate(table)
    assert "b: c" not in str(caught.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    ("endpoint", "tls", "fits"),
    [("tempo:4317", {}, True), ("tempo:4317", {"insecure": True}, False), ("127.0.0.1:1", {"insecure": True}, True),
     ("localhost:1", {"insecure": True}, True), ("unix:///run/x", {"insecure": True}, True)],
)  # fmt: skip
def test_credentials_are_not_sent_in_plaintext(endpoint: str, tls: dict[str, object], fits: bool) -> None:
    """A gRPC exporter refuses auth without TLS, unless the backend is this machine."""
    table = {"client": {"endpoint": endpoint, "tls": tls, "auth": "otelcol.auth.basic.x"}}
    if fits:
        OtlpExporterConfig.model_validate(table)
    else:
        with pytest.raises(ValidationError, match="plaintext"):
            OtlpExporterConfig.model_validate(table)


@pytest.mark.parametrize(
    ("host", "loopback", "private"),
    [("localhost", True, True), ("127.9.9.9", True, True), ("::1", True, True), ("tempo", False, True),
     ("10.0.0.1", False, True), ("8.8.8.8", False, False), ("tempo.example.com", False, False),
     ("127.0.0.1.example.com", False, False)],
)  # fmt: skip
def test_hosts(host: str, loopback: bool, private: bool) -> None:
    """What is this machine, and what is likely reached without the internet."""
    assert (is_loopback(host), is_private(host)) == (loopback, private)


def test_changed_credentials_replace_who_uses_them() -> None:
    """Credentials are built before who uses them, tie no pipelines together, and replace their users on reload."""
    ids = ["receiver", "tempo", "key"]
    edges = [
        Edge("receiver", "tempo", Kind.OTLP, "input", "receiver", (), None),
        Edge("key", "receiver", Kind.AUTH, "handler", "receiver", (), None),
        Edge("key", "tempo", Kind.AUTH, "handler", "tempo", (), None),
    ]
    configs = dict.fromkeys(ids, BasicAuthConfig(username="a", password=Secret("b")))
    before = make_plan(configs, edges, dict.fromkeys(ids, "same"))
    after = make_plan(configs, edges, {**dict.fromkeys(ids, "same"), "key": "other"})
    assert [part.component_ids for part in before.parts] == [("key",), ("tempo",), ("receiver",)]
    assert {part.fingerprint for part in before.parts}.isdisjoint(part.fingerprint for part in after.parts)
