"""The Compose stack says what the documents promise; what can be checked without its images is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from alloytrio import __version__

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "config" / "compose"
Stack = dict[str, Any]


@pytest.fixture(scope="module")
def stack() -> Stack:
    """compose.yaml."""
    loaded: Stack = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_images_are_pinned(stack: Stack) -> None:
    """Every image has a version, also in overlays, and none is called latest."""
    filtered = yaml.safe_load((COMPOSE / "socket-proxy.yaml").read_text().replace("!reset ", ""))["services"]["socket"]
    for name, service in [*stack["services"].items(), ("filter", filtered)]:
        image = service.get("image")
        assert image or service.get("build"), name
        assert image is None or re.search(r":v?\d+\.\d+", image), name


def test_only_alloytrio_publishes_its_ports(stack: Stack) -> None:
    """4317, 4318 and 12345 are alloytrio's; nothing but Grafana is reachable besides, and only from this host."""
    published = {name: service["ports"] for name, service in stack["services"].items() if "ports" in service}
    assert published == {"alloytrio": ["4317:4317", "4318:4318", "12345:12345"], "grafana": ["127.0.0.1:3000:3000"]}


def test_everything_is_bounded_and_restarts(stack: Stack) -> None:
    """Each service has a memory limit and comes back."""
    for name, service in stack["services"].items():
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["restart"] == "unless-stopped", name


def test_no_variable_is_needed() -> None:
    """A fresh host needs neither a variable nor an edit."""
    assert not re.findall(r"(?<!\$)\$\{?[A-Za-z_]", (ROOT / "compose.yaml").read_text())


def test_mounted_files_exist(stack: Stack) -> None:
    """What is mounted from the project is there."""
    for name, service in stack["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
            elif not source.startswith("/"):
                assert source in stack["volumes"], f"{name}: {source}"


def test_alloytrio_has_no_rights(stack: Stack) -> None:
    """Read-only root, no capabilities, and the Docker socket only through the relay."""
    service = stack["services"]["alloytrio"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert not any("docker.sock" in volume for volume in service["volumes"])


def test_backends_take_what_is_sent(stack: Stack) -> None:
    """Prometheus has its receiver and exemplars; Tempo listens where other containers reach it."""
    flags = stack["services"]["prometheus"]["command"]
    assert "--web.enable-remote-write-receiver" in flags
    assert "--enable-feature=exemplar-storage" in flags
    tempo = yaml.safe_load((COMPOSE / "tempo.yaml").read_text())
    assert tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == "0.0.0.0:4317"


@pytest.mark.parametrize("path", sorted(COMPOSE.rglob("*.y*ml")), ids=lambda path: path.name)
def test_yaml_is_read(path: Path) -> None:
    """Every file is YAML; !reset is a word of Compose that takes a key of the first file away."""
    assert yaml.safe_load(path.read_text().replace("!reset ", ""))


@pytest.mark.parametrize("path", sorted(COMPOSE.rglob("*.json")), ids=lambda path: path.name)
def test_dashboards(path: Path) -> None:
    """Panels have distinct ids, a place on the grid, and known data sources."""
    board = json.loads(path.read_text())
    sources = yaml.safe_load((COMPOSE / "grafana/datasources/datasources.yaml").read_text())
    uids = {source["uid"] for source in sources["datasources"]}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] in uids
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_the_version_is_one() -> None:
    """What names a version of ours names the package's: the images of the stack and of the manifests, the changelog."""
    files = [ROOT / "compose.yaml", *(ROOT / "config" / "kubernetes").glob("*.yaml")]
    named = {version for file in files for version in re.findall(r"image: alloytrio:(\S+)", file.read_text())}
    assert named == {__version__}
    assert f"## [{__version__}] - 20" in (ROOT / "CHANGELOG.md").read_text()


def test_image_is_without_root() -> None:
    """The Dockerfile selects a user, and names the ports and the check."""
    text = (ROOT / "Dockerfile").read_text()
    assert "USER 473:473" in text
    assert "EXPOSE 4317 4318 12345" in text
    assert re.search(r"install -d -o 473 .* /var/lib/alloytrio/data .*/var/lib/alloy/data", text)
    assert 'CMD ["alloytrio", "healthcheck"]' in text
    assert 'CMD ["run", "/etc/alloy/config.alloy", "/etc/alloytrio/alloytrio.toml"]' in text
