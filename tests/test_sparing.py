"""A process imports what its configuration names, and no more: the rest would be held in memory for nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

TRACES = """
[otelcol.receiver.otlp.default]
grpc = { endpoint = "127.0.0.1:0" }
http = { endpoint = "127.0.0.1:0" }
output = { traces = ["otelcol.exporter.otlp.tempo"] }

[otelcol.exporter.otlp.tempo]
client = { endpoint = "127.0.0.1:1", tls = { insecure = true } }
"""
LOGS = """
[discovery.docker.containers]
host = "unix:///var/run/docker.sock"

[loki.source.docker.containers]
host = "unix:///var/run/docker.sock"
targets = "discovery.docker.containers.targets"
forward_to = ["loki.process.logs"]

[[loki.process.logs.stage]]
json = { expressions = { level = "", user = "user.name" } }

[loki.process.logs]
forward_to = ["loki.write.loki"]

[[loki.write.loki.endpoint]]
url = "http://127.0.0.1:1/loki/api/v1/push"
"""
NEVER = {"alloytrio.config.alloy.parser", "betterproto", "click", "httpx._main", "jmespath", "lz4", "quart", "yaml"}
IMPORTED = """
import sys
from pathlib import Path
from alloytrio.sparing import import_sparingly
import_sparingly()
import alloytrio.run
from alloytrio.config.load import load
load(Path(sys.argv[1]), {})
print(*(name for name, module in sys.modules.items() if module is not None))
"""


def imported_for(text: str, folder: Path) -> set[str]:
    """The modules of a process that has loaded a configuration."""
    path = folder / "alloytrio.toml"
    path.write_text(text)
    command = [sys.executable, "-c", IMPORTED, str(path)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        (
            TRACES,
            {"alloytrio.docker", "alloytrio.loki", "alloytrio.prometheus", "alloytrio.relabel", "httpx", "snappy"},
        ),
        (LOGS, {"alloytrio.otelcol", "alloytrio.prometheus", "alloytrio.recorder.memory"}),
    ],
    ids=["traces", "logs"],
)
def test_only_what_is_named(text: str, absent: set[str], tmp_path: Path) -> None:
    """Components that a configuration does not name, and libraries that only they need, are not imported."""
    modules = imported_for(text, tmp_path)
    assert "alloytrio.service" in modules
    assert modules & (NEVER | absent) == set()
