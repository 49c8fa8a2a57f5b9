"""Which variables match which settings, and what happens to those that match none."""

import pytest
from pydantic import BaseModel, SecretStr

from alloytrio.config.settings import Settings
from tests.config.samples import CANARY, problems, read

TEXT = """
[otelcol.exporter.otlp.tempo]
timeout = "5s"
[otelcol.exporter.otlp.tempo.client]
endpoint = "file:4317"
headers = { Authorization = "old", x-scope = "old" }

[otelcol.exporter.otlp.my_tempo_]
client.endpoint = "other:4317"

[loki.write.w]
external_labels = { Env = "dev" }
[[loki.write.w.endpoint]]
url = "http://a"
[[loki.write.w.endpoint]]
url = "http://b"

[loki.process.p]
stage = [{ type = "json", expressions = { a = "b" } }, { type = "drop", longer_than = "1KiB" }]
forward_to = ["loki.write.w"]
"""
TEMPO = "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__"


def value(settings: Settings, component_id: str, *path: str | int) -> object:
    """What a component's config holds at a path, secrets in clear."""
    found: object = settings.components[component_id]
    for key in path:
        if isinstance(found, BaseModel):
            found = getattr(found, str(key))
        elif isinstance(found, dict):
            found = found[key]
        elif isinstance(found, tuple) and isinstance(key, int):
            found = found[key]
    return found.get_secret_value() if isinstance(found, SecretStr) else found


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        (f"{TEMPO}CLIENT__ENDPOINT", "tempo:4317", ("client", "endpoint"), "tempo:4317"),
        (f"{TEMPO}client__Endpoint", "tempo:4317", ("client", "endpoint"), "tempo:4317"),
        (f"{TEMPO.lower()}client__endpoint", "tempo:4317", ("client", "endpoint"), "tempo:4317"),
        (f"{TEMPO}TIMEOUT", "1m", ("timeout",), 60.0),
        (f"{TEMPO}CLIENT__TLS__INSECURE", "true", ("client", "tls", "insecure"), True),
        (f"{TEMPO}CLIENT__TLS", '{"insecure": true}', ("client", "tls", "insecure"), True),
        (f"{TEMPO}CLIENT__TLS__CA_PEM", "{not json}", ("client", "tls", "ca_pem"), "{not json}"),
        (f"{TEMPO}CLIENT__HEADERS", '{"a": "b"}', ("client", "headers", "a"), "b"),
        (f"{TEMPO}CLIENT__HEADERS__AUTHORIZATION", "new", ("client", "headers", "Authorization"), "new"),
        (f"{TEMPO}CLIENT__HEADERS__X-SCOPE", "new", ("client", "headers", "x-scope"), "new"),
        (f"{TEMPO}CLIENT__ENDPOINT", "${env:HOST}", ("client", "endpoint"), "${env:HOST}"),
        (f"{TEMPO}CLIENT__ENDPOINT", "", ("client", "endpoint"), ""),
    ],
)
def test_matches(name: str, text: str, path: tuple[str | int, ...], expected: object) -> None:
    """A variable overrides the file whatever its case; its text is read as the key's type and taken as it is."""
    settings = read(TEXT, {name: text}).settings
    assert value(settings, "otelcol.exporter.otlp.tempo", *path) == expected


