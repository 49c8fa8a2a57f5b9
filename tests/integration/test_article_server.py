"""The sample application of the stack: what it sends, and what it writes."""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.integration.backend import Backend, spans_of
from tests.integration.conftest import StartService
from tests.integration.service import free_port, poll
from tests.integration.test_other_sdks import BUILD, build

SOURCE = Path(__file__).resolve().parents[2] / "config" / "compose" / "article-server"
pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="no Go")


def asked(url: str) -> bool:
    """Ask for an article; says whether somebody answered. It is not always there: one in twenty cannot be loaded."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return bool(error.read())
    except OSError:
        return False


@pytest.mark.parametrize("with_token", [False, True], ids=["open", "token"])
def test_its_traces_and_its_log_name_the_same_ids(
    start_service: StartService, tmp_path: Path, with_token: bool
) -> None:
    """Spans arrive under its service name; log lines are JSON with their ids and levels in lower case."""
    folder = BUILD / "article-server"
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    build(["go", "build", "-o", "article-server", "."], folder)
    tokens = tmp_path / "tokens"
    tokens.write_text("the-token\n")
    options = {}
    if with_token:
        options["receiver"] = ', auth = "otelcol.auth.bearer.applications"'
        options["exporter"] = f'\n[otelcol.auth.bearer.applications]\nfilename = "{tokens}"'
    with Backend(keep_requests=True) as backend:
        service = start_service(backend=backend.port, **options)
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "OTEL_SERVICE_NAME": "article-server",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{service.otlp_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "LISTEN": f"127.0.0.1:{port}",
            **({"TOKEN_FILE": str(tokens)} if with_token else {}),
        }
        with (tmp_path / "out").open("wb") as out:
            application = subprocess.Popen([folder / "article-server"], env=environment, stdout=out, stderr=out)
        try:
            poll(lambda: asked(f"http://127.0.0.1:{port}/articles/7"), "an article")
            check = [str(folder / "article-server"), "healthcheck"]
            assert subprocess.run(check, env=environment, timeout=30, check=False).returncode == 0
            elsewhere = {**environment, "LISTEN": f"127.0.0.1:{free_port()}"}
            assert subprocess.run(check, env=elsewhere, timeout=30, check=False).returncode == 1
            backend.wait_until(lambda: bool(backend.requests))
        finally:
            application.terminate()
            assert application.wait(30) == 0
        backend.wait_until(lambda: any(span.name == "load article" for r in backend.requests for span in spans_of(r)))
        requests = list(backend.requests)
    names = {a.value.string_value for r in requests for s in r.resource_spans for a in s.resource.attributes}
    assert "article-server" in names
    ids = {span.trace_id.hex() for request in requests for span in spans_of(request)}
    lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert {line["level"] for line in lines} <= {"info", "error"}
    assert any(line.get("trace_id") in ids and len(line["span_id"]) == 16 for line in lines)
