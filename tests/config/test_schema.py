"""The schema that editors use agrees with what is loaded."""

import tomllib
from importlib import resources

import pytest
from jsonschema import Draft202012Validator

from alloytrio.config.registry import COMPONENTS
from alloytrio.config.schema import schema
from tests.config.samples import SAMPLES, problems

VALIDATOR = Draft202012Validator(schema(SAMPLES))


def is_valid(text: str) -> bool:
    """Whether the schema accepts a TOML text."""
    valid: bool = VALIDATOR.is_valid(tomllib.loads(text))
    return valid


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("", True),
        ('[admin]\nlisten_addr = ":80"', True),
        ('[storage]\nmax_size = "4MiB"\nmax_age = "1h"', True),
        ("[storage]\nmax_size = 5000000", True),
        ('[storage]\nmode = "dsk"', False),
        ("[admin]\nlisten = 1", False),
        ("[nonsense]", False),
        ("[loki.write.w]", True),
        ("[loki.write.W]", False),
        ("[loki.write.a__b]", False),
        ("[loki.wirte.w]", False),
        ('[[loki.write.w.endpoint]]\nurl = "x"', True),
        ("[[loki.write.w.endpoint]]", False),
        ('[otelcol.exporter.otlp.t]\nclient = { endpoint = "x", headers = { a = "b" } }', True),
        ("[otelcol.exporter.otlp.t]\nclient = { endpoint = 1 }", False),
        ('[otelcol.processor.batch.b]\nsend_batch_size = "${env:SIZE:-1}"\noutput = {}', True),
        ('[otelcol.processor.batch.b]\nsend_batch_size = "1"\noutput = {}', False),
        ('[loki.process.p]\nstage = [{ type = "json" }]', True),
        ('[loki.process.p]\nstage = [{ type = "nope" }]', False),
    ],
)
def test_agrees_with_loading(text: str, accepted: bool) -> None:
    """What the schema accepts can be loaded, and what it refuses cannot."""
    assert is_valid(text) is accepted
    assert (problems(text) == []) is accepted


def test_defaults_are_written_as_users_write_them() -> None:
    """Defaults of durations and sizes have their unit; what has no default shows none."""
    definitions = schema(SAMPLES)["$defs"]
    storage = definitions["StorageSettings"]["properties"]
    assert storage["max_size"]["default"] == "1GiB"
    assert storage["fsync_interval"]["default"] == "1s"
    assert "default" not in definitions["Client"]["properties"]["tls"]


def test_whole_schema() -> None:
    """The schema of this service's own components is one, and the embedded default fits it."""
    whole = schema()
    Draft202012Validator.check_schema(whole)
    embedded = resources.files("alloytrio.config")
    text = "".join(embedded.joinpath(name).read_text("utf-8") for name in ("default.toml", "default_docker.toml"))
    if COMPONENTS:
        Draft202012Validator(whole).validate(tomllib.loads(text))
