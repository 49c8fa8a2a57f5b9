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
    (path.stem, document)
    for path in sorted(FOLDER.rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
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
    pods = [pod for pod in PODS if pod["metadata"]["name"] == document["metadata"]["name"]]
    assert pods
    for pod in pods:
        ports = {port["containerPort"] for port in pod["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert ports == {int(port) for port in re.findall(r"0\.0\.0\.0:(\d+)", path.read_text())}


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: f"{pod['kind']}-{pod['metadata']['name']}")
def test_pods_have_no_rights(pod: dict[str, Any]) -> None:
    """Each runs as 473 without capabilities on a read-only root, is bounded, and keeps its journal on a disk.

    The Deployment's disk goes with its pod, which therefore has longer to deliver what is on it.
    """
    spec = pod["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"], security["readOnlyRootFilesystem"]) == (473, True, True)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    (data,) = (mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == "/var/lib/alloytrio")
    kept = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume}
    kept |= {claim["metadata"]["name"] for claim in pod["spec"].get("volumeClaimTemplates", [])}
    if pod["kind"] == "Deployment":
        kept |= {volume["name"] for volume in spec["volumes"] if "sizeLimit" in volume.get("emptyDir", {})}
        (grace,) = (v["value"] for v in container["env"] if v["name"] == "ALLOYTRIO_SERVICE__SHUTDOWN_GRACE")
        load(FOLDER.parent / "alloytrio.toml", {"ALLOYTRIO_SERVICE__SHUTDOWN_GRACE": grace})
        assert int(grace.removesuffix("s")) + 2 < spec["terminationGracePeriodSeconds"]
    assert data in kept


def test_the_deployment_is_the_stateful_set_without_disks() -> None:
    """Nothing else differs, so that the one can take the other's place behind the same Service."""
    deployment, stateful = (
        {key: value for key, value in pod["spec"].items() if key in ("replicas", "selector", "template")}
        for kind in ("Deployment", "StatefulSet")
        for pod in PODS
        if pod["kind"] == kind
    )
    spec = deployment["template"]["spec"]
    del spec["containers"][0]["env"]
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] != "data"]
    spec["terminationGracePeriodSeconds"] = stateful["template"]["spec"]["terminationGracePeriodSeconds"]
    assert deployment == stateful


def test_selectors_find_their_pods() -> None:
    """Services and workloads select by labels that the pods have."""
    labels = {pod["metadata"]["name"]: pod["spec"]["template"]["metadata"]["labels"] for pod in PODS}
    for _, document in DOCUMENTS:
        selector = document.get("spec", {}).get("selector")
        if selector is not None:
            assert selector.get("matchLabels", selector) == labels[document["metadata"]["name"]]
    images = {c["image"] for pod in PODS for c in pod["spec"]["template"]["spec"]["containers"]}
    assert len(images) == 1
