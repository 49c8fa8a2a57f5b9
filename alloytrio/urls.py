"""URLs and hosts of backends: checked once, when the configuration is read."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def check_url(url: str) -> str:
    """An http or https URL with a host and without credentials.

    Raises:
        ValueError: it is none; the message does not hold it, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("not a URL: write http://host:port or https://host:port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a URL: write http://host:port or https://host:port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong into the URL: use the authorization settings")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise ValueError("a URL has no spaces and no control characters")
    return url


def base_url(url: str) -> str:
    """A URL to which ``/path`` can be appended."""
    return url.rstrip("/")


def origin(url: str) -> str:
    """``http://host:port`` of a URL; the scheme's port if it names none."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whatever the network."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Whether a host is likely reached without the internet: loopback, a private address, a name without dots."""
    try:
        return ip_address(host).is_private
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith((".localhost", ".local", ".internal"))
