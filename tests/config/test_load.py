"""Whole configurations: what is loaded, and exactly what is said about wrong ones."""

from pathlib import Path

import pytest

from alloytrio.config.load import is_in_container, load
from alloytrio.config.problems import InvalidConfigError
from tests.config.samples import CANARY, SAMPLES, problems, read

PIPELINE = """
[otelcol.receiver.otlp.default]
output = { traces = ["otelcol.processor.batch.default"] }

[otelcol.processor.batch.default]
timeout = "5s"
output.traces = ["otelcol.exporter.otlp.tempo"]

[otelcol.exporter.otlp.tempo]
client = { endpoint = "tempo:4317", tls = { insecure = true } }
"""


def test_a_pipeline() -> None:
    """Components are in file order, typed, with their defaults."""
    settings = read(PIPELINE).settings
    assert list(settings.components) == [
        "otelcol.receiver.otlp.default",
        "otelcol.processor.batch.default",
        "otelcol.exporter.otlp.tempo",
    ]
    batch = settings.components["otelcol.processor.batch.default"].model_dump()
    assert (batch["timeout"], batch["send_batch_max_size"]) == ("5s", 3000)


def test_file_order_across_namespaces() -> None:
    """The order is that of the headers, not that of the namespaces."""
    text = "[loki.write.b]\n[recorder.memory.x]\n[loki.write.a]\n"
    assert list(read(text).settings.components) == ["loki.write.b", "recorder.memory.x", "loki.write.a"]


def test_defaults() -> None:
    """An empty file is a service with nothing to do and documented defaults."""
    settings = read("").settings
    assert settings.components == {}
    assert settings.service.shutdown_grace == 6.0
    assert settings.admin.listen_addr == "127.0.0.1:12345"
    assert (settings.storage.mode, str(settings.storage.path)) == ("disk", "data-alloytrio")
    assert settings.storage.max_size == 1024**3
    assert (settings.logging.level, settings.logging.format) == ("info", "logfmt")
    assert settings.logging.log_settings().ring_lines == 1000


def test_container_defaults() -> None:
    """In a container the page listens on all interfaces, unless the file says otherwise."""
    assert read("", in_container=True).settings.admin.listen_addr == "0.0.0.0:12345"
    text = '[admin]\nlisten_addr = "127.0.0.1:1"'
    assert read(text, in_container=True).settings.admin.listen_addr == "127.0.0.1:1"
    assert str(read("", in_container=True).settings.provenance("admin.listen_addr")) == "default"


def test_a_file(tmp_path: Path) -> None:
    """A file is read, and known by its name."""
    path = tmp_path / "a.toml"
    path.write_text(PIPELINE)
    loaded = load(path, {}, components=SAMPLES)
    assert loaded.path == path
    assert loaded.source_text == PIPELINE
    assert len(loaded.edges) == 2


