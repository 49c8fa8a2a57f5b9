"""Who may ask the admin port: pure checks of a request's headers.

A page without a password on a developer's machine is reachable by every web site that the developer visits: by DNS
rebinding (a foreign name that resolves to 127.0.0.1) and by cross-site requests. So the Host header must name this
machine in a way that no foreign site can, and what changes state must come from the page itself, or from no browser.

Source: https://developer.mozilla.org/en-US/docs/Web/HTTP/Headers/Sec-Fetch-Site
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Sent with every answer."""

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = READ_METHODS | {"POST"}


def host_name(host: str) -> str:
    """The name in a Host header without its port, lower case: ``[::1]:12345`` → ``::1``."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def is_allowed_host(host: str, allowed_hosts: Iterable[str], listen_addr: str) -> bool:
    """Whether a Host header names this machine.

    IP addresses and names without a dot (``localhost``, ``alloytrio`` in a Compose network) cannot be had by a foreign
    site; others must be configured, or be the name we listen on.
    """
    name = host_name(host)
    if not name:
        return False
    if "." not in name and ":" not in name:
        return name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    try:
        ip_address(name)
    except ValueError:
        pass
    else:
        return True
    allowed = {each.lower() for each in allowed_hosts}
    return "*" in allowed or name in allowed or name == host_name(listen_addr) or name.endswith(".localhost")


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser sent this on behalf of another site.

    Args:
        headers: by lower-case name.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    return origin.partition("://")[2].lower() != headers.get("host", "").lower()
