"""The service over ``config/alloytrio.toml`` as it is, with a dockerd and a Loki of a test."""

from pathlib import Path

from tests.integration.containers import LogDockerd
from tests.integration.loki_server import LokiServer
from tests.integration.service import Service, free_port

SHIPPED = Path(__file__).parent.parent.parent / "config" / "alloytrio.toml"
SOURCE = "loki.source.docker.containers"


class LogService(Service):
    """One alloytrio that reads the containers of one dockerd.

    Args:
        directory: an empty folder for its configuration, data and logs.
        dockerd: whose containers are read.
        loki: where the lines go.
        changes: of the configuration's text: old → new.
    """

    def __init__(
        self, directory: Path, dockerd: LogDockerd, loki: LokiServer, changes: dict[str, str] | None = None
    ) -> None:
        self._dockerd = dockerd
        self._loki = loki
        self._changes = changes or {}
        self._http_port = free_port()
        super().__init__(directory, backend=0)

    def configure(self, **changed: object) -> None:
        """Write the configuration: what ships, on other ports and paths."""
        text = SHIPPED.read_text()
        places = {
            "0.0.0.0:4317": f"127.0.0.1:{self.otlp_port}",
            "0.0.0.0:4318": f"127.0.0.1:{self._http_port}",
            "0.0.0.0:12345": f"127.0.0.1:{self.admin_port}",
            "unix:///var/run/docker.sock": self._dockerd.host,
            "http://loki:3100/loki/api/v1/push": self._loki.url,
            "/var/lib/alloytrio/data": str(self.storage),
        }
        for old, new in {**places, **self._changes}.items():
            assert old in text, f"config/alloytrio.toml has no {old}"
            text = text.replace(old, new)
        self.config.write_text(text)

    def kill(self) -> None:
        """kill -9, if it runs; Loki is told."""
        super().kill()
        self._loki.killed()
