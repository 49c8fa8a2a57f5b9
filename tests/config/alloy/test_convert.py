"""Alloy files and the TOML that means the same.

``python -m tests.config.alloy.test_convert`` writes the golden files; read them before you commit.
"""

import tomllib
from pathlib import Path

import pytest

from alloytrio.config.alloy.convert import Converted, convert
from alloytrio.config.alloy.diagnostics import AlloyError, Severity, render
from alloytrio.config.alloy.evaluator import Surroundings
from alloytrio.config.alloy.load import any_machine
from alloytrio.config.alloy.parser import parse

DATA = Path(__file__).parents[2] / "data" / "alloy"
GOLDEN = sorted(path.stem for path in DATA.glob("*.alloy"))


def converted(text: str, **environ: str) -> Converted:
    """A converted text; with an environment only if one is given."""
    return convert(parse(text, "c.alloy"), Surroundings(environ or None, any_machine()))


def golden(name: str) -> tuple[str, str]:
    """The TOML and the report of a golden file, as they are now."""
    result = convert(parse((DATA / f"{name}.alloy").read_bytes(), f"{name}.alloy"), Surroundings(None, any_machine()))
    return result.toml(), render(result.report) + "\n"


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_conversions(name: str) -> None:
    """The TOML, comments included, and every line of the report are as reviewed."""
    toml, report = golden(name)
    assert toml == (DATA / f"{name}.toml").read_text()
    assert report == (DATA / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", GOLDEN)
def test_text_and_tree_are_the_same(name: str) -> None:
    """The written TOML is the tree that would be run, and every key of the tree has a place in the Alloy text."""
    result = convert(parse((DATA / f"{name}.alloy").read_bytes()), Surroundings(None, any_machine()))
    assert tomllib.loads(result.toml()) == result.data
    missing = []
    for path, table in result.tables:
        waiting: list[tuple[tuple[str | int, ...], object]] = [(path, table)]
        while waiting:
            place, value = waiting.pop()
            missing += [] if place in result.spans or isinstance(place[-1], int) else [place]
            if isinstance(value, dict):
                waiting += [((*place, key), each) for key, each in value.items()]
            elif isinstance(value, list) and all(isinstance(each, dict) for each in value):
                waiting += [((*place, index), each) for index, each in enumerate(value)]
    assert missing == []


def test_errors_stop_unless_bypassed() -> None:
    """What is not supported is an error with all its places; bypassed, the rest is used."""
    result = converted('loki.relabel "x" { }\nlogging {\n\tlevel = "debug"\n}\nlivedebugging {\n\tenabled = true\n}\n')
    with pytest.raises(AlloyError) as caught:
        result.check()
    assert [problem.line for problem in caught.value.problems] == [1]
    result.check(bypass_errors=True)
    assert result.data == {"logging": {"level": "debug"}}
    assert [each.severity for each in result.report] == [Severity.ERROR, Severity.WARNING]


@pytest.mark.parametrize(
    "text",
    [
        "livedebugging { enabled = false }",
        "http { }",
        'loki.write "a" {\n\twal { enabled = false }\n}',
        'prometheus.remote_write "a" {\n\twal { max_keepalive_time = "480m" }\n}',
        'otelcol.processor.batch "a" {\n\tmetadata_keys = []\n\tmetadata_cardinality_limit = 1000\n\toutput { }\n}',
    ],
)
def test_what_says_nothing_is_not_reported(text: str) -> None:
    """A setting that we leave out but that has its default changes nothing."""
    assert converted(text).report == ()


def value_of(argument: str, **environ: str) -> object:
    """What becomes of one argument of ``loki.write``'s endpoint."""
    result = converted(f'loki.write "a" {{\n\tendpoint {{\n\t\turl = "u"\n\t\t{argument}\n\t}}\n}}', **environ)
    assert result.report == ()
    name = argument.partition(" ")[0]
    endpoint = result.tables[0][1]["endpoint"]
    assert isinstance(endpoint, list)
    assert isinstance(endpoint[0], dict)
    return endpoint[0][name]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("tenant_id = 5", "5"),
        ("tenant_id = 1.5", "1.5"),
        ("tenant_id = null", ""),
        ('tenant_id = "a" + sys.env("X")', "a${env:X}"),
        ('tenant_id = "${env:X}"', "$${env:X}"),
        ('max_backoff_retries = "7"', 7),
        ("max_backoff_retries = 7.0", 7),
        ("max_backoff_retries = null", 0),
        ('max_backoff_retries = sys.env("X")', "${env:X}"),
        ("retry_on_http_429 = !true", False),
        ("retry_on_http_429 = null", False),
        ('batch_wait = "1s" + "500ms"', "1s500ms"),
        ("batch_wait = null", "0s"),
        ("batch_size = 1024", "1024"),
        ('headers = { "a b" = 1, c = sys.env("X") }', {"a b": "1", "c": "${env:X}"}),
        ("headers = null", {}),
        ('tenant_id = string.to_upper(sys.env("X"))', "Y"),
    ],
)
def test_values(argument: str, value: object) -> None:
    """Values take the type of their argument as in Alloy."""
    assert value_of(argument, X="y") == value


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("tenant_id = true", "expected string, got bool"),
        ("tenant_id = []", "expected string, got array"),
        ("tenant_id = loki.write.a.receiver", "expected string, got capsule"),
        (r'tenant_id = "\x80"', "a string that is not UTF-8 cannot be written"),
        ('max_backoff_retries = "x"', "expected a number, got a string that is none"),
        ('retry_on_http_429 = "true"', "expected bool, got string"),
        ('retry_on_http_429 = sys.env("X")', "expected bool, got string"),
        ("batch_wait = 5", "a duration needs a unit"),
        ("headers = []", "expected object of secrets, got array"),
        ("headers = { a = [] }", "expected secret, got array"),
        ("tenant_id = 1 / 0", "division by zero"),
        ('tenant_id = string.to_upper(sys.env("X"))', "this would fix the present value of the environment variable X"),
    ],
)
def test_wrong_values(argument: str, message: str) -> None:
    """A value of another type is an error at its place."""
    text = f'loki.write "a" {{\n\tendpoint {{\n\t\turl = "u"\n\t\t{argument}\n\t}}\n}}'
    [problem] = converted(text).report
    assert problem.message == message
    assert problem.place.startswith("c.alloy:4:")


