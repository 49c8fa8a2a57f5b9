"""A configuration's text without its secrets."""

from pathlib import Path

import pytest

from alloytrio.admin.source_text import HIDDEN, secrets_of, shown_broken_source, shown_source, without_userinfo
from alloytrio.config.load import LoadedConfig, load

CANARY = "canary-5up3r"
TOML = f"""\
# a comment that explains
# token = "{CANARY}-comment"
[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:4317" }}   # also here: {CANARY}-behind
output = {{ traces = ["otelcol.exporter.otlp.tempo"] }}

[otelcol.exporter.otlp.tempo]
client = {{ endpoint = "tempo:4317", headers = {{ authorization = "{CANARY}-1", x-tenant = '''
{CANARY}-2''' }} }}
timeout = "7s"
"""
ALLOY = f"""\
// token = "{CANARY}-comment"
otelcol.receiver.otlp "default" {{
  grpc {{ endpoint = "127.0.0.1:4317" }}
  output {{ traces = [otelcol.exporter.otlp.tempo.input] }}
}}
otelcol.exporter.otlp "tempo" {{
  client {{
    endpoint = "tempo:4317"
    headers = {{ "authorization" = "{CANARY}-1", "x-tenant" = "{CANARY}-2" }}
  }}
  timeout = "7s"
}}
"""


def loaded_from(folder: Path, text: str, name: str, environ: dict[str, str] | None = None) -> LoadedConfig:
    """The configuration in a file."""
    path = folder / name
    path.write_text(text)
    return load(path, environ or {}, in_container=False)


@pytest.mark.parametrize(("text", "name"), [(TOML, "a.toml"), (ALLOY, "a.alloy")])
def test_secrets_are_hidden_and_the_rest_is_not(tmp_path: Path, text: str, name: str) -> None:
    """No secret in any literal or comment; every other word and every line is where it was."""
    shown = shown_source(loaded_from(tmp_path, text, name))
    assert CANARY not in shown
    assert shown.count("(secret)") == 2
    assert len(shown.splitlines()) == len(text.splitlines())
    for kept in ("127.0.0.1:4317", "tempo:4317", "authorization", "7s"):
        assert kept in shown
    if name == "a.toml":
        assert "# a comment that explains" in shown


def test_a_secret_that_the_environment_overrides_is_hidden_too(tmp_path: Path) -> None:
    """What the file says for a secret is hidden even if another value is in force; so is that one."""
    variable = "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__TEMPO__CLIENT__HEADERS"
    loaded = loaded_from(tmp_path, TOML, "a.toml", {variable: '{"authorization": "127.0.0.1"}'})
    shown = shown_source(loaded)
    assert CANARY not in shown.replace(f"{CANARY}-2", "")
    assert "127.0.0.1" not in shown, "the value in force is hidden wherever it stands"


def test_all_secrets_are_known(tmp_path: Path) -> None:
    """Every secret has its path in the file and its value."""
    path = ("otelcol", "exporter", "otlp", "tempo", "client", "headers")
    assert dict(secrets_of(loaded_from(tmp_path, TOML, "a.toml"))) == {
        (*path, "authorization"): f"{CANARY}-1",
        (*path, "x-tenant"): f"{CANARY}-2",
    }


def test_a_file_that_cannot_be_loaded(tmp_path: Path) -> None:
    """Lines that run are shown as they are shown there; of others every literal is hidden."""
    loaded = loaded_from(tmp_path, TOML, "a.toml")
    running = shown_source(loaded)
    broken = TOML.replace('timeout = "7s"', f'tmeout = "{CANARY}-3"')
    shown = shown_broken_source(broken, Path("a.toml"), TOML, running)
    assert shown.splitlines()[:-1] == running.splitlines()[:-1]
    assert shown.splitlines()[-1] == f'tmeout = "{HIDDEN}"'


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    """Where the language breaks nothing is known: unknown lines are hidden whole."""
    loaded = loaded_from(tmp_path, TOML, "a.toml")
    broken = TOML + f'x = [ {CANARY}-3\n\n"""\n'
    shown = shown_broken_source(broken, Path("a.toml"), TOML, shown_source(loaded))
    assert CANARY not in shown
    assert shown.splitlines()[-3:] == [HIDDEN, "", HIDDEN]
    assert shown.splitlines()[:4] == shown_source(loaded).splitlines()[:4]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pass@loki:3100/x", "http://(secret)@loki:3100/x"),
        ("http://token@loki", "http://(secret)@loki"),
        ("http://loki:3100/a@b", "http://loki:3100/a@b"),
        ("tempo:4317", "tempo:4317"),
    ],
)
def test_names_and_passwords_in_urls(text: str, shown: str) -> None:
    """A URL's user and password are hidden, an @ elsewhere is not."""
    assert without_userinfo(text) == shown
