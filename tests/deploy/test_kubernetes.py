"""The Kubernetes manifests: what the API server would take, with configurations that alloytrio takes."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from alloytrio.config.load import load

FOLDER = Path(__file__).resolve().parents[2] / "config" / "kubernetes"
DOCUMENTS = [
    (path.stem, document) for path in sorted(FOLDER.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())
]
PODS = [document for _, document in DOCUMENTS if "template" in document.get("spec", {})]


@pytest.mark.parametrize("document", [d for _, d in DOCUMENTS], ids=[f"{f}-{d['kind']}" for f, d in DOCUMENTS])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the validator's own libraries
def test_the_api_server_would_take_it(document: dict[str, Any]) -> None:
    """Each document is valid for the newest Kubernetes that the validator knows, unknown keys included."""
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(
    "document", [d for _, d in DOCUMENTS if d["kind"] == "ConfigMap"], ids=lambda d: d["metadata"]["name"]
)
def test_alloytrio_takes_its_configuration(document: dict[str, Any], tmp_path: Path) -> None:
    """The configuration in each ConfigMap loads, and every port of it is a port of its container."""
    path = tmp_path / "alloytrio.toml"
    path.write_text(document["data"]["alloytrio.toml"])
    load(path, {})
    (pod,) = (pod for pod in PODS if pod["metadata"]["name"] == document["metadata"]["name"])
    ports = {port["containerPort"] for port in pod["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert ports == {int(port) for port in re.findall(r"0\.0\.0\.0:(\d+)", path.read_text())}


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["metadata"]["name"])
def test_pods_have_no_rights(pod: dict[str, Any]) -> None:
    """Each runs as 473 without capabilities on a read-only root, keeps its journal on a disk, and is bounded."""
    spec = pod["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"], security["readOnlyRootFilesystem"]) == (473, True, True)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    (data,) = (mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/var/lib/alloytrio")
    kept = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume}
    kept |= {claim["metadata"]["name"] for claim in pod["spec"].get("volumeClaimTemplates", [])}
    assert data in kept


def test_selectors_find_their_pods() -> None:
    """Services and workloads select by labels that the pods have."""
    labels = {pod["metadata"]["name"]: pod["spec"]["template"]["metadata"]["labels"] for pod in PODS}
    for _, document in DOCUMENTS:
        selector = document.get("spec", {}).get("selector")
        if selector is not None:
            assert selector.get("matchLabels", selector) == labels[document["metadata"]["name"]]
    images = {c["image"] for pod in PODS for c in pod["spec"]["template"]["spec"]["containers"]}
    assert len(images) == 1
