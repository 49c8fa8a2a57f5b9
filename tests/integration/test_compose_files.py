"""compose.yaml and its overlays, read as ``docker compose`` reads them; its Prometheus files, read by Prometheus."""

import json
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from tests.deploy.metric_names import PROCESS, patterns
from tests.integration.test_other_sdks import BUILD, PEERS, build

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "config" / "compose"
Project = dict[str, Any]
Load = Callable[..., Project]
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Merges and checks Compose files with the library of ``docker compose`` itself."""
    if shutil.which("go") is None:
        pytest.skip("no Go")
    folder = BUILD / "compose"
    shutil.copytree(PEERS / "compose", folder, dirs_exist_ok=True)
    build(["go", "build", "-o", "compose", "."], folder)

    def load(*overlays: str) -> Project:
        files = ["compose.yaml", *(f"config/compose/{overlay}.yaml" for overlay in overlays)]
        command = [str(folder / "compose"), *files]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env={})
        assert done.returncode == 0, done.stderr
        project: Project = json.loads(done.stdout)
        return project

    return load


def test_the_stack_is_valid_without_a_variable(load: Load) -> None:
    """The specification takes compose.yaml, in an empty environment; every service that can be asked has a check."""
    services = load()["services"]
    backends = {"tempo", "tempo-ready", "loki", "prometheus", "grafana"}
    assert set(services) == {"socket", "alloytrio", "article-server"} | backends
    asked = {name for name, service in services.items() if "healthcheck" in service}
    # alloytrio's check is in its image; tempo-ready asks for Tempo, whose image holds nothing that could.
    assert set(services) - asked == {"alloytrio", "tempo"}


def test_the_filter_has_no_capability(load: Load) -> None:
    """With the filter no container has a capability that compose.yaml's relay needs, and the socket's volume stays."""
    service = load("socket-proxy")["services"]["socket"]
    assert not service.get("cap_add")
    assert service["cap_drop"] == ["ALL"]
    assert {volume["target"] for volume in service["volumes"]} == {"/run/relay", "/var/run/docker.sock"}
    assert "-proxysocketendpoint=/run/relay/docker.sock" in service["command"]


def test_the_tls_stack_has_no_plaintext(load: Load) -> None:
    """With the TLS overlay every file that is mounted exists or is made by hand, and alloytrio runs production.toml."""
    services = load("tls")["services"]
    made = {ROOT / "certificates", ROOT / "certificates" / "tokens", ROOT / "certificates" / "admin-password"}
    mounted = {
        (name, volume["target"]): Path(volume["source"])
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind" and volume["source"].startswith(str(ROOT))
    }
    assert {path for path in mounted.values() if not path.exists()} <= made
    assert mounted["alloytrio", "/etc/alloytrio/alloytrio.toml"] == ROOT / "config" / "production.toml"
    for name in ("tempo", "loki", "prometheus"):
        configuration = "".join(
            path.read_text() for (service, _), path in mounted.items() if service == name and path.is_file()
        )
        assert f"/etc/certificates/{name}.key" in configuration
        assert "client_ca_file" in configuration
    assert services["article-server"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("https://")


def test_every_service_of_the_tls_stack_is_asked(load: Load) -> None:
    """With the TLS overlay nothing loses its check: Loki, whose own cannot bring a certificate, is asked by another."""
    services = load("tls")["services"]
    checks = {name: service.get("healthcheck", {}) for name, service in services.items()}
    asked = {name for name, check in checks.items() if "test" in check and not check.get("disable")}
    assert set(services) - asked == {"tempo", "loki"}
    assert {"tempo-ready", "loki-ready"} <= asked


@pytest.mark.skipif(shutil.which("socat") is None, reason="no socat")
@pytest.mark.parametrize("name", ["tempo", "loki"])
def test_questions_by_tls(name: str, tmp_path: Path) -> None:
    """What asks Tempo and Loki over TLS brings its certificate; only an answer of 200 is health."""
    subprocess.run([ROOT / "scripts" / "certificates", tmp_path, "localhost", "alloytrio"], check=True)
    overlay = yaml.safe_load((COMPOSE / "tls.yaml").read_text())
    kind, command = overlay["services"][f"{name}-ready"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "localhost.pem", tmp_path / "localhost.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with Answers(context) as answers:
        here = re.sub(rf"OPENSSL:{name}:\d+", f"OPENSSL:localhost:{answers.port}", command)
        here = here.replace("/etc/certificates", str(tmp_path))
        assert here.count(str(tmp_path)) == 3
        for status in (200, 503, 200):
            answers.status = status
            done = subprocess.run(["sh", "-c", here], timeout=30, check=False, capture_output=True)
            assert (done.returncode == 0) is (status == 200), done.stderr
        assert answers.paths == ["/ready"] * 3
    assert subprocess.run(["sh", "-c", here], timeout=30, check=False, capture_output=True).returncode != 0


class Answers:
    """An HTTPS server on a free port that answers every GET with ``status``."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.status = 200
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("name", ["tempo.yaml", "loki.yaml"])
def test_tls_files_differ_in_tls_only(name: str) -> None:
    """Without its TLS tables a file of the TLS stack is the plain one."""
    plain, secured = (yaml.safe_load((COMPOSE / part / name).read_text()) for part in (".", "tls"))
    secured["server"].pop("http_tls_config", None)
    if "distributor" in secured:
        del secured["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["tls"]
    assert secured == plain


def test_tls_data_sources_differ_in_tls_only() -> None:
    """Grafana's data sources over TLS are the plain ones but for the certificates and the scheme."""
    plain = yaml.safe_load((COMPOSE / "grafana/datasources/datasources.yaml").read_text())
    secured = yaml.safe_load((COMPOSE / "tls/grafana/datasources.yaml").read_text())
    for source in secured["datasources"]:
        if source.pop("secureJsonData", None):
            assert source["jsonData"].pop("tlsAuth") is source["jsonData"].pop("tlsAuthWithCACert") is True
            source["url"] = source["url"].replace("https:", "http:")
    assert secured == plain


def promtool(*arguments: str | Path, cwd: Path | None = None) -> str:
    """Run promtool; it must be content."""
    command = ["promtool", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """Both configurations, the rules and the web configuration are what Prometheus reads."""
    subprocess.run([ROOT / "scripts" / "certificates", tmp_path, "prometheus"], check=True, capture_output=True)
    (tmp_path / "admin-password").write_text("secret")
    (tmp_path / "alerts.yml").write_text((COMPOSE / "alerts.yml").read_text())
    for number, path in enumerate((COMPOSE / "prometheus.yml", COMPOSE / "tls" / "prometheus.yml")):
        text = path.read_text().replace("/etc/certificates", str(tmp_path)).replace("/etc/prometheus/", "")
        (tmp_path / f"{number}.yml").write_text(text)
        assert "7 rules found" in promtool("check", "config", tmp_path / f"{number}.yml")
    web = (COMPOSE / "tls" / "prometheus-web.yml").read_text().replace("/etc/certificates", str(tmp_path))
    (tmp_path / "web.yml").write_text(web)
    promtool("check", "web-config", tmp_path / "web.yml")


@needs_promtool
def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """Prometheus' own rule tester: each alert fires on what it is for, and stays silent otherwise."""
    for name in ("alerts.yml", "alerts_test.yml"):
        folder = COMPOSE if name == "alerts.yml" else ROOT / "tests" / "deploy"
        (tmp_path / name).write_text((folder / name).read_text())
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)
    rules = yaml.safe_load((COMPOSE / "alerts.yml").read_text())["groups"][0]["rules"]
    tested = (ROOT / "tests" / "deploy" / "alerts_test.yml").read_text()
    assert {rule["alert"] for rule in rules} == set(re.findall(r"alertname: (\w+)", tested))


def expressions() -> dict[str, str]:
    """Every PromQL expression of dashboards and alerts, by where it stands."""
    found = {}
    for path in sorted((COMPOSE / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for number, target in enumerate(panel.get("targets", [])):
                if panel["datasource"]["uid"] == "prometheus":
                    found[f"{path.stem}: {panel['title']} {number}"] = target["expr"]
    for rule in yaml.safe_load((COMPOSE / "alerts.yml").read_text())["groups"][0]["rules"]:
        found[rule["alert"]] = rule["expr"]
    return found


@needs_promtool
def test_prometheus_parses_every_expression(tmp_path: Path) -> None:
    """Each expression of a dashboard or an alert is PromQL, for Prometheus itself."""
    rules = [{"record": f"test:{n}", "expr": expression} for n, expression in enumerate(expressions().values())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "test", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "rules.yml")


def test_every_metric_that_is_asked_for_exists() -> None:
    """Dashboards and alerts name metrics that the code makes, or that the sample application's SDK does."""
    ours = re.compile("|".join(patterns()) + "|up")
    applications = re.compile(r"http_server_request_duration_seconds")
    unknown = {}
    for place, expression in expressions().items():
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without) \([^)]*\)", " ", expression)
        for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b|\bup\b", bare):
            base = re.sub(r"_(bucket|count|sum)$", "", name)
            if name == "histogram_quantile" or name in PROCESS:
                continue
            if not (ours.fullmatch(base) or ours.fullmatch(name) or applications.fullmatch(base)):
                unknown[place] = name
    assert unknown == {}
