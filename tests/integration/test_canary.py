"""Secrets planted wherever one fits are found nowhere: not in logs, errors, the page, the API or metrics."""

import http.client
import io
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.hostile.serving import one_span
from tests.http_backend import Answer, HttpBackend
from tests.integration.service import PACKAGE_ROOT, Service, free_port

CANARY = "CaNaRy"
SECRETS = {
    name: f"{CANARY}-{name}"
    for name in ("grpc-header", "http-header", "password", "client-password", "token", "page-password", "page-token")
}
CONFIG = """
[admin]
listen_addr = "127.0.0.1:{admin}"
basic_auth = {{ username = "admin", password = "{s[page-password]}" }}
bearer_token = "{s[page-token]}"

[storage]
path = "{storage}"

[logging]
level = "debug"

[otelcol.auth.basic.user]
username = "shop"
password = "{s[password]}"
client_auth = {{ username = "shop", password = "{s[client-password]}" }}

[otelcol.auth.bearer.token]
token = "{s[token]}"

[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:{otlp}", auth = "otelcol.auth.basic.user" }}
http = {{ endpoint = "127.0.0.1:{http}", auth = "otelcol.auth.bearer.token" }}
output = {{ traces = ["otelcol.exporter.otlp.grpc", "otelcol.exporter.otlphttp.http"] }}

[otelcol.exporter.otlp.grpc.client]
endpoint = "127.0.0.1:1"
headers = {{ "x-key" = "{s[grpc-header]}" }}
auth = "otelcol.auth.bearer.token"
tls = {{ insecure = true }}

[otelcol.exporter.otlphttp.http]
client = {{ endpoint = "{url}", headers = {{ "x-key" = "{s[http-header]}" }}, auth = "otelcol.auth.basic.user" }}
retry_on_failure = {{ initial_interval = "50ms", max_interval = "100ms", max_elapsed_time = "0s" }}
"""


class SecretService(Service):
    """Args: ``url``: of the HTTP backend."""

    def __init__(self, directory: Path, *, url: str) -> None:
        self.http_port = free_port()
        self._url = url
        super().__init__(directory, backend=1)

    def configure(self, **changed: object) -> None:
        """Write the configuration file."""
        self.config.write_text(self.text)

    @property
    def text(self) -> str:
        """The configuration."""
        places = {"admin": self.admin_port, "otlp": self.otlp_port, "http": self.http_port, "storage": self.storage}
        return CONFIG.format(**places, url=self._url, s=SECRETS)

    def ask(self, port: int, method: str, path: str, token: str, body: bytes = b"") -> tuple[int, str]:
        """A request with a token."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/x-protobuf"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def bundle(self) -> list[str]:
        """The texts in the support bundle."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin_port}/-/support",
            headers={"authorization": f"Bearer {SECRETS['page-token']}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer, ZipFile(io.BytesIO(answer.read())) as archive:
            return [archive.read(name).decode(errors="replace") for name in archive.namelist()]


def test_no_secret_shows(tmp_path: Path) -> None:
    """With failing and refusing backends, wrong credentials and reloads that fail, no secret shows anywhere."""
    answers = [Answer(503, b"not now"), Answer(401, b"who are you"), Answer(400, b"bad")]
    with HttpBackend(*answers) as backend, SecretService(tmp_path, url=backend.url) as service:
        shown = []
        assert service.ask(service.http_port, "POST", "/v1/traces", SECRETS["token"], one_span())[0] == 200
        shown.append(service.ask(service.http_port, "POST", "/v1/traces", f"{CANARY}-wrong", one_span())[1])
        shown.append(service.ask(service.admin_port, "GET", "/metrics", f"{CANARY}-wrong")[1])
        backend.wait_until(lambda: len(backend.received) >= 2)
        assert backend.received[0].headers["x-key"] == SECRETS["http-header"]
        for broken in ("timeout = 5\n", "tls = { insecure = 7 }\n"):
            service.config.write_text(service.text + broken)
            status, body = service.ask(service.admin_port, "POST", "/-/reload", SECRETS["page-token"])
            assert status == 400
            shown.append(body)
        pages = ["/metrics", "/-/healthy", "/", "/api/v1/components", "/api/v1/edges", "/api/v1/logs", "/-/ready"]
        ids = json.loads(service.ask(service.admin_port, "GET", "/api/v1/components", SECRETS["page-token"])[1])
        entries = ids["components"] if isinstance(ids, dict) else ids
        pages += [f"/api/v1/components/{each['id']}" for each in entries]
        pages += [f"/component/{each['id']}" for each in entries] + [f"/components/{each['id']}" for each in entries]
        shown += [service.ask(service.admin_port, "GET", page, SECRETS["page-token"])[1] for page in pages]
        shown += service.bundle()
        service.terminate()
        shown.append(service.log)
    assert sum(len(text) for text in shown) > 10_000, "nothing was looked at"
    assert [text[max(0, text.find(CANARY) - 200) :][:400] for text in shown if CANARY in text] == []


@pytest.mark.parametrize(
    "broken",
    ["[admin]\nbasic_auth = {{ username = 7, password = '{s}', extra = 1 }}", "[admin]\nbearer_token = ['{s}']",
     "[admin]\nbearer_tokn = '{s}'", '[otelcol.auth.bearer.x]\ntoken = "{s}\\r\\nx"', "[admin]\nbearer_token = '{s}",
     "[otelcol.exporter.otlphttp.x]\nclient = {{ endpoint = 'http://user:{s}@host' }}",
     "[otelcol.exporter.otlphttp.x]\nclient = {{ endpoint = 'http://h', headers = {{ a = \"{s}\\u0000\" }} }}"],
)  # fmt: skip
def test_no_secret_in_a_refusal(tmp_path: Path, broken: str) -> None:
    """A configuration with a mistake beside a secret is refused in words that do not hold the secret."""
    path = tmp_path / "c.toml"
    path.write_text(broken.format(s=CANARY))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "alloytrio", "run", str(path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr
    assert CANARY not in done.stdout + done.stderr
