"""A real browser with the OpenTelemetry web SDK: a trace from a page of another origin arrives."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.hostile.serving import HttpService
from tests.http_backend import HttpBackend
from tests.integration.test_other_sdks import BUILD, PEERS, build

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

pytestmark = pytest.mark.skipif(not CHROMIUM or not shutil.which("npm"), reason="needs Chromium and npm")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a page with the SDK, bundled now, on an origin of its own."""
    folder = BUILD / "web"
    shutil.copytree(PEERS / "web", folder, dirs_exist_ok=True)
    build(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    build(["node_modules/.bin/esbuild", "page.js", "--bundle", "--outfile=site/bundle.js", "--charset=utf8"], folder)
    html = '<!doctype html><meta charset="utf-8"><title>waiting</title><script src="bundle.js"></script>'
    (folder / "site" / "index.html").write_text(html)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder / "site")))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://localhost:{server.server_address[1]}/index.html"
    server.shutdown()
    thread.join()
    server.server_close()


def title(page: str, receiver: str, profile: Path) -> str:
    """Open the page in a browser, and give the title that it ends with."""
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={profile}", "--virtual-time-budget=10000", "--dump-dom", f"{page}?receiver={receiver}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.partition("<title>")[2].partition("</title>")[0]


def test_page_of_an_allowed_origin(tmp_path: Path, page: str) -> None:
    """The browser asks first, is allowed to, and sends; the span arrives with its text and numbers."""
    keys = 'cors = { allowed_origins = ["http://localhost:*"], allowed_headers = ["*"] }'
    with HttpBackend() as backend, HttpService(tmp_path, url=backend.url, keys=keys) as service:
        receiver = f"http://127.0.0.1:{service.http_port}/v1/traces"
        assert title(page, receiver, tmp_path / "profile") == "sent"
        backend.wait_until(lambda: len(backend.received) == 1)
        service.terminate()
        (got,) = backend.received
    span = ExportTraceServiceRequest.FromString(got.body).resource_spans[0].scope_spans[0].spans[0]
    assert span.name == "click on „Kaufen“"
    assert [(each.key, each.value.int_value) for each in span.attributes] == [("größe", 7)]


def test_page_of_another_origin(tmp_path: Path, page: str) -> None:
    """A page whose origin is not allowed cannot send: the browser gets no permission."""
    keys = 'cors = { allowed_origins = ["http://shop.example"], allowed_headers = ["*"] }'
    with HttpBackend() as backend, HttpService(tmp_path, url=backend.url, keys=keys) as service:
        receiver = f"http://127.0.0.1:{service.http_port}/v1/traces"
        assert title(page, receiver, tmp_path / "profile") != "sent"
        service.terminate()
        assert backend.received == []
