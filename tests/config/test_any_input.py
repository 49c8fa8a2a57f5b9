"""Whatever a file and the environment hold: settings, or a list of problems without values. Never another error."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alloytrio.config.document import Document, read_text
from alloytrio.config.load import load_document
from alloytrio.config.problems import InvalidConfigError
from alloytrio.config.render import render_error
from alloytrio.config.settings import TABLES
from alloytrio.config.slots import fields
from tests.config.samples import CANARY, SAMPLES
from tests.config.test_positions import documents

# Words that lead deep into the configuration, so that chance gets somewhere.
TYPES = list(SAMPLES)
KEYS = st.sampled_from(
    [
        *TABLES,
        *(part for each in TYPES for part in each.split(".")),
        *(key for model in (*SAMPLES.values(), *TABLES.values()) for key in fields(model)),
        *("a", "A", "b__c", "traces", "endpoint", "headers", "type", "x.y", "é", ""),
    ]
)
LEAVES = st.one_of(
    st.sampled_from([CANARY, "5s", "4MiB", "json", "gzip", "${env:A}", "${env:B:-b}", "${file:none}", "${env:", "$1"]),
    st.sampled_from([f"{each}.a" for each in TYPES]),
    st.integers(-1, 5),
    st.floats(),
    st.booleans(),
    st.dates(),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
LABELS = st.dictionaries(st.sampled_from("aAb1_"), st.dictionaries(KEYS, TREES, max_size=4), max_size=2)
COMPONENTS = st.dictionaries(st.sampled_from(TYPES), LABELS)
NAMES = st.lists(KEYS | st.sampled_from("0123"), max_size=7).map(lambda keys: f"ALLOYTRIO_{'__'.join(keys)}".upper())
VALUES = st.sampled_from([CANARY, "1", "", "[]", "{}", f'["{CANARY}"]', f'{{"a": "{CANARY}"}}', "null", "[[["])
ENVIRONS = st.dictionaries(NAMES, VALUES, max_size=3)
JSON_VARIABLES = (
    "ALLOYTRIO_LOKI__WRITE__W__ENDPOINT",
    "ALLOYTRIO_LOKI__PROCESS__P__STAGE",
    "ALLOYTRIO_OTELCOL__EXPORTER__OTLP__T__CLIENT",
    "ALLOYTRIO_ADMIN__LISTEN_ADDR",
)


def check(document: Document, environ: dict[str, str]) -> None:
    """Loading ends in settings or in problems that show no value."""
    error: InvalidConfigError | None = None
    try:
        load_document(document, environ, in_container=False, components=SAMPLES)
    except InvalidConfigError as exc:
        error = exc
    if error is not None:
        assert error.problems
        assert CANARY not in f"{error}{error.problems!r}{render_error(error)}"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(COMPONENTS, st.dictionaries(KEYS, TREES, max_size=3), ENVIRONS)
def test_any_tree(components: dict[str, dict[str, object]], rest: dict[str, object], environ: dict[str, str]) -> None:
    """Trees that look like configurations, with anything anywhere."""
    data: dict[str, object] = dict(rest)
    for component_type, labels in components.items():
        *namespaces, name = component_type.split(".")
        table = data
        for namespace in namespaces:
            inner = table.get(namespace)
            table[namespace] = inner = inner if isinstance(inner, dict) else {}
            table = inner
        table[name] = labels
    check(Document("c.toml", Path("/nowhere"), "", data, {}), environ)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), ENVIRONS)
def test_any_document(text: str, environ: dict[str, str]) -> None:
    """TOML of any shape."""
    check(read_text(text, name="c.toml", folder=Path("/nowhere")), environ)


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_any_json_in_a_variable(tree: object) -> None:
    """Whatever stands in a variable that wants JSON."""
    text = "[loki.write.w]\nendpoint = []\n[loki.process.p]\n[otelcol.exporter.otlp.t]\nclient.endpoint = 'x'\n"
    document = read_text(text, name="c.toml", folder=Path("/nowhere"))
    for name in JSON_VARIABLES:
        check(document, {name: json.dumps(tree, default=str)})