@pytest.mark.parametrize(
    ("name", "text", "component_id", "path", "expected"),
    [
        ("LOKI__WRITE__W__ENDPOINT__0__URL", "new", "loki.write.w", ("endpoint", 0, "url"), "new"),
        ("LOKI__WRITE__W__ENDPOINT__1__URL", "new", "loki.write.w", ("endpoint", 0, "url"), "http://a"),
        ("LOKI__WRITE__W__ENDPOINT__1__PASSWORD", "new", "loki.write.w", ("endpoint", 1, "password"), "new"),
        ("LOKI__WRITE__W__ENDPOINT__1__PASSWORD", "new", "loki.write.w", ("endpoint", 1, "url"), "http://b"),
        ("LOKI__WRITE__W__ENDPOINT__2__URL", "new", "loki.write.w", ("endpoint", 2, "url"), "new"),
        ("LOKI__WRITE__W__ENDPOINT__0", '{"url": "new"}', "loki.write.w", ("endpoint", 0, "url"), "new"),
        ("LOKI__WRITE__W__ENDPOINT", '[{"url": "new"}]', "loki.write.w", ("endpoint", 0, "url"), "new"),
        ("LOKI__WRITE__W__EXTERNAL_LABELS__ENV", "prod", "loki.write.w", ("external_labels", "Env"), "prod"),
        ("LOKI__PROCESS__P__STAGE__1__LONGER_THAN", "2KiB", "loki.process.p", ("stage", 1, "longer_than"), 2048),
        ("LOKI__PROCESS__P__STAGE__0__EXPRESSIONS__A", "c", "loki.process.p", ("stage", 0, "expressions", "a"), "c"),
        ("LOKI__PROCESS__P__FORWARD_TO", "[]", "loki.process.p", ("forward_to",), ()),
        (
            "OTELCOL__EXPORTER__OTLP__MY_TEMPO___CLIENT__ENDPOINT",
            "new",
            "otelcol.exporter.otlp.my_tempo_",
            ("client", "endpoint"),
            "new",
        ),
    ],
)
def test_lists_and_maps(name: str, text: str, component_id: str, path: tuple[str | int, ...], expected: object) -> None:
    """List elements go by index, map keys by name, both as JSON as a whole; a label may end in an underscore."""
    assert value(read(TEXT, {f"ALLOYTRIO_{name}": text}).settings, component_id, *path) == expected


def test_a_map_is_replaced() -> None:
    """A table given as JSON replaces the file's, it is not mixed with it."""
    settings = read(TEXT, {f"{TEMPO}CLIENT__HEADERS": '{"a": "b"}'}).settings
    headers = value(settings, "otelcol.exporter.otlp.tempo", "client", "headers")
    assert isinstance(headers, dict)
    assert list(headers) == ["a"]


def test_what_is_above_comes_first() -> None:
    """A variable for a table and one for a key inside it both count, whatever their order."""
    environ = {f"{TEMPO}CLIENT__ENDPOINT": "x:1", f"{TEMPO}CLIENT": '{"endpoint": "y:1", "compression": "none"}'}
    settings = read(TEXT, environ).settings
    assert value(settings, "otelcol.exporter.otlp.tempo", "client", "endpoint") == "x:1"
    assert value(settings, "otelcol.exporter.otlp.tempo", "client", "compression") == "none"


def test_service_tables() -> None:
    """The service's own tables need not be in the file."""
    environ = {"ALLOYTRIO_ADMIN__LISTEN_ADDR": ":80", "ALLOYTRIO_STORAGE__MODE": "memory", "alloytrio": "", "PATH": "x"}
    settings = read("", environ).settings
    assert (settings.admin.listen_addr, settings.storage.mode) == (":80", "memory")


@pytest.mark.parametrize(
    "name",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GRPC", "PORT", "PORT_4317_TCP", "PORT_4317_TCP_ADDR"],
)
def test_service_links(name: str) -> None:
    """What Kubernetes says about a Service of our name, or one that begins with it, is no setting."""
    assert problems("", {f"ALLOYTRIO_{name}": "tcp://10.0.0.1:4317", f"ALLOYTRIO_OTLP_{name}": "x"}) == []


def test_settings_are_no_service_links() -> None:
    """A name with a double underscore is a setting, however it ends."""
    assert len(problems("", {"ALLOYTRIO_ADMIN__SERVICE_PORT": "1", "ALLOYTRIO_PROT": "1"})) == 2


def test_several_elements_can_be_added() -> None:
    """Elements may be added one after the other."""
    environ = {f"ALLOYTRIO_ADMIN__ALLOWED_HOSTS__{index}": f"host{index}" for index in range(12)}
    assert read("", environ).settings.admin.allowed_hosts == tuple(f"host{index}" for index in range(12))