def test_container_by_variable() -> None:
    """A pod is known by its variables."""
    assert is_in_container({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "shutdown = 1",
            "c.toml:1:1: shutdown: unknown key (allowed: service, admin, storage, logging, discovery, loki, otelcol, "
            "recorder)",
        ),
        (
            "[adnim]",
            'c.toml:1:2: adnim: unknown table (did you mean "admin"? allowed: service, admin, storage, logging, '
            "discovery, loki, otelcol, recorder)",
        ),
        (
            "[admin]\nlisten_adr = 1",
            'c.toml:2:1: admin.listen_adr: unknown key (did you mean "listen_addr"? '
            "allowed: listen_addr, allowed_hosts, ui_path_prefix, "
            "basic_auth, bearer_token, tls)",
        ),
        (
            f'[admin]\nlisten_addr = "{CANARY}"',
            'c.toml:2:1: admin.listen_addr: not an address: write host:port, such as "127.0.0.1:4317"',
        ),
        (
            f'[admin]\nui_path_prefix = "{CANARY}"',
            'c.toml:2:1: admin.ui_path_prefix: not a path: write it with a leading slash, such as "/alloytrio"',
        ),
        ("admin = 1", "c.toml:1:1: admin: must be a table"),
        (f'[storage]\nmode = "{CANARY}"', 'c.toml:2:1: storage.mode: must be one of "disk", "memory"'),
        ('[storage]\nmax_size = "1B"', "c.toml:2:1: storage.max_size: must be at least 1MiB"),
        ("[storage]\nmax_size = true", 'c.toml:2:1: storage.max_size: must be a size, such as "4MiB"'),
        ("[storage]\nfsync_interval = true", 'c.toml:2:1: storage.fsync_interval: must be a duration, such as "5s"'),
        ("[storage]\nfsync_interval = []", 'c.toml:2:1: storage.fsync_interval: must be a duration, such as "5s"'),
        (
            "[storage]\nfsync_interval = 5",
            'c.toml:2:1: storage.fsync_interval: a duration needs a unit, such as "5s"',
        ),
        ('[storage]\nfsync_interval = "0s"', "c.toml:2:1: storage.fsync_interval: must be greater than 0s"),
        ("[logging]\nrecent_lines = 1.5", "c.toml:2:1: logging.recent_lines: must be a whole number"),
        ("[logging]\nrecent_lines = 100001", "c.toml:2:1: logging.recent_lines: must be at most 100000"),
        (f'[logging]\nrecent_lines = "{CANARY}"', "c.toml:2:1: logging.recent_lines: must be a whole number"),
        ('[logging]\nrecent_lines = "5"', "c.toml:2:1: logging.recent_lines: must be a whole number"),
        ("[storage]\npath = 1979-05-27", "c.toml:2:1: storage.path: must be a text"),
        (
            "[otelcol.reciever.otlp.default]",
            'c.toml:1:10: otelcol.reciever: unknown component type (did you mean "otelcol.receiver"? component types: '
            "discovery.docker, discovery.relabel, loki.process, loki.source.docker, loki.write, "
            "otelcol.exporter.otlp, otelcol.processor.batch, otelcol.receiver.otlp, recorder.memory)",
        ),
        (
            "[loki.wirte.default]",
            'c.toml:1:7: loki.wirte: unknown component type (did you mean "loki.write"? component types: '
            "discovery.docker, discovery.relabel, loki.process, loki.source.docker, loki.write, "
            "otelcol.exporter.otlp, otelcol.processor.batch, otelcol.receiver.otlp, recorder.memory)",
        ),
        (
            "loki = 5",
            "c.toml:1:1: loki: must be a table (component types: loki.process, loki.source.docker, loki.write)",
        ),
        (
            f'[loki.write]\nexternal_labels = {{ a = "{CANARY}" }}',
            "c.toml:2:1: loki.write.external_labels: loki.write needs a label (write [loki.write.default] above it)",
        ),
        (
            f'[recorder]\nmemory = "{CANARY}"',
            "c.toml:2:1: recorder.memory: needs a label (write [recorder.memory.default])",
        ),
        ("[[loki.write]]", "c.toml:1:8: loki.write: needs a label (write [loki.write.default])"),
        (
            "[loki.write]\nx = 5",
            "c.toml:2:1: loki.write.x: must be a table (a component is written [loki.write.x])",
        ),
        (
            "[loki.write.Default]",
            'c.toml:1:13: loki.write.Default: not a label (a label is lower-case letters, digits and single "_", '
            "and starts with a letter)",
        ),
        (
            "[loki.write.a__b]",
            'c.toml:1:13: loki.write.a__b: not a label (a label is lower-case letters, digits and single "_", '
            "and starts with a letter)",
        ),
        (
            "[loki.write.a]\n[loki.write.A]",
            'c.toml:2:13: loki.write.A: the label differs from "a" in line 1 only by case (a label is lower-case '
            'letters, digits and single "_", and starts with a letter)',
        ),
        (
            "[loki.write.a]\n[loki.write.a]",
            "c.toml:2:13: loki.write.a: table defined twice; the first is in line 1 "
            "(each component needs a label of its own)",
        ),
        (
            "[otelcol.exporter.otlp.t]",
            "c.toml:1:24: otelcol.exporter.otlp.t.client: is required, but missing",
        ),
        (
            f"[otelcol.exporter.otlp.t]\nclient.headers = {{ a = '{CANARY}' }}",
            "c.toml:2:1: otelcol.exporter.otlp.t.client.endpoint: is required, but missing",
        ),
        (
            f"[otelcol.exporter.otlp.t]\nclient = {{ endpoint = 'x', compresion = '{CANARY}' }}",
            'c.toml:2:28: otelcol.exporter.otlp.t.client.compresion: unknown key (did you mean "compression"? '
            "allowed: endpoint, compression, headers, tls)",
        ),
        (
            "[otelcol.exporter.otlp.t]\nclient = { endpoint = 'x', tls = { insecure = 1 } }",
            "c.toml:2:36: otelcol.exporter.otlp.t.client.tls.insecure: must be true or false",
        ),
        (
            f"[otelcol.exporter.otlp.t]\nclient = ['{CANARY}']",
            "c.toml:2:1: otelcol.exporter.otlp.t.client: must be a table",
        ),
        (
            "[otelcol.processor.batch.b]\nsend_batch_size = 5000\noutput = {}",
            "c.toml:1:26: otelcol.processor.batch.b: send_batch_max_size must be 0 or at least send_batch_size",
        ),
        (
            f'[loki.write.w.endpoint]\nurl = "{CANARY}"',
            "c.toml:1:15: loki.write.w.endpoint: must be a list "
            "(a list of tables is written with double brackets, [[…]])",
        ),
        (
            f'[[loki.process.p.stage]]\ntype = "{CANARY}"',
            'c.toml:2:1: loki.process.p.stage[0].type: must be one of "json", "drop"',
        ),
        ("[[loki.process.p.stage]]", "c.toml:1:18: loki.process.p.stage[0].type: is required, but missing"),
        (
            '[[loki.process.p.stage]]\ntype = "json"\n[[loki.process.p.stage]]\ntype = "drop"\nlonger_then = 5',
            'c.toml:5:1: loki.process.p.stage[1].longer_then: unknown key (did you mean "longer_than"? '
            "allowed: type, expressions, longer_than)",
        ),
        (
            "[discovery.relabel.r]\ntargets = 5",
            "c.toml:2:1: discovery.relabel.r.targets: must be a text or a list",
        ),
    ],
)
def test_problems(text: str, expected: str) -> None:
    """Each mistake gives one message: place, path, what is wrong, what is allowed, and never a value."""
    assert problems(text) == [expected]


