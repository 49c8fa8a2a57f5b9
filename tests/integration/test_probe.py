"""``alloytrio validate --probe`` against real backends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.backend import Backend
from tests.integration.prometheus_server import PrometheusServer, needs_prometheus
from tests.integration.service import PACKAGE_ROOT

CONFIG = """
[storage]
path = "{folder}/data"
[otelcol.exporter.otlp.tempo]
client = {{ endpoint = "127.0.0.1:{tempo}", tls = {{ insecure = true }} }}
[[prometheus.remote_write.default.endpoint]]
url = "{prometheus}"
"""


def probed(path: Path) -> tuple[int, list[dict[str, object]]]:
    """The exit code and what failed."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "alloytrio", "validate", "--probe", "--format", "json", str(path)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@needs_prometheus
@pytest.mark.parametrize("takes", [True, False])
def test_prometheus(tmp_path: Path, backend: Backend, takes: bool) -> None:
    """A Prometheus without its receiver is found, with the flag that it lacks; with it all is well."""
    with PrometheusServer(tmp_path / "prometheus", remote_write=takes) as prometheus:
        path = tmp_path / "c.toml"
        path.write_text(CONFIG.format(folder=tmp_path, tempo=backend.port, prometheus=prometheus.url))
        code, failed = probed(path)
    assert code == (0 if takes else 1)
    assert [each["path"] for each in failed] == ([] if takes else ["prometheus.remote_write.default.endpoint[0].url"])
    assert takes or "--web.enable-remote-write-receiver" in str(failed[0]["message"])
