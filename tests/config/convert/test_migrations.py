"""Promtail's and the collector's files, and the TOML that means the same.

``python -m tests.config.convert.test_migrations`` writes the golden files; read them before you commit.
"""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from alloytrio.config.alloy.convert import Converted
from alloytrio.config.alloy.diagnostics import Severity, render
from alloytrio.config.alloy.values import Template
from alloytrio.config.convert import otelcol, promtail
from alloytrio.config.convert.languages import convert_file
from alloytrio.config.convert.otelcol import convert_otelcol
from alloytrio.config.convert.promtail import convert_promtail
from alloytrio.config.convert.yaml_tree import YamlError
from alloytrio.config.load import load

DATA = Path(__file__).parents[2] / "data"
CONVERTERS: dict[str, Callable[[str, str], Converted]] = {"promtail": convert_promtail, "otelcol": convert_otelcol}
GOLDEN = [(tool, path.stem) for tool in CONVERTERS for path in sorted((DATA / tool).glob("*.yaml"))]


def converted(tool: str, name: str) -> Converted:
    """A converted golden file."""
    return CONVERTERS[tool]((DATA / tool / f"{name}.yaml").read_text(), f"{name}.yaml")


@pytest.mark.parametrize(("tool", "name"), GOLDEN)
def test_golden_conversions(tool: str, name: str) -> None:
    """The TOML, comments included, and every line of the report are as reviewed; text and tree are the same."""
    result = converted(tool, name)
    assert result.toml() == (DATA / tool / f"{name}.toml").read_text()
    assert render(result.report) + "\n" == (DATA / tool / f"{name}.txt").read_text()
    assert tomllib.loads(result.toml()) == result.data


@pytest.mark.parametrize(
    "name", ["otelcol/cloud", "otelcol/gateway", "otelcol/stack", "promtail/jobs", "promtail/stages"]
)
def test_golden_files_can_be_run(name: str) -> None:
    """What is left of a file as people have it is whole: every edge leads somewhere, every value fits."""
    path = DATA / f"{name}.toml"
    names = re.findall(r"\$\{env:(\w+)", path.read_text())
    environ = {name: "http://x/y" if name.endswith(("_URL", "_ENDPOINT")) else "x" for name in names}
    assert load(path, environ, in_container=True).edges


@pytest.mark.parametrize("tool", CONVERTERS)
@pytest.mark.parametrize("text", ["", "a", "[]", "a: 1", "service: 1", "scrape_configs: 1", "clients: {a: 1}", "a: ["])
def test_odd_files(tool: str, text: str) -> None:
    """A file that is something else is refused with errors, and never a surprise."""
    try:
        result = CONVERTERS[tool](text, "f.yaml")
    except YamlError:
        return
    assert result.errors


PROMTAIL_JOB = """
clients: [{url: http://loki}]
scrape_configs:
  - job_name: "Job 1"
    docker_sd_configs: [{host: unix:///x}]
"""