def test_edges_through_what_is_left_out() -> None:
    """An edge to a component without a place here goes on to what stands behind it, each signal its own way."""
    result = converted(
        'otelcol.receiver.otlp "r" {\n\tgrpc { }\n\toutput {\n\t\ttraces = [otelcol.processor.attributes.a.input]\n'
        "\t\tlogs = [otelcol.processor.attributes.a.input]\n\t}\n}\n"
        'otelcol.processor.attributes "a" {\n\toutput {\n\t\ttraces = [otelcol.processor.filter.b.input]\n'
        "\t\tlogs = [otelcol.exporter.debug.c.input]\n\t}\n}\n"
        'otelcol.processor.filter "b" {\n\toutput {\n\t\ttraces = [otelcol.processor.attributes.a.input, '
        'otelcol.exporter.otlp.t.input]\n\t}\n}\notelcol.exporter.debug "c" { }\n'
        'otelcol.exporter.otlp "t" {\n\tclient {\n\t\tendpoint = "t:4317"\n\t}\n}\n'
    )
    assert result.tables[0][1]["output"] == {"traces": ["otelcol.exporter.otlp.t"], "logs": []}
    assert [each.severity for each in result.report] == [Severity.ERROR, Severity.ERROR, Severity.WARNING]


def test_credentials_of_the_page() -> None:
    """``http.auth.basic`` becomes ``admin.basic_auth`` with its comments; which paths it guards cannot be chosen."""
    auth = (
        'http {\n\t// guard\n\tauth {\n\t\t// she\n\t\tbasic {\n\t\t\tusername = "ann"\n'
        '\t\t\tpassword = sys.env("PASSWORD")\n\t\t}\n\t}\n}\n'
    )
    result = converted(auth)
    assert result.report == ()
    assert result.tables == ((("admin",), {"basic_auth": {"username": "ann", "password": "${env:PASSWORD}"}}),)
    assert "# guard\n# she\nbasic_auth = " in result.toml()
    span = result.spans[("admin", "basic_auth", "username")]
    assert auth[span.start : span.end] == "username"
    filtered = converted(auth.replace("\t\tbasic {", '\t\tfilter {\n\t\t\tpaths = ["/metrics"]\n\t\t}\n\t\tbasic {'))
    assert [each.message for each in filtered.errors] == [
        '"filter" is not supported: with credentials everything is protected but /-/ready, which probes ask'
    ]


