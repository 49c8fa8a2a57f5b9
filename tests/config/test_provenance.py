"""Where values come from, and what of them may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.config.problems import dotted
from alloytrio.config.provenance import Origin, parse_path, redacted
from tests.config.samples import CANARY, Exporter, read

TEXT = f"""
[admin]
listen_addr = "127.0.0.1:1"

[otelcol.exporter.otlp.tempo]
client = {{ endpoint = "${{env:HOST}}:4317", headers = {{ authorization = "{CANARY}", "x.y" = "{CANARY}" }} }}
"""
ENVIRON = {
    "HOST": "tempo",
    "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__TIMEOUT": "1m30s",
    "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__TLS": f'{{"ca_pem": "{CANARY}"}}',
}
TEMPO = "otelcol.exporter.otlp.tempo"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("admin", "listen_addr"), "c.toml:3"),
        ("admin.listen_addr", "c.toml:3"),
        (("storage", "mode"), "default"),
        ((TEMPO, "client", "endpoint"), "c.toml:6 (env:HOST)"),
        (("otelcol", "exporter", "otlp", "tempo", "client", "endpoint"), "c.toml:6 (env:HOST)"),
        (f"{TEMPO}.client.endpoint", "c.toml:6 (env:HOST)"),
        ((TEMPO, "client", "headers", "x.y"), "c.toml:6"),
        ((TEMPO, "timeout"), "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__TIMEOUT"),
        ((TEMPO, "client", "tls", "ca_pem"), "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__TLS"),
        ((TEMPO, "client", "compression"), "default"),
    ],
)
def test_origins(path: str | tuple[str | int, ...], expected: str) -> None:
    """A leaf's origin is its line, its variable (also one that set a table around it), or the default."""
    assert str(read(TEXT, ENVIRON).settings.provenance(path)) == expected


def test_column_and_default() -> None:
    """An origin in a file has line and column; settings without a file know only defaults."""
    settings = read(TEXT, ENVIRON).settings
    assert settings.provenance("admin.listen_addr") == Origin("file", "c.toml", 3, 1)
    assert type(settings)(admin=settings.admin).provenance("admin.listen_addr") == Origin("default")


def test_shown_values() -> None:
    """The page gets each leaf with its origin, secrets and header values hidden, durations as written."""
    shown = {each.path: (each.value, each.origin.source) for each in read(TEXT, ENVIRON).shown_values(TEMPO)}
    assert shown == {
        ("client", "endpoint"): ("tempo:4317", "file"),
        ("client", "compression"): ("gzip", "default"),
        ("client", "headers", "authorization"): ("(secret)", "file"),
        ("client", "headers", "x.y"): ("(secret)", "file"),
        ("client", "tls", "insecure"): (False, "environment"),
        ("client", "tls", "ca_pem"): ("(secret)", "environment"),
        ("timeout",): ("1m30s", "environment"),
    }


def test_empty_lists_and_tables_are_leaves() -> None:
    """What is empty is shown as empty."""
    shown = {each.path: each.value for each in read("[loki.write.w]\nendpoint = []").shown_values("loki.write.w")}
    assert shown == {("endpoint",): [], ("external_labels",): {}}


def test_redacted() -> None:
    """A config as JSON values hides secrets but says whether there is one."""
    config = read(TEXT, ENVIRON).settings.components[TEMPO]
    assert isinstance(config, Exporter)
    assert redacted(config) == {
        "client": {
            "endpoint": "tempo:4317",
            "compression": "gzip",
            "headers": {"authorization": "(secret)", "x.y": "(secret)"},
            "tls": {"insecure": False, "ca_pem": "(secret)"},
        },
        "timeout": "1m30s",
    }
    assert CANARY not in repr(config)


@given(st.lists(st.text() | st.integers(0, 99)).filter(lambda path: not path or isinstance(path[0], str)))
def test_parse_path(path: list[str | int]) -> None:
    """A dotted path is taken apart into what it was made of, whatever its keys."""
    assert parse_path(dotted(path)) == tuple(path)
