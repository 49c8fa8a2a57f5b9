"""Containers of a real dockerd, the shipped configuration, a strict Loki: each line once, in order, with its labels."""

import json
from pathlib import Path

from alloytrio.wire.docker import readable, truncate
from tests.integration.containers import Container, LogDockerd, needs_containers
from tests.integration.log_service import LogService
from tests.integration.loki_server import LokiServer

pytestmark = needs_containers

MIB = 1 << 20
LIMIT = 256 * 1024
ALL_BYTES = "".join(f"\\{byte:03o}" for byte in range(256) if byte not in b"\n\r")

# Both streams in turn: even numbers to stdout, odd ones to stderr.
PLAIN = 'for n in $(seq 0 199); do if [ $((n % 2)) = 0 ]; then echo "plain $n"; else echo "plain $n" >&2; fi; done'
JSON = """for n in $(seq 0 199); do
  level=Info; if [ $((n % 3)) = 0 ]; then level=ERROR; fi
  printf '{"n":%d,"level":"%s","trace_id":"t%d","msg":"json"}\\n' $n $level $((n % 5))
done"""
MIXED = """for n in $(seq 0 99); do echo "plain $n"; printf '{"n":%d,"level":"WARN"}\\n' $n; done"""
LONG = f"""for n in 0 1 2; do
  printf "long $n "; head -c {MIB} /dev/zero | tr '\\0' "$n"; echo
  printf "fits $n "; head -c 200000 /dev/zero | tr '\\0' "$n"; echo
done"""
BINARY = f"for n in 0 1 2; do printf 'binary %s {ALL_BYTES}\\n' $n; done"
TTY_LONG = 'for n in $(seq 0 9); do printf "tty $n "; head -c 40000 /dev/zero | tr "\\0" x; echo; done'
AT_THE_BORDER = """for n in 16383 16384 16385 32768; do head -c $n /dev/zero | tr '\\0' b; echo " $n"; echo; done"""


def delivered(loki: LokiServer, name: str) -> list[tuple[dict[str, str], list[str]]]:
    """Of each stream of a container: its labels, and its lines in the order in which they came."""
    streams = [each for each in loki.loki.streams.values() if each.labels.get("container") == name]
    return [(each.labels, [row[1] for row in each.rows]) for each in streams]


def expected(line: str) -> str:
    """A line as it must arrive."""
    raw = line.encode()
    if len(raw) > LIMIT:
        return truncate(raw, LIMIT, len(raw)).decode()
    return readable(raw).decode()


def wait_for(loki: LokiServer, *containers: Container) -> None:
    """Wait until Loki has as many lines of each container as Docker has."""
    for container in containers:
        lines = [line for name in ("stdout", "stderr") for line in container.written(name) if line.removesuffix("\r")]
        loki.wait_for(len(lines), container=container.name)


def assert_complete(loki: LokiServer, container: Container, *, tty: bool = False) -> None:
    """Every line that Docker has of a container came once; each stream in order; empty lines are left out."""
    both = {name: [expected(line) for line in container.written(name)] for name in ("stdout", "stderr")}
    if tty:
        both["stdout"] = [line.removesuffix("\r") for line in both["stdout"]]
    both = {name: [line for line in lines if line] for name, lines in both.items()}
    streams = delivered(loki, container.name)
    came = sorted(line for _, lines in streams for line in lines)
    assert came == sorted(both["stdout"] + both["stderr"])
    for _, lines in streams:
        for written in both.values():
            known, rest = set(written), iter(written)
            mine = [line for line in lines if line in known]
            assert all(any(line == each for each in rest) for line in mine), f"{container.name}: not in order"


def test_twenty_containers(containers: LogDockerd, loki: LokiServer, tmp_path: Path) -> None:
    """JSON and plain lines, terminals, moments of life, long and binary lines: each once, in order, with its labels."""
    with LogService(tmp_path, containers, loki) as service:
        kinds = {"plain": PLAIN, "json": JSON, "mixed": MIXED, "long": LONG, "binary": BINARY, "border": AT_THE_BORDER}
        made = {name: containers.launch(name, script, service=f"svc-{name}") for name, script in kinds.items()}
        ttys = {"tty-plain": PLAIN, "tty-json": JSON, "tty-long": TTY_LONG}
        made |= {name: containers.launch(name, script, tty=True) for name, script in ttys.items()}
        for n in range(9):
            script = f"echo short {n}; echo last {n} >&2; sleep 0.2; printf 'no newline {n}'"
            made[f"short-{n}"] = containers.launch(f"short-{n}", script, service="short")
        for name in ("alloy", "alloytrio"):
            made[name] = containers.launch(name, PLAIN, service=name)
        assert len(made) == 20
        for container in made.values():
            container.wait()
        wait_for(loki, *[container for name, container in made.items() if not name.startswith("alloy")])
        service.terminate()
        assert service.log.count('"level": "error"') == 0
    for name, container in made.items():
        if name in ("alloy", "alloytrio"):
            assert delivered(loki, name) == []
        else:
            assert_complete(loki, container, tty=name in ttys)
    check_labels(loki)
    assert loki.loki.problems == []
    assert loki.loki.duplicates == 0


def check_labels(loki: LokiServer) -> None:
    """The labels that the shipped configuration gives."""
    assert {frozenset(labels.items()) for labels, _ in delivered(loki, "plain")} == {
        frozenset({"container": "plain", "service": "svc-plain"}.items())
    }
    for labels, lines in delivered(loki, "json"):
        assert labels["level"] in ("error", "info")
        for line in lines:
            record = json.loads(line)
            assert labels == {
                "container": "json", "service": "svc-json",
                "level": record["level"].lower(), "trace_id": record["trace_id"],
            }  # fmt: skip
    assert [labels.get("level") for labels, _ in delivered(loki, "tty-json")].count(None) == 0
    assert all(labels["service"] == "short" for n in range(9) for labels, _ in delivered(loki, f"short-{n}"))
