"""Starting, stopping and reloading under load, as an operator sees it."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.integration.backend import Backend, Unavailable
from tests.integration.conftest import StartService
from tests.integration.load import Sender
from tests.integration.service import READY_DEADLINE, STOP_DEADLINE, Service, poll

EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
DISK_BYTES = 8 * 1024 * 1024


def test_ready_soon(start_service: StartService) -> None:
    """It is ready within a second of its start (with the allowance for a shared machine)."""
    service = start_service()
    service.kill()
    assert service.start() < READY_DEADLINE


def test_sigterm_under_load(start_service: StartService, backend: Backend) -> None:
    """SIGTERM under load with a dead backend ends it in time; what was acknowledged is on disk and arrives later."""
    backend.fault = Unavailable()
    service = start_service()
    with Sender(service.otlp_port) as sender:
        sender.wait_for_acknowledged(5_000)
        assert service.terminate() < STOP_DEADLINE
        sender.stop()
    last_lines = service.log.strip().splitlines()[-5:]
    assert any("undelivered" in line or "left" in line for line in last_lines), last_lines
    backend.fault = None
    service.start()
    backend.wait_for(sender.acknowledged)
    assert backend.duplicates == 0


def test_sigterm_delivers_what_it_can(start_service: StartService, backend: Backend) -> None:
    """SIGTERM with a working backend sends what still waits for its batch, so that nothing is left."""
    service = start_service(timeout="1h", size=100_000, max_size=0)
    with Sender(service.otlp_port) as sender:
        sender.wait_for_acknowledged(2_000)
        assert service.terminate() < STOP_DEADLINE
        sender.stop()
    backend.wait_for(sender.acknowledged, 1.0)


def test_sigint_ends_it_too(start_service: StartService) -> None:
    """Ctrl-C is a normal end: exit code 0."""
    service = start_service()
    service.process.send_signal(signal.SIGINT)
    assert service.wait(STOP_DEADLINE) == 0


def test_sigterm_with_a_stalled_page_client(start_service: StartService) -> None:
    """A client of the admin port that stopped reading does not delay the end."""
    service = start_service()
    stalled = []
    for request in (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2000, b"GET /-/ready HTTP/1.1\r\nHo", b""):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(1)
        client.connect(("127.0.0.1", service.admin_port))
        client.setblocking(False)
        client.send(request)
        stalled.append(client)
    assert service.get("/-/ready")[0] == 200
    took = service.terminate()
    for client in stalled:
        client.close()
    assert took < STOP_DEADLINE


def test_reload_under_load_refuses_nothing(start_service: StartService, backend: Backend) -> None:
    """Ten reloads, by POST and by SIGHUP, with changed settings: no request is refused, no span lost or doubled."""
    service = start_service()
    with Sender(service.otlp_port) as sender:
        for turn in range(10):
            sender.wait_for_acknowledged(500)
            service.configure(timeout=f"{100 + turn}ms", size=500 + turn)
            if turn % 2:
                assert service.post("/-/reload")[0] == 200
            else:
                reloads = service.log.count("reload")
                service.process.send_signal(signal.SIGHUP)
                service.wait_for_log("reload", reloads + 1)
        sender.wait_for_acknowledged(500)
        sender.stop()
        assert sender.refusals == []
    backend.wait_for(sender.acknowledged)
    assert backend.duplicates == 0


def test_reload_of_a_bad_configuration_changes_nothing(start_service: StartService, backend: Backend) -> None:
    """A bad configuration is answered with its errors, and the old graph goes on."""
    service = start_service()
    good = service.config.read_text()
    service.config.write_text(good.replace("send_batch_size", "send_batch_sice"))
    status, answer = service.post("/-/reload")
    assert status == 400
    assert "send_batch_sice" in answer
    assert "send_batch_size" in answer  # the nearest valid name
    sender = Sender(service.otlp_port)
    try:
        assert sender.send()
    finally:
        sender.close()
    backend.wait_for(sender.acknowledged)


def test_bad_configuration_starts_nothing(start_service: StartService) -> None:
    """Every problem is named in one go, with file and line; exit code 78 and no port opened."""
    service = start_service()
    service.kill()
    service.config.write_text(service.config.read_text().replace("tempo", "temp0", 1).replace("200ms", "200"))
    service.spawn()
    assert service.wait(30.0) == EXIT_CONFIG
    assert 'did you mean "otelcol.exporter.otlp.tempo"?' in service.log
    assert "temp0" not in service.log  # a value may be a secret
    assert f"{service.config}:" in service.log
    assert "duration" in service.log


def test_a_component_that_cannot_be_built_is_named(start_service: StartService, tmp_path: Path) -> None:
    """What only the start can find out, here a missing file, names the component and the file."""
    service = start_service()
    service.kill()
    missing = tmp_path / "ca.pem"
    service.config.write_text(service.config.read_text().replace("insecure = true", f'ca_file = "{missing}"', 1))
    service.spawn()
    assert service.wait(30.0) == EXIT_CONFIG
    assert f"Error: otelcol.exporter.otlp.tempo: tls: ca_file {missing}: no such file or directory" in service.log


def test_second_process_on_one_data_directory(start_service: StartService, tmp_path: Path) -> None:
    """Two processes never share a data directory: the second ends and names the first."""
    first = start_service()
    (tmp_path / "second").mkdir()
    second = Service(tmp_path / "second", backend=1, storage=first.storage)
    second.spawn()
    assert second.wait(30.0) not in (0, None)
    assert str(first.process.pid) in second.log


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of DISK_BYTES."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk(start_service: StartService, backend: Backend, small_disk: Path) -> None:
    """On a full disk senders are told to retry, nothing accepted is lost, and space makes it work again."""
    backend.fault = Unavailable()
    service = start_service(storage=small_disk / "data")
    sender = Sender(service.otlp_port, spans=1000, attribute_bytes=400)
    try:
        for _ in range(300):
            if not sender.send(timeout=30.0):
                break
        assert sender.refusals, "the disk never became full"
        refusal = sender.refusals[0]
        assert refusal.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
        backend.fault = None
        backend.wait_for(sender.acknowledged)
        poll(lambda: sender.send(timeout=30.0), "room on the disk again")
    finally:
        sender.close()
    backend.wait_for(sender.acknowledged)
    assert backend.duplicates == 0


def test_components_and_metrics(start_service: StartService, backend: Backend) -> None:
    """The admin port tells each component's health, edges and counts, and counts what went through."""
    service = start_service()
    sender = Sender(service.otlp_port)
    try:
        assert sender.send()
    finally:
        sender.close()
    backend.wait_for(sender.acknowledged)
    service.wait_for_health("healthy")
    assert set(service.components()) == {
        "otelcol.receiver.otlp.default",
        "otelcol.processor.batch.default",
        "otelcol.exporter.otlp.tempo",
    }
    assert json.loads(service.get("/api/v1/components")[1])
    assert service.metric("otelcol_receiver_accepted_spans_total") == 100
    assert service.metric("otelcol_exporter_sent_spans_total") == 100


def test_data_of_a_component_that_is_gone(start_service: StartService, backend: Backend) -> None:
    """Undelivered data stays when its exporter is renamed, and is deleted, counted and named at its age limit."""
    backend.fault = Unavailable()
    service = start_service()
    with Sender(service.otlp_port) as sender:
        sender.wait_for_acknowledged(100)
        sender.stop()
    service.terminate()
    service.config.write_text(service.config.read_text().replace("otlp.tempo", "otlp.other"))
    key = "otelcol.exporter.otlp.tempo"

    service.start()
    service.terminate()
    assert "is kept until storage.max_age" in service.log
    assert key in service.log

    long_ago = time.time() - 3 * 24 * 3600
    journals = [file for file in service.storage.rglob("*") if file.is_file() and key in str(file.parent)]
    assert journals
    for file in journals:
        os.utime(file, (long_ago, long_ago))
    service.spawn({"ALLOYTRIO_STORAGE__MAX_AGE": "48h"})
    poll(lambda: "was deleted for its age" in service.log, "the deletion to be reported")
    poll(service.is_ready, "it to be ready")
    assert service.metric("alloytrio_storage_orphans_removed_total") == 1
    assert not [file for file in journals if file.exists()]