@pytest.mark.parametrize(
    ("wanted", "authority", "severity"),
    [
        ("RequireAndVerifyClientCert", True, None),
        ("NoClientCert", False, None),
        ("VerifyClientCertIfGiven", True, Severity.WARNING),
        ("RequestClientCert", False, Severity.WARNING),
        ("RequireAnyClientCert", False, Severity.ERROR),
        ("RequireAndVerifyClientCert", False, Severity.ERROR),
    ],
)
def test_certificates_of_clients(wanted: str, authority: bool, severity: Severity | None) -> None:
    """With an authority clients must have a certificate; what would ask for less is said, what for more is refused."""
    key = '\tclient_ca_file = "ca.pem"\n' if authority else ""
    result = converted(f'http {{\n\ttls {{\n\t\tcert_file = "c"\n{key}\t\tclient_auth_type = "{wanted}"\n\t}}\n}}\n')
    assert [each.severity for each in result.report] == ([] if severity is None else [severity])
    assert "client_auth_type" not in result.toml().replace('"client_auth_type"', "")


def test_relabel_that_gives_only_rules() -> None:
    """A ``loki.relabel`` that forwards nothing becomes a ``discovery.relabel`` with the same rules."""
    rules = 'rule {\n\t\ttarget_label = "a"\n\t\treplacement = "b"\n\t}'
    result = converted(
        'discovery.relabel "r" {\n\ttargets = []\n}\n'
        f'loki.relabel "r" {{\n\tforward_to = []\n\t{rules}\n}}\n'
        'loki.source.docker "s" {\n\thost = "unix:///x"\n\ttargets = []\n\tforward_to = []\n'
        "\trelabel_rules = loki.relabel.r.rules\n}\n"
    )
    assert result.tables[1] == (
        ("discovery", "relabel", "r_loki"),
        {"targets": [], "rule": [{"target_label": "a", "replacement": "b"}]},
    )
    assert result.tables[2][1]["relabel_rules"] == "discovery.relabel.r_loki.rules"
    assert [each.severity for each in result.report] == [Severity.INFO]
    assert converted('loki.relabel "r" {\n\tforward_to = [loki.write.w.receiver]\n}').errors


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("discovery.docker.a.targets", "discovery.docker.a.targets"),
        ("[]", []),
        ("array.concat(discovery.docker.a.targets, discovery.docker.b.targets)", None),
        ("concat(discovery.docker.a.targets)", "discovery.docker.a.targets"),
    ],
)
def test_targets(value: str, written: object) -> None:
    """One list of targets is named alone, several in a list."""
    text = "\n".join(f'discovery.docker "{label}" {{\n\thost = "unix:///x"\n}}' for label in "ab")
    result = converted(f'{text}\ndiscovery.relabel "r" {{\n\ttargets = {value}\n}}\n')
    targets = result.tables[-1][1]["targets"]
    if written is None:
        written = ["discovery.docker.a.targets", "discovery.docker.b.targets"]
    assert targets in (written, [written])


if __name__ == "__main__":
    for golden_name in GOLDEN:
        written_toml, written_report = golden(golden_name)
        (DATA / f"{golden_name}.toml").write_text(written_toml)
        (DATA / f"{golden_name}.txt").write_text(written_report)
