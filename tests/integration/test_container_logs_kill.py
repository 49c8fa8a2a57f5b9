"""kill -9 while containers write: no line is lost, and none is sent twice but what was on the way at a kill."""

import random
import time
from pathlib import Path

import pytest

from tests.integration.containers import LogDockerd, needs_containers
from tests.integration.log_service import LogService
from tests.integration.loki_server import LokiServer

pytestmark = needs_containers

ROUNDS = 20
CONTAINERS = 5
# 1 000 lines per second from each container, of 200 bytes, a part of them on stderr.
WRITER = """n=0; pad=$(head -c 150 /dev/zero | tr '\\0' x)
while true; do
  i=0
  while [ $i -lt 50 ]; do
    echo "{\\"n\\":$n,\\"level\\":\\"INFO\\",\\"msg\\":\\"$pad\\"}"; n=$((n + 1)); i=$((i + 1))
    if [ $((n % 10)) = 0 ]; then echo "warning $n" >&2; fi
  done
  usleep 50000
done"""


@pytest.mark.slow
def test_kill_9_while_containers_write(containers: LogDockerd, loki: LokiServer, tmp_path: Path) -> None:
    """Killed 20 times at random moments: each line is there once; only what was in flight at a kill came twice."""
    moments = random.Random(4)
    writers = [containers.launch(f"writer-{n}", WRITER, service="writer") for n in range(CONTAINERS)]
    with LogService(tmp_path, containers, loki) as service:
        for _ in range(ROUNDS):
            time.sleep(moments.uniform(0.0, 1.0))
            service.kill()
            service.start()
        for container in writers:
            container.kill()
        written = {each.name: [each.written("stdout"), each.written("stderr")] for each in writers}
        for name, (out, err) in written.items():
            loki.wait_for(len(out) + len(err), container=name)
        service.terminate()
    lines = sum(len(out) + len(err) for out, err in written.values())
    assert lines > ROUNDS * 2000, "too little load to prove anything"
    for name, (out, err) in written.items():
        assert sorted(loki.lines(container=name)) == sorted(out + err)
        for stream in loki.loki.streams.values():
            if stream.labels["container"] == name:
                assert_in_order([line for _, line, _ in stream.rows], out, err)
    assert loki.loki.problems == []
    assert loki.in_flight.wrong == []


def assert_in_order(came: list[str], out: list[str], err: list[str]) -> None:
    """The lines of each of the container's streams came in the order in which they were written."""
    place = {line: n for n, line in enumerate(out)} | {line: n for n, line in enumerate(err)}
    for written in (set(out), set(err)):
        places = [place[line] for line in came if line in written]
        assert places == sorted(places)
