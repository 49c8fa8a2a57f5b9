"""The settings that discovery and log source share to reach dockerd, and the client made of them."""

from alloytrio.docker import DockerClient, parse_host
from alloytrio.errors import ConfigError
from alloytrio.http_client import HttpClientConfig


def check_host(host: str) -> str:
    """For a pydantic validator.

    Raises:
        ValueError: it is no Docker host.
    """
    parse_host(host)
    return host


def open_docker(host: str, http: HttpClientConfig, *, call_timeout: float) -> DockerClient:
    """A client for one dockerd.

    Args:
        host: as in the configuration.
        http: credentials and TLS; without effect on a unix socket.
        call_timeout: seconds for each call.

    Raises:
        ConfigError: a file for TLS or credentials cannot be used.
    """
    parsed = parse_host(host)
    if parsed.path:
        return DockerClient(host, call_timeout=call_timeout)
    tls = http.tls_config
    wants_tls = parsed.tls or tls != type(tls)()
    header = http.authorization_header()
    if header and not wants_tls and not parsed.name.startswith("127."):
        raise ConfigError(f"{host}: credentials are not sent without TLS")
    return DockerClient(
        host,
        call_timeout=call_timeout,
        context=http.context() if wants_tls else None,
        server_name=tls.server_name,
        headers=[(b"Authorization", header.encode())] if header else [],
    )
