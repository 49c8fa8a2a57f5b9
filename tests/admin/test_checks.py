"""Who may ask the admin port."""

import pytest

from alloytrio.admin.checks import host_name, is_allowed_host, is_cross_site


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:12345",
        "127.0.0.1:12345",
        "10.1.2.3",
        "[::1]:12345",
        "[fe80::1]",
        "alloytrio:12345",
        "my-box_2:12345",
        "page.example.org",
        "PAGE.example.org.:443",
        "listen.example.org:12345",
        "app.localhost",
    ],
)
def test_names_of_this_machine_pass(host: str) -> None:
    """IP addresses, names without a dot, configured names and the name we listen on."""
    assert is_allowed_host(host, ["Page.example.org"], "listen.example.org:12345")


@pytest.mark.parametrize(
    "host",
    ["", ":12345", "evil.example.com", "127.0.0.1.evil.com", "page.example.org.evil.com", "a b", "[", "é"],
)
def test_foreign_names_do_not(host: str) -> None:
    """Names that a foreign site can own, and what is no name at all, are refused."""
    assert not is_allowed_host(host, ["page.example.org"], "0.0.0.0:12345")


def test_star_allows_every_name() -> None:
    """A user who has a proxy in front may allow all names."""
    assert is_allowed_host("evil.example.com", ["*"], "")


@pytest.mark.parametrize(("host", "name"), [("A.b:1", "a.b"), ("[::1]:1", "::1"), ("a.b.", "a.b"), ("", "")])
def test_host_name(host: str, name: str) -> None:
    """The name comes without port, brackets and the root's dot, in lower case."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://a:1", "host": "a:1"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"origin": "https://A:1", "host": "a:1"}, False),
        ({"origin": "http://a:2", "host": "a:1"}, True),
        ({"origin": "http://evil.example", "host": "a:1"}, True),
        ({"origin": "null", "host": "a:1"}, True),
        ({"origin": "null", "host": ""}, False),
    ],
)
def test_cross_site(headers: dict[str, str], *, expected: bool) -> None:
    """Only the page itself, or what is no browser, may change state."""
    assert is_cross_site(headers) == expected
