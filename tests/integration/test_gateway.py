"""Agents and gateways as config/kubernetes has them: what an agent accepted arrives although a gateway dies."""

import re
from pathlib import Path

import pytest
import yaml

from tests.integration.backend import Backend
from tests.integration.link import Link
from tests.integration.load import Sender
from tests.integration.service import Service, free_port

FOLDER = Path(__file__).resolve().parents[2] / "config" / "kubernetes"


class FromManifest(Service):
    """A service over the configuration in a manifest's ConfigMap.

    Args:
        name: of the manifest.
        onward: the port that stands for the address to which traces go.
    """

    def __init__(self, directory: Path, name: str, *, onward: int) -> None:
        self._name = name
        directory.mkdir()
        super().__init__(directory, backend=onward)

    def configure(self, **changed: object) -> None:
        """Write the manifest's configuration with ports of this test."""
        documents = yaml.safe_load_all((FOLDER / f"{self._name}.yaml").read_text())
        (text,) = (document["data"]["alloytrio.toml"] for document in documents if document["kind"] == "ConfigMap")
        text = re.sub(r'"(alloytrio-gateway|tempo):4317"', f'"127.0.0.1:{self._options["backend"]}"', text)
        text = text.replace("/var/lib/alloytrio/data", str(self.storage))
        text = re.sub(r"(loki:3100|prometheus:9090)", "127.0.0.1:9", text)
        for port, own in ((4317, self.otlp_port), (4318, free_port()), (12345, self.admin_port)):
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{own}")
        self.config.write_text(text)


@pytest.mark.parametrize("comes_back", [True, False], ids=["same gateway", "another gateway"])
def test_a_gateway_dies(backend: Backend, tmp_path: Path, comes_back: bool) -> None:
    """Killed with data in its journal, a gateway delivers it once it is back; agents go on with another meanwhile."""
    first = FromManifest(tmp_path / "first", "gateway", onward=backend.port)
    second = FromManifest(tmp_path / "second", "gateway", onward=backend.port)
    with first, Link(first.otlp_port) as balancer:
        agent = FromManifest(tmp_path / "agent", "agent", onward=balancer.port)
        with agent, Sender(agent.otlp_port, spans=50) as sender:
            sender.wait_for_acknowledged(500)
            backend.wait_until(lambda: backend.spans.total() >= 200)
            first.kill()
            if comes_back:
                first.start()
            else:
                second.start()
                balancer.target = second.otlp_port
            sender.wait_for_acknowledged(500)
            sender.stop()
            if not comes_back:
                first.start()  # its disk is found again, wherever it runs
            backend.wait_for(sender.acknowledged)
        second.kill()
    assert sender.acknowledged
