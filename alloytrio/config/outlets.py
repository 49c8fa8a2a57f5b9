"""Where a configuration delivers to, and the outbox before each backend: what ``alloytrio graph`` draws at the ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import BaseModel

from alloytrio.config.settings import Settings
from alloytrio.values import format_size


@dataclass(frozen=True, slots=True)
class Outlet:
    """One backend and its outbox.

    Args:
        component_id: the owner.
        address: of the backend, without a query, which may hold a token.
        max_bytes: bound of the outbox.
        on_disk: whether it survives the process.
    """

    component_id: str
    address: str
    max_bytes: int
    on_disk: bool

    @property
    def bound(self) -> str:
        """The outbox in words."""
        return f"up to {format_size(self.max_bytes)} {'on disk' if self.on_disk else 'in memory'}"


def outlets(settings: Settings) -> Iterator[Outlet]:
    """All backends, by component in file order."""
    storage = settings.storage
    for component_id, config in settings.components.items():
        queue = getattr(config, "sending_queue", None)
        max_bytes = getattr(queue, "queue_size", 0) or storage.max_size
        for address in _addresses(config):
            yield Outlet(component_id, _without_query(address), max_bytes, storage.mode == "disk")


def _addresses(config: BaseModel) -> Iterator[str]:
    client = getattr(config, "client", None)
    if client is not None and hasattr(client, "endpoint"):
        yield str(client.endpoint)
    for endpoint in getattr(config, "endpoint", ()):
        if hasattr(endpoint, "url"):
            yield str(endpoint.url)


def _without_query(address: str) -> str:
    return urlsplit(address)._replace(query="", fragment="").geturl() if "://" in address else address
