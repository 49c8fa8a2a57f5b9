"""The service under chaos, between its applications and its backends."""

import contextlib
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.integration.service import Service

CONFIG = """
[admin]
listen_addr = "127.0.0.1:{admin}"

[storage]
path = "{storage}"
max_size = "{max_size}"

[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:{otlp}" }}

[otelcol.receiver.otlp.default.output]
traces = ["otelcol.processor.batch.default"]
metrics = ["otelcol.exporter.prometheus.default"]
logs = ["otelcol.processor.batch.default"]

[otelcol.processor.batch.default]
timeout = "200ms"
send_batch_size = 512
send_batch_max_size = 512
output = {{ traces = ["otelcol.exporter.otlp.tempo"], logs = ["otelcol.exporter.otlphttp.logs"] }}

[otelcol.exporter.otlp.tempo]
client = {{ endpoint = "127.0.0.1:{tempo}", tls = {{ insecure = true }} }}
retry_on_failure = {{ initial_interval = "100ms", max_interval = "500ms", max_elapsed_time = "0s" }}
timeout = "3s"

[otelcol.exporter.otlphttp.logs]
client = {{ endpoint = "http://127.0.0.1:{logs}", timeout = "3s" }}
retry_on_failure = {{ initial_interval = "100ms", max_interval = "500ms", max_elapsed_time = "0s" }}

[otelcol.exporter.prometheus.default]
forward_to = ["prometheus.remote_write.default"]

[[prometheus.remote_write.default.endpoint]]
url = "http://127.0.0.1:{prometheus}/api/v1/write"
remote_timeout = "3s"
metadata_config = {{ send = false }}
queue_config = {{ batch_send_deadline = "200ms", min_backoff = "50ms", max_backoff = "500ms" }}

[discovery.docker.containers]
host = "unix://{docker}"
refresh_interval = "1s"

[loki.source.docker.containers]
host = "unix://{docker}"
targets = "discovery.docker.containers.targets"
forward_to = ["loki.write.loki"]

[[loki.write.loki.endpoint]]
url = "http://127.0.0.1:{loki}/loki/api/v1/push"
batch_wait = "200ms"
remote_timeout = "3s"
min_backoff_period = "50ms"
max_backoff_period = "500ms"
"""
QUEUES = ("alloytrio_outbox_queued_items", "prometheus_remote_storage_samples_pending")


class Chaos(Service):
    """The service, with all signals.

    Args:
        directory: an empty folder.
        storage: the data directory.
        ports: of the backends and, as ``docker``, the path of the daemon's socket.
        max_size: of each outbox.
    """

    def __init__(self, directory: Path, storage: Path, ports: dict[str, int | Path], max_size: str) -> None:
        self._ports = {**ports, "max_size": max_size}
        super().__init__(directory, backend=0, storage=storage)

    def configure(self, **changed: object) -> None:
        """Write the configuration."""
        ports = {"otlp": self.otlp_port, "admin": self.admin_port, "storage": self.storage, **self._ports}
        self.config.write_text(CONFIG.format(**ports))

    def queued(self) -> float:
        """Items that wait in all outboxes."""
        return sum(map(self.metric, QUEUES))

    def stop_for(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def set_aside(self) -> list[tuple[str, bytes]]:
        """What is in the ``rejected/`` folders: the encoding and the plain payload of each file."""
        found = []
        for path in sorted(self.storage.rglob("*.rejected")):
            head, _, payload = path.read_bytes().partition(b"\n")
            found.append((str(json.loads(head)["encoding"]), payload))
        return found


class SmallDisk:
    """A tmpfs that can be filled to its last byte. Needs root.

    Args:
        folder: where it is mounted; made if missing.
        size: in MiB.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)], check=True)
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room."""
        with self._filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(65536)):
                pass

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        """The end of it, with all that it holds."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