def test_all_problems_at_once() -> None:
    """Problems of every kind are found in one go, in the order of the file, variables last."""
    text = """
[admin]
listen = 1
[otelcol.receiver.otlp.default]
output.traces = ["otelcol.processor.batch.defualt"]
[otelcol.exporter.otlp.tempo]
timeout = "${env:NOPE}"
[otelcol.exporter.otpl.x]
[loki.process.p]
forward_to = ["loki.process.p"]
"""
    found = problems(text, {"ALLOYTRIO_ADMIN__LISTEN": CANARY})
    assert [line.split(" (")[0] for line in found] == [
        "c.toml:3:1: admin.listen: unknown key",
        "c.toml:5:18: otelcol.receiver.otlp.default.output.traces[0]: names no component of this file",
        "c.toml:6:24: otelcol.exporter.otlp.tempo.client: is required, but missing",
        "c.toml:7:1: otelcol.exporter.otlp.tempo.timeout: environment variable NOPE is not set",
        "c.toml:8:19: otelcol.exporter.otpl: unknown component type",
        "c.toml:10:15: loki.process.p.forward_to[0]: cycle: loki.process.p → loki.process.p",
        "environment variable ALLOYTRIO_ADMIN__LISTEN: matches no setting",
    ]


def test_problems_as_data() -> None:
    """The error carries its problems in parts, and the source for excerpts."""
    with pytest.raises(InvalidConfigError) as caught:
        read("[admin]\nlisten_adr = 1")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column, problem.path) == ("c.toml", 2, 1, "admin.listen_adr")
    assert problem.message == "unknown key"
    assert caught.value.source == "[admin]\nlisten_adr = 1"


def test_fingerprints() -> None:
    """A component's fingerprint changes with any of its values, also a secret, and with nothing else."""
    head = "[otelcol.exporter.otlp.tempo]\n"
    first = read(f"{head}client = {{ endpoint = 'x', headers = {{ a = 'b' }} }}\n[recorder.memory.m]")
    same = read(f"# comment\n{head}client.endpoint = '${{env:X}}'\nclient.headers.a = 'b'\n", {"X": "x"})
    other = read(f"{head}client = {{ endpoint = 'x', headers = {{ a = 'c' }} }}")
    tempo = "otelcol.exporter.otlp.tempo"
    assert first.fingerprint(tempo) == same.fingerprint(tempo)
    assert first.fingerprint(tempo) != other.fingerprint(tempo)
    assert first.fingerprint(tempo) != first.fingerprint("recorder.memory.m")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("external_labels = { a = 'b' }", "external_labels = { a = 'b', c = '' }"),
        ("external_labels = { ab = 'c' }", "external_labels = { a = 'bc' }"),
        ("endpoint = [{ url = 'a' }]", "endpoint = [{ url = 'a' }, { url = 'a' }]"),
        ("endpoint = [{ url = 'a' }]", "endpoint = [{ url = 'a', password = '' }]"),
    ],
)
def test_fingerprints_differ(one: str, two: str) -> None:
    """Values that look alike when laid end to end still differ."""
    fingerprints = [read(f"[loki.write.w]\n{text}").fingerprint("loki.write.w") for text in (one, two)]
    assert fingerprints[0] != fingerprints[1]