@pytest.mark.parametrize(
    ("text", "place", "message", "severity"),
    [
        ("scrape_configs: []", 1, "there are no clients: lines would go nowhere", Severity.ERROR),
        ("clients: [{tenant_id: a}]", 1, 'a client needs a "url"', Severity.ERROR),
        ("clients: [{url: a, uri: b}]", 1, 'unknown key "uri"', Severity.ERROR),
        (
            "clients: [{url: a, proxy_url: b}]",
            1,
            '"proxy_url" is not supported: outgoing connections use no proxy',
            Severity.ERROR,
        ),
        ("clients: [{url: a, batchsize: many}]", 1, "this is no size", Severity.ERROR),
        ("clients: [{url: a, timeout: 1day}]", 1, "this is no duration", Severity.ERROR),
        ("clients: [{url: a, tenant_id: [b]}]", 1, "expected string, got array", Severity.ERROR),
        ("clients: [{url: a, basic_auth: b}]", 1, "expected a mapping, got a string", Severity.ERROR),
        ("clients: [{url: a}]\nsrape_configs: []", 2, 'unknown key "srape_configs"', Severity.ERROR),
        (
            "clients: [{url: a}]\nlimits_config: {}",
            2,
            '"limits_config" is not supported: limits are set',
            Severity.ERROR,
        ),
        (
            "clients: [{url: a}]\nwal: {enabled: true}",
            2,
            '"wal" is left out: lines are always in the journal',
            Severity.WARNING,
        ),
        ("clients: [{url: a}]\nscrape_configs: [{job_name: b}]", 2, "this job has no source", Severity.ERROR),
        (PROMTAIL_JOB + "    encoding: latin1", 6, '"encoding" is not supported: lines are taken', Severity.ERROR),
        (PROMTAIL_JOB + "    pipelines: []", 6, 'unknown key "pipelines"', Severity.ERROR),
        (PROMTAIL_JOB + "    pipeline_stages: [{jsn: {}}]", 6, 'there is no stage "jsn"', Severity.ERROR),
        (
            PROMTAIL_JOB + "    pipeline_stages: [{json: {}, drop: {}}]",
            6,
            "a stage is a mapping with one key",
            Severity.ERROR,
        ),
        (PROMTAIL_JOB + "    pipeline_stages: [{metrics: {}}]", 6, 'stage "metrics" is not supported', Severity.ERROR),
        (PROMTAIL_JOB + "    relabel_configs: [{sources: [a]}]", 6, 'unknown key "sources"', Severity.ERROR),
        (PROMTAIL_JOB.replace("host: unix:///x", "port: 1"), 5, 'docker_sd_configs needs a "host"', Severity.ERROR),
    ],
)
def test_promtail_report(text: str, place: int, message: str, severity: Severity) -> None:
    """What cannot be taken over is named at its line."""
    [problem] = convert_promtail(text, "f").report
    assert problem.message.startswith(message)
    assert (problem.source.position(problem.span.start).line, problem.severity) == (place, severity)


def test_promtail_names() -> None:
    """Labels come of the job's name, and stay unique."""
    text = PROMTAIL_JOB + PROMTAIL_JOB.split("scrape_configs:\n")[1] + "  - docker_sd_configs: [{host: a}, {host: b}]\n"
    names = [".".join(path) for path, _ in convert_promtail(text, "f").tables]
    assert names == [
        "loki.write.default",
        "discovery.docker.job_1",
        "loki.source.docker.job_1",
        "discovery.docker.job_1_2",
        "loki.source.docker.job_1_2",
        "discovery.docker.default",
        "loki.source.docker.default",
        "discovery.docker.default_2",
        "loki.source.docker.default_2",
    ]


COLLECTOR = """
receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {otlp: {endpoint: "t:4317"}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp]}}}
"""


PROCESSED = COLLECTOR.replace("exporters: [otlp]", "processors: [p], exporters: [otlp]")
COUNTED = COLLECTOR.replace("exporters: [otlp]", "exporters: [otlp, count]")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (COLLECTOR + "receiver: {}", 5, 'unknown key "receiver"'),
        (COLLECTOR.replace("exporters: [otlp]", "exporters: [otpl]"), 4, 'exporter "otpl" is not defined'),
        (COLLECTOR.replace("traces:", "spans:"), 3, 'exporter "otlp" stands in no pipeline'),
        (COLLECTOR.replace("grpc: {}", "grpc: {auth: {authenticator: x}}"), 2, "this authenticator is not here"),
        (COLLECTOR.replace("grpc: {}", "grcp: {}"), 2, 'unknown key "grcp"'),
        (COLLECTOR.replace("receivers: [otlp], ", "receivers: [otlp], process: [], "), 4, 'unknown key "process"'),
        (COLLECTOR.replace('endpoint: "t:4317"', "endpoint: [t]"), 3, "expected string, got array"),
        (PROCESSED + "processors: {p: {}}", 5, 'processor "p" is not supported: it is not here'),
        (PROCESSED.replace("p]", "filter]") + "processors: {filter: {}}", 5, 'processor "filter" is not supported: Op'),
        (COLLECTOR + "processors: {p: {}}", 5, 'processor "p" stands in no pipeline'),
        (COUNTED + "connectors: {count: {}}", 5, 'connector "count" is not supported'),
        (COLLECTOR + "connectors: {count: {}}", 5, 'connector "count" stands in no pipeline'),
        (COLLECTOR + "extensions: {oidc: {}}", 5, 'extension "oidc" is not supported'),
    ],
)
def test_collector_report(text: str, line: int, message: str) -> None:
    """What cannot be taken over is named at its line."""
    report = convert_otelcol(text, "f").report
    found = [(each.source.position(each.span.start).line, each.message.startswith(message)) for each in report]
    assert (line, True) in found