UNMATCHED = "a variable names a setting of a component that the file has; it never creates a component"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {f"{TEMPO}CLIENT__ENDPIONT": CANARY},
            f"environment variable {TEMPO}CLIENT__ENDPIONT: matches no setting "
            f"(did you mean {TEMPO}CLIENT__ENDPOINT? {UNMATCHED})",
        ),
        (
            {"ALLOYTRIO_LOKI__WRITE__NEW__EXTERNAL_LABELS": CANARY},
            "environment variable ALLOYTRIO_LOKI__WRITE__NEW__EXTERNAL_LABELS: matches no setting "
            f"(did you mean ALLOYTRIO_LOKI__WRITE__W__EXTERNAL_LABELS? {UNMATCHED})",
        ),
        ({"ALLOYTRIO_": CANARY}, f"environment variable ALLOYTRIO_: matches no setting ({UNMATCHED})"),
        ({"ALLOYTRIO_QQ": CANARY}, f"environment variable ALLOYTRIO_QQ: matches no setting ({UNMATCHED})"),
        (
            {"ALLOYTRIO_LOKI__WRITE__W": "{}"},
            "environment variable ALLOYTRIO_LOKI__WRITE__W: matches no setting "
            f"(did you mean ALLOYTRIO_LOKI__WRITE__W__ENDPOINT? {UNMATCHED})",
        ),
        (
            {"ALLOYTRIO_ADMIN__LISTEN_ADDR__": CANARY},
            "environment variable ALLOYTRIO_ADMIN__LISTEN_ADDR__: matches no setting "
            f"(did you mean ALLOYTRIO_ADMIN__LISTEN_ADDR? {UNMATCHED})",
        ),
        (
            {"ALLOYTRIO_LOKI__WRITE__W__ENDPOINT__3__URL": CANARY},
            "environment variable ALLOYTRIO_LOKI__WRITE__W__ENDPOINT__3__URL: loki.write.w.endpoint[3].url: "
            "the list is shorter: elements can only be added one after the other",
        ),
        (
            {"ALLOYTRIO_LOKI__WRITE__W__ENDPOINT__99999999__URL": CANARY},
            "environment variable ALLOYTRIO_LOKI__WRITE__W__ENDPOINT__99999999__URL: matches no setting "
            f"(did you mean ALLOYTRIO_LOKI__WRITE__W__ENDPOINT__1__URL? {UNMATCHED})",
        ),
        (
            {f"{TEMPO}CLIENT__HEADERS": CANARY},
            f"environment variable {TEMPO}CLIENT__HEADERS: otelcol.exporter.otlp.tempo.client.headers: "
            'must be a table, {"key": "value"}, as JSON',
        ),
        (
            {f"{TEMPO}CLIENT__HEADERS": f'["{CANARY}"]'},
            f"environment variable {TEMPO}CLIENT__HEADERS: otelcol.exporter.otlp.tempo.client.headers: "
            'must be a table, {"key": "value"}, as JSON',
        ),
        (
            {"ALLOYTRIO_LOKI__WRITE__W__ENDPOINT": "[" * 100_000},
            "environment variable ALLOYTRIO_LOKI__WRITE__W__ENDPOINT: loki.write.w.endpoint: "
            'must be a list, ["a", "b"], as JSON',
        ),
        (
            {f"{TEMPO}TIMEOUT": "1s", f"{TEMPO.lower()}timeout": CANARY},
            f"environment variable {TEMPO.lower()}timeout: otelcol.exporter.otlp.tempo.timeout: "
            f"sets the same as {TEMPO}TIMEOUT",
        ),
        (
            {f"{TEMPO}TIMEOUT": CANARY},
            f"environment variable {TEMPO}TIMEOUT: otelcol.exporter.otlp.tempo.timeout: not a duration: write a "
            'number with a unit (ns, us, ms, s, m, h), such as "5s" or "1m30s"',
        ),
        (
            {f"{TEMPO}CLIENT__TLS": f'{{"insecure": "{CANARY}"}}'},
            f"environment variable {TEMPO}CLIENT__TLS: otelcol.exporter.otlp.tempo.client.tls.insecure: "
            "must be true or false",
        ),
        (
            {"ALLOYTRIO_LOKI__PROCESS__P__FORWARD_TO": f'["{CANARY}"]'},
            "environment variable ALLOYTRIO_LOKI__PROCESS__P__FORWARD_TO: loki.process.p.forward_to[0]: "
            "names no component of this file (fitting: loki.write.w)",
        ),
    ],
)
def test_problems(environ: dict[str, str], expected: str) -> None:
    """A variable that matches nothing or does not fit is an error that names it, the nearest, and no value."""
    assert problems(TEXT, environ) == [expected]


def test_case_can_make_two_labels_one() -> None:
    """A name that fits two keys that differ by case is refused."""
    text = '[loki.write.w]\nexternal_labels = { Env = "a", env = "b" }\n'
    assert problems(text, {"ALLOYTRIO_LOKI__WRITE__W__EXTERNAL_LABELS__ENV": CANARY}) == [
        "environment variable ALLOYTRIO_LOKI__WRITE__W__EXTERNAL_LABELS__ENV: matches several settings "
        "(loki.write.w.external_labels.Env, loki.write.w.external_labels.env)"
    ]
