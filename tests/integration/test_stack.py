"""The stack of compose.yaml on a real dockerd, with a network of its own: what its dashboards ask for is there.

What can run without an image from a registry does: the relay of the Docker socket, alloytrio with its configuration,
Prometheus (this machine's) with its own, and the sample application. Tempo and Loki are away.
"""

import functools
import json
import os
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.dockerd import Dockerd, host_mounts, needs_dockerd
from tests.integration.image import Image
from tests.integration.service import poll
from tests.integration.test_compose_files import COMPOSE
from tests.integration.test_image import as_options
from tests.integration.test_other_sdks import BUILD, build

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = shutil.which("prometheus")
NETWORK = "stack"
pytestmark = [
    needs_dockerd,
    pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus (Debian: prometheus)"),
    pytest.mark.skipif(shutil.which("go") is None, reason="no Go"),
]


def start(dockerd: Dockerd, name: str, image: str, command: list[str], service: dict[str, Any], *options: str) -> str:
    """Run a service of compose.yaml as Compose would: its rights, variables, network name and label."""
    asked = as_options({**service, "volumes": []}, {})
    variables = [f"--env={key}={value}" for key, value in service.get("environment", {}).items()]
    network = [] if "network_mode" in service else [f"--network={NETWORK}", f"--network-alias={name}"]
    label = f"--label=com.docker.compose.service={name}"
    return dockerd.run(image, *command, options=(*asked, *variables, *network, label, f"--name={name}", *options))


@pytest.fixture(scope="module")
def stack(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """The services, running."""
    dockerd = image.dockerd
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    folder = BUILD / "article-server"
    shutil.copytree(COMPOSE / "article-server", folder, dirs_exist_ok=True)
    environment = {"CGO_ENABLED": "0", "PATH": os.environ["PATH"]}
    build(["env", *(f"{k}={v}" for k, v in environment.items()), "go", "build", "-o", "article-server", "."], folder)
    dockerd.docker("network", "create", NETWORK)
    relay, mounts = services["socket"], host_mounts()
    socket = (f"--volume={dockerd.socket}:/var/run/docker.sock:ro", "--volume=stack-relay:/run/relay")
    start(dockerd, "socket", "host:1", relay["command"], relay, *mounts, *socket, "--entrypoint=socat")
    alloytrio = {**services["alloytrio"], "tmpfs": []}
    command = [*image.entry, "run", "/etc/alloytrio/alloytrio.toml"]
    start(
        dockerd, "alloytrio", image.tag, command, alloytrio, *image.options, "--tmpfs=/tmp",
        "--volume=stack-relay:/run/relay:ro",
    )  # fmt: skip
    prometheus = services["prometheus"]
    files = tmp_path_factory.mktemp("prometheus")
    (files / "alerts.yml").write_text((COMPOSE / "alerts.yml").read_text())
    hurried = (COMPOSE / "prometheus.yml").read_text().replace("scrape_interval: 15s", "scrape_interval: 1s")
    (files / "prometheus.yml").write_text(hurried)
    options = (*mounts, f"--volume={files}:/etc/prometheus:ro", "--tmpfs=/prometheus", f"--entrypoint={PROMETHEUS}")
    start(dockerd, "prometheus", "host:1", prometheus["command"], prometheus, *options)
    article = services["article-server"]
    options = (f"--volume={folder}/article-server:/article-server:ro", "--entrypoint=/article-server")
    start(dockerd, "article-server", "host:1", [], article, *options)
    yield dockerd
    dockerd.docker("rm", "--force", "--volumes", "socket", "alloytrio", "prometheus", "article-server")
    dockerd.docker("network", "rm", NETWORK)


def ask(stack: Dockerd, expression: str) -> list[Any]:
    """What Prometheus answers; nothing while it does not answer."""
    url = "http://localhost:9090/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        answer = json.loads(stack.docker("exec", "prometheus", "busybox", "wget", "-q", "-O", "-", url))
    except AssertionError:
        return []
    result: list[Any] = answer["data"]["result"]
    return result


def is_shown(stack: Dockerd, expression: str) -> bool:
    """Whether an expression has a result."""
    return bool(ask(stack, expression))


# Panels that show nothing in a stack where nothing went wrong, or whose counters need two scrapes in their window.
QUIET = {"Given up or set aside", "Refused: the sender must keep it"}


def test_the_dashboards_have_something_to_show(stack: Dockerd) -> None:
    """Prometheus scrapes alloytrio, has the application's metrics through it, and each panel's metrics exist."""
    count = 'http_server_request_duration_seconds_count{job="article-server"}'
    try:
        poll(functools.partial(is_shown, stack, 'up{job="alloytrio"} == 1'), "alloytrio to be scraped", 90.0)
        poll(functools.partial(is_shown, stack, count), "the application's metrics", 90.0)
    except AssertionError as error:
        raise AssertionError(
            f"{error}\n{stack.logs('alloytrio')[-3000:]}\n{stack.logs('prometheus')[-2000:]}"
        ) from None
    for counter in ("otelcol_receiver_accepted_spans_total", "loki_source_docker_target_entries_total"):
        poll(functools.partial(is_shown, stack, f"sum ({counter}) > 0"), counter, 60.0)
    for name in ("alloytrio", "application"):
        board = json.loads((COMPOSE / "grafana" / "dashboards" / f"{name}.json").read_text())
        for panel in board["panels"]:
            if panel["datasource"]["uid"] != "prometheus" or panel["title"] in QUIET:
                continue
            for target in panel["targets"]:
                # Any sample will do, so a rate's window is as long as it takes for the second scrape.
                expression = target["expr"].replace("[1m]", "[10m]").replace("[5m]", "[10m]")
                poll(functools.partial(is_shown, stack, expression), f"{panel['title']}: {expression}", 60.0)