def test_unsupported_processors_are_passed_through() -> None:
    """What is left out of a pipeline does not cut it."""
    text = COLLECTOR.replace("exporters: [otlp]}", "processors: [attributes, memory_limiter], exporters: [otlp]}")
    text += "processors: {attributes: {}, memory_limiter: {}}"
    [receiver, _] = convert_otelcol(text, "f").tables
    assert receiver[1]["output"] == {"traces": ["otelcol.exporter.otlp.default"]}


HOSTED = """
receivers: {otlp: {protocols: {grpc: {}}}}
exporters:
  prometheusremotewrite: {endpoint: "${env:PROMETHEUS}", timeout: TIMEOUT, auth: {authenticator: basicauth}}
  loki: {endpoint: "${env:LOKI}"}
extensions: {basicauth: {client_auth: {username: "${env:USER_ID}", password: "${env:TOKEN}"}}}
service:
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheusremotewrite]}
    logs: {receivers: [otlp], exporters: [loki]}
"""


def test_addresses_from_the_environment_are_not_judged() -> None:
    """What is only known where it will run is no error here; what is wrong beside it is one."""
    assert convert_file(HOSTED.replace("TIMEOUT", "5s"), "f", "otelcol", Path()).report == ()
    [problem] = convert_file(HOSTED.replace("TIMEOUT", "-5s"), "f", "otelcol", Path()).report
    assert "remote_timeout: " in problem.message


def test_what_is_converted_runs(tmp_path: Path) -> None:
    """With the environment that it names, the TOML of a collector can be run, with credentials in their place."""
    path = tmp_path / "c.toml"
    path.write_text(convert_file(HOSTED.replace("TIMEOUT", "5s"), "f", "otelcol", Path()).toml())
    environ = {"PROMETHEUS": "https://p/write", "LOKI": "https://l/push", "USER_ID": "7", "TOKEN": "t0ken"}
    loaded = load(path, environ, in_container=True)
    assert {(edge.source_id, edge.target_id) for edge in loaded.edges} == {
        ("otelcol.receiver.otlp.default", "otelcol.exporter.prometheus.default"),
        ("otelcol.receiver.otlp.default", "otelcol.exporter.loki.default"),
        ("otelcol.exporter.prometheus.default", "prometheus.remote_write.default"),
        ("otelcol.exporter.loki.default", "loki.write.default"),
    }
    endpoint = dict(loaded.settings.components["prometheus.remote_write.default"])["endpoint"][0]
    assert (endpoint.url, endpoint.basic_auth.username) == ("https://p/write", "7")
    assert endpoint.basic_auth.password.get_secret_value() == "t0ken"


@pytest.mark.parametrize(
    ("expand", "text", "written"),
    [
        (promtail.expand, "a${NAME}b${OTHER:-c}${OTHER:d}", "a${env:NAME}b${env:OTHER:-c}${env:OTHER:-d}"),
        (promtail.expand, "$1 ${1} ${name} $$", None),
        (otelcol.expand, "${env:A}${A}${env:A:-b}${file:/x}", "${env:A}${env:A}${env:A:-b}${file:/x}"),
        (otelcol.expand, "a$$b$${C}", "a$b${C}"),
    ],
)
def test_environment(expand: Callable[[str], str | Template], text: str, written: str | None) -> None:
    """References to the environment become ours; other dollars are left alone."""
    value = expand(text)
    assert (value if isinstance(value, str) else value.written(unset_is_empty=False)) == (written or text)


if __name__ == "__main__":
    for golden_tool, golden_name in GOLDEN:
        golden = converted(golden_tool, golden_name)
        (DATA / golden_tool / f"{golden_name}.toml").write_text(golden.toml())
        (DATA / golden_tool / f"{golden_name}.txt").write_text(render(golden.report) + "\n")
