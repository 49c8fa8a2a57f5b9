"""dockerd, containers, Loki and the service itself go away and come back: no line is lost, and none is there twice."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.containers import Container, LogDockerd, needs_containers
from tests.integration.log_service import LogService
from tests.integration.loki_server import LokiServer
from tests.integration.service import poll
from tests.loki.fake import Answer

pytestmark = needs_containers

# Each run of a container writes lines that no other run writes.
COUNTING = """trap exit TERM; run=$(cat /runs 2>/dev/null | wc -c); printf x >> /runs; n=0
while true; do echo "run $run line $n"; n=$((n + 1)); usleep 10000; done"""


@pytest.fixture
def service(tmp_path: Path, containers: LogDockerd, loki: LokiServer) -> Iterator[LogService]:
    """The service, running."""
    with LogService(tmp_path, containers, loki) as running:
        yield running


def assert_all_there(loki: LokiServer, *containers: Container) -> None:
    """Wait for all that the containers, which have ended, wrote: each line once, and sent once but for kills."""
    for container in containers:
        written = container.written()
        assert written
        loki.wait_for(len(written), container=container.name)
        assert loki.lines(container=container.name) == written
    assert loki.loki.problems == []
    assert loki.in_flight.wrong == []


def test_containers_stop_and_start(containers: LogDockerd, loki: LokiServer, service: LogService) -> None:
    """A container that is stopped and started goes on in its log; so does one that was renamed, under its new name."""
    container = containers.launch("again", COUNTING)
    loki.wait_for(20, container="again")
    for _ in range(3):
        container.kill()
        container.start()
        before = loki.count(container="again")
        loki.wait_for(before + 20, container="again")
    container.kill()
    assert_all_there(loki, container)


def restart_twice(containers: LogDockerd, loki: LokiServer, end: Callable[[], None]) -> tuple[Container, Container]:
    """End dockerd and start it again, twice, while two containers write; the first one is started again with it.

    Args:
        end: ends the daemon.
    """
    lasting = containers.launch("lasting", COUNTING, restart="always")
    ending = containers.launch("ending", COUNTING)
    loki.wait_for(50, container="lasting")
    for _ in range(2):
        end()
        containers.start()
        poll(lambda: lasting.is_running, "the container to be started again", 60.0)
        before = loki.count(container="lasting")
        loki.wait_for(before + 50, container="lasting")
    lasting.kill()
    return lasting, ending


def test_dockerd_restarts(containers: LogDockerd, loki: LokiServer, service: LogService) -> None:
    """After a restart of dockerd, containers that it starts again go on; those that it ended are complete."""
    lasting, ending = restart_twice(containers, loki, containers.stop)
    assert not ending.is_running
    assert_all_there(loki, lasting, ending)


def test_dockerd_is_killed(loki: LokiServer, tmp_path: Path) -> None:
    """After kill -9 of dockerd, whose containers go on meanwhile, all that its logs hold arrives, once."""
    with LogDockerd(own_containerd=True) as containers, LogService(tmp_path, containers, loki):
        lasting, ending = restart_twice(containers, loki, containers.kill)
        if ending.is_running:
            ending.kill()
        assert_all_there(loki, lasting, ending)


def test_containers_end_while_nobody_reads(containers: LogDockerd, loki: LokiServer, service: LogService) -> None:
    """What was written while the service was down is read, of known containers and of new ones that ended as well."""
    known = containers.launch("known", COUNTING)
    loki.wait_for(20, container="known")
    service.kill()
    fresh = containers.launch("fresh", "seq 1 1000")
    fresh.wait()
    known.kill()
    service.start()
    assert_all_there(loki, known, fresh)
    service.terminate()
    service.start()
    known.start()
    loki.wait_for(len(known.written()) + 5, container="known")
    known.kill()
    assert_all_there(loki, known, fresh)


def test_loki_is_away(containers: LogDockerd, loki: LokiServer, service: LogService) -> None:
    """While Loki is away lines are kept, over a kill and a stop of the service too; a container may end meanwhile."""
    lasting = containers.launch("lasting", COUNTING)
    loki.wait_for(20, container="lasting")
    loki.down()
    ending = containers.launch("ending", "seq 1 1000; sleep 0.2; echo last")
    ending.wait()
    poll(lambda: service.metric("loki_source_docker_target_entries_total") > 1200, "lines to be read")
    service.kill()
    service.start()
    time.sleep(1.0)  # lines are read and sent in vain
    service.terminate()
    service.start()
    lasting.kill()
    loki.up()
    assert_all_there(loki, lasting, ending)


def test_loki_refuses(containers: LogDockerd, loki: LokiServer, service: LogService) -> None:
    """429 and 503 for whole requests, then 400 and 429 for some: what Loki can take is there once, no line is lost."""
    loki.loki.faults = [Answer(429, "Ingestion rate limit exceeded", {"Retry-After": "1"}), Answer(503), Answer(500)]
    plain = containers.launch("plain", COUNTING)
    loki.wait_for(200, container="plain")
    assert loki.loki.faults == []
    assert loki.loki.duplicates == 0
    loki.loki.max_line_bytes = 1000
    long = containers.launch("long", """for n in $(seq 1 20); do echo "line $n"; printf "%02000d\\n" $n; done""")
    loki.wait_for(20, container="long")
    plain.kill()
    assert_all_there(loki, plain)
    assert loki.lines(container="long") == [line for line in long.written() if len(line) < 1000]
    assert service.metric("loki_write_dropped_entries_total") == 20


def test_loki_has_too_many_streams(containers: LogDockerd, loki: LokiServer, service: LogService) -> None:
    """While Loki refuses new streams, those that it has flow on; the others wait, over a kill too, and arrive."""
    plain = containers.launch("plain", COUNTING)
    loki.wait_for(20, container="plain")
    loki.loki.stream_limit = 10
    tracing = containers.launch("tracing", """for n in $(seq 1 50); do printf '{"trace_id":"%d"}\\n' $n; done""")
    tracing.wait()
    loki.wait_for(9, container="tracing")
    before = loki.count(container="plain")
    loki.wait_for(before + 300, container="plain")
    service.kill()
    service.start()
    loki.wait_for(before + 600, container="plain")
    assert loki.count(container="tracing") == 9
    loki.loki.stream_limit = 5000
    loki.wait_for(50, container="tracing")
    plain.kill()
    loki.wait_for(len(plain.written()), container="plain")
    assert loki.lines(container="plain") == plain.written()
    assert loki.lines(container="tracing") == tracing.written()
    assert loki.loki.problems == []
