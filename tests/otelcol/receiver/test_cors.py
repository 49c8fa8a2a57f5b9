"""Which web pages may send telemetry."""

import pytest

from alloytrio.otelcol.receiver.otlp.cors import Cors, CorsConfig

PREFLIGHT = {
    b"origin": b"http://localhost:3000",
    b"access-control-request-method": b"POST",
    b"access-control-request-headers": b"Content-Type",
}


@pytest.mark.parametrize(
    ("allowed", "origin", "echoed"),
    [
        ("http://localhost:*", b"http://localhost:3000", b"http://localhost:3000"),
        ("http://localhost:*", b"HTTP://LOCALHOST:3000", b"HTTP://LOCALHOST:3000"),
        ("http://localhost:*", b"https://localhost:3000", None),
        ("https://*.example.com", b"https://shop.example.com", b"https://shop.example.com"),
        ("https://*.example.com", b"https://example.com.evil.test", None),
        ("https://a.test", b"https://a.test.evil.test", None),
        ("https://a.test", b"https://axtest", None),
        ("*", b"https://any.test", b"*"),
        ("*", b"", None),
    ],
)
def test_origin(allowed: str, origin: bytes, echoed: bytes | None) -> None:
    """An origin is compared whole, without regard to case, with at most one wildcard."""
    headers = dict(Cors(CorsConfig(allowed_origins=[allowed])).answer_headers({b"origin": origin}))
    assert headers.get(b"access-control-allow-origin") == echoed
    assert headers[b"vary"] == b"Origin"


def test_preflight() -> None:
    """A preflight is told what it asked for."""
    config = CorsConfig(allowed_origins=["http://localhost:*"], max_age=600)
    assert dict(Cors(config).preflight(PREFLIGHT)) == {
        b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        b"access-control-allow-origin": b"http://localhost:3000",
        b"access-control-allow-methods": b"POST",
        b"access-control-allow-headers": b"Content-Type",
        b"access-control-allow-credentials": b"true",
        b"access-control-max-age": b"600",
    }


@pytest.mark.parametrize(
    "changed",
    [
        {b"origin": b"https://evil.test"},
        {b"access-control-request-method": b"DELETE"},
        {b"access-control-request-headers": b"content-type, x-secret"},
    ],
)
def test_refused_preflight(changed: dict[bytes, bytes]) -> None:
    """What is not allowed gets an answer without permission, so that the browser does not send."""
    answer = dict(Cors(CorsConfig(allowed_origins=["http://localhost:*"])).preflight(PREFLIGHT | changed))
    assert list(answer) == [b"vary"]


def test_all_headers() -> None:
    """``*`` allows any request header."""
    config = CorsConfig(allowed_origins=["*"], allowed_headers=["*"])
    wanted = {b"access-control-request-headers": b"x-anything"}
    assert (b"access-control-allow-headers", b"x-anything") in Cors(config).preflight(PREFLIGHT | wanted)


def test_exposed_headers() -> None:
    """Pages may read these answer headers."""
    config = CorsConfig(allowed_origins=["*"], exposed_headers=["retry-after", "x-b"])
    headers = Cors(config).answer_headers({b"origin": b"https://a.test"})
    assert (b"access-control-expose-headers", b"retry-after, x-b") in headers


def test_off_without_origins() -> None:
    """Headers alone turn nothing on."""
    assert not Cors(CorsConfig(allowed_headers=["*"])).is_on
