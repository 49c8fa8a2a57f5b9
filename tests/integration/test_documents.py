"""The documents in config/docs: their commands work, and their tables say what the code does."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.metric_names import patterns
from tests.integration.backend import Backend
from tests.integration.load import Sender
from tests.integration.service import PACKAGE_ROOT, Service, free_port, poll

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "config" / "docs"
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "alloytrio").rglob("*.py")))
OPERATIONS = (DOCS / "operations.md").read_text()


def commands(document: str) -> list[str]:
    """The lines of a document's sh blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / document).read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def section(title: str) -> str:
    """A section of operations.md, up to the next of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", OPERATIONS, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def first_cells(text: str) -> list[str]:
    """What stands in backquotes in the first cell of each line of the tables."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with config/alloytrio.toml's components, which has taken in and delivered something."""
    folder = tmp_path_factory.mktemp("documents")
    with Backend() as backend:
        running = Documented(folder, backend=backend.port)
        with running:
            sender = Sender(running.otlp_port, spans=4)
            for _ in range(50):
                assert sender.send()
            sender.close()
            backend.wait_for(sender.acknowledged)
            yield running


class Documented(Service):
    """The service over config/alloytrio.toml, with ports and folders of its own."""

    def configure(self, **changed: object) -> None:
        """Write the configuration."""
        text = (ROOT / "config" / "alloytrio.toml").read_text()
        text = text.replace("tempo:4317", f"127.0.0.1:{self._options['backend']}")
        for port, own in ((4317, self.otlp_port), (4318, free_port()), (12345, self.admin_port)):
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{own}")
        text = text.replace("/var/lib/alloytrio/data", str(self.storage)).replace('"5s"', '"200ms"')
        text = text.replace("loki:3100", "127.0.0.1:9").replace("prometheus:9090", "127.0.0.1:9")
        self.config.write_text(text)

    def run(self, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a line of a document, as if this service were the one that it speaks of."""
        line = command.replace("127.0.0.1:12345", f"127.0.0.1:{self.admin_port}")
        line = line.replace("/etc/alloytrio/alloytrio.toml", str(self.config))
        line = line.replace("/var/lib/alloytrio/data", str(self.storage))
        line = line.replace("/var/lib/alloytrio", str(self.directory))
        if line.startswith("alloytrio "):
            line = f"{shlex.quote(sys.executable)} -P -m {line}"
        environment = {
            **os.environ,
            "PYTHONPATH": str(PACKAGE_ROOT),
            "ALLOYTRIO_ADMIN__LISTEN_ADDR": f"127.0.0.1:{self.admin_port}",
        }
        return subprocess.run(
            ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.mark.parametrize("command", [*commands("why.md"), *commands("operations.md")])
def test_commands_about_a_running_service(service: Documented, tmp_path: Path, command: str) -> None:
    """Each command of why.md and operations.md does what the text says, on a service that runs."""
    if "/-/healthy" in command:  # Loki is away here, and the document says that this fails then
        poll(lambda: service.get("/-/healthy")[0] == 500, "Loki to be missed")
        assert service.run(command, tmp_path).returncode == 22
        return
    if " -xf " in command:  # on a machine that has nothing yet
        data = service.directory / "data"
        (packing,) = (line for line in commands("operations.md") if " -cf " in line)
        assert service.run(packing, tmp_path).returncode == 0
        before = sorted(path.relative_to(data) for path in data.rglob("*"))
        elsewhere = Documented(tmp_path, backend=0)
        assert elsewhere.run(command, tmp_path).returncode == 0
        assert sorted(path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*")) == before
        return
    done = service.run(command, tmp_path)
    assert done.returncode == 0, done.stderr


COLLECTOR = """
receivers: {otlp: {protocols: {grpc: {}}}}
processors: {batch: {}}
exporters: {otlp: {endpoint: "tempo:4317", tls: {insecure: true}}}
service: {pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [otlp]}}}
"""
PROMTAIL = """
clients: [{url: "http://loki:3100/loki/api/v1/push"}]
scrape_configs:
  - job_name: containers
    docker_sd_configs: [{host: "unix:///var/run/docker.sock"}]
    relabel_configs: [{source_labels: [__meta_docker_container_name], target_label: container}]
"""
# test_alloy_deployment.py runs files of Alloy, and what they do is checked there.
ELSEWHERE = ["alloytrio run config.alloy"]


@pytest.mark.parametrize("command", [line for line in commands("coming-from.md") if line not in ELSEWHERE])
def test_commands_for_newcomers(tmp_path: Path, command: str) -> None:
    """Each command of coming-from.md works on a file of the language that it is for."""
    (tmp_path / "config.alloy").write_text((ROOT / "config" / "config.alloy").read_text())
    (tmp_path / "otelcol.yaml").write_text(COLLECTOR)
    (tmp_path / "promtail.yaml").write_text(PROMTAIL)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    words = [sys.executable, "-P", "-m", *shlex.split(command)]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    if "convert" in command:
        tomllib.loads(done.stdout)


def test_every_metric_is_documented(service: Documented) -> None:
    """operations.md lists exactly the metrics that the code makes."""
    listed = first_cells(section("Metrics"))
    assert len(set(listed)) == len(listed)
    made = [re.compile(pattern) for pattern in patterns()]
    assert [name for name in listed if not any(pattern.fullmatch(name) for pattern in made)] == []
    assert [pattern.pattern for pattern in made if not any(map(pattern.fullmatch, listed))] == []
    shown = set(re.findall(r"^# TYPE (\S+)", service.get("/metrics")[1], re.MULTILINE))
    assert shown - set(listed) == set()


def test_every_message_is_the_code_s() -> None:
    """What operations.md quotes from messages is said by the code, in these words."""
    messages = first_cells(section("Messages and what to do"))
    said = re.sub(r'"\s*\n\s*f?"', "", SOURCES)
    assert [message for message in messages if message not in said] == []
    assert len(messages) > 15


def test_every_alert_has_an_answer() -> None:
    """Each alert rule has a line that says what to do."""
    rules = yaml.safe_load((ROOT / "config" / "compose" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert first_cells(section("Alerts")) == [rule["alert"] for rule in rules]


def test_links_lead_somewhere() -> None:
    """Each relative link of the documents and the README leads to a file."""
    for path in [*DOCS.glob("*.md"), ROOT / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_batching_saves_what_the_document_says(service: Documented) -> None:
    """Fifty requests in a moment became few: the counters that why.md names say so."""
    received = service.metric("alloytrio_receiver_accepted_requests_total")
    sent = service.metric("otelcol_exporter_queue_batch_send_size_count")
    assert received == 50
    assert 0 < sent < received


def test_stages_of_promtail_are_here() -> None:
    """Each stage that coming-from.md calls the same is one that we have."""
    (row,) = (
        line for line in (DOCS / "coming-from.md").read_text().splitlines() if line.startswith("| pipeline stages")
    )
    named = set(re.findall(r"`(\w+)`", row.split("|")[2]))
    ours = {path.stem for path in (ROOT / "alloytrio" / "loki" / "process").glob("*.py")}
    words = {"labeldrop": "label_drop", "labelallow": "label_keep"}
    assert {words.get(name, name) for name in named} <= ours
