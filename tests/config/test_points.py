"""What data points become on their way to Prometheus, told without running anything."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.config.cases import CaseFile, run_case
from alloytrio.config.document import read_text
from alloytrio.config.load import load_document
from alloytrio.config.points import BOUNDS, Point, Series
from alloytrio.config.simulation import Simulation, SimulationError

CONFIG = """
[otelcol.receiver.otlp.default]
grpc = {}
output = { metrics = ["otelcol.processor.batch.b", "otelcol.exporter.otlp.mirror"] }
[otelcol.processor.batch.b]
output = { metrics = ["otelcol.exporter.prometheus.p"] }
[otelcol.exporter.otlp.mirror]
client = { endpoint = "o:4317" }
[otelcol.exporter.prometheus.p]
forward_to = ["prometheus.remote_write.one", "prometheus.remote_write.two", "recorder.memory.m"]
[prometheus.remote_write.one]
external_labels = { cluster = "c1" }
[[prometheus.remote_write.one.endpoint]]
url = "http://a/"
[[prometheus.remote_write.one.endpoint.write_relabel_config]]
source_labels = ["__name__"]
regex = "go_.*|target_info"
action = "drop"
[[prometheus.remote_write.two.endpoint]]
url = "http://b/"
[[prometheus.remote_write.two.endpoint]]
url = "http://c/"
name = "c"
[recorder.memory.m]
"""


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """The configuration above."""
    return Simulation(load_document(read_text(CONFIG, name="c.toml", folder=Path()), {}, in_container=False))


def case(simulation: Simulation, text: str) -> str:
    """The failure of one test in TOML."""
    file = CaseFile.model_validate(tomllib.loads(f'config = "c"\n[[test]]\nname = "n"\n{text}'))
    return run_case(file.test[0], simulation)


def named(series: Sequence[Series], name: str) -> list[Series]:
    """The series of one metric."""
    return [each for each in series if each.name == name]


def test_every_endpoint_has_its_own_series(simulation: Simulation) -> None:
    """External labels and rules are those of the endpoint; two endpoints get it twice; a recorder gets it too."""
    points = [Point(name="go.threads", value=7), Point(name="up", value=1)]
    found = simulation.points("", points, {"service.name": "web", "host.name": "h"})
    where = [(each.at, each.name) for each in found]
    assert where.count(("prometheus.remote_write.one", "go_threads")) == 0
    assert where.count(("prometheus.remote_write.two", "go_threads")) == 2
    assert where.count(("recorder.memory.m", "go_threads")) == 1
    one, *_ = named(found, "up")
    assert one == Series(at="prometheus.remote_write.one", name="up", labels={"cluster": "c1", "job": "web"}, value=1)


@pytest.mark.parametrize(
    ("point", "names"),
    [
        (Point(name="a.b", type="counter", unit="s", value=2), {"a_b_seconds_total": 2.0}),
        (Point(name="a.b", type="updowncounter", unit="By", value=-2), {"a_b_bytes": -2.0}),
        (Point(name="a.b", unit="1", value=0.5), {"a_b_ratio": 0.5}),
        (
            Point(name="a.b", type="histogram", unit="ms", value=3, bounds=(1, 3)),
            {"a_b_milliseconds_count": 1.0, "a_b_milliseconds_sum": 3.0, "a_b_milliseconds_bucket": 1.0},
        ),
    ],
)
def test_every_instrument(simulation: Simulation, point: Point, names: dict[str, float]) -> None:
    """Each kind of instrument becomes the series that Prometheus knows for it, with the value."""
    found = simulation.points("", [point], {})
    assert {each.name: each.value for each in found if each.at == "recorder.memory.m"} == names


@given(st.floats(0, 20))
@settings(max_examples=50)
def test_buckets(simulation: Simulation, value: float) -> None:
    """An observation counts in every bucket whose bound is not below it."""
    found = simulation.points("", [Point(name="d", type="histogram", value=value)], {})
    buckets = {each.labels["le"]: each.value for each in found if each.name == "d_bucket" and "one" in each.at}
    assert len(buckets) == len(BOUNDS) + 1
    assert all(count == (1 if value <= float(bound) else 0) for bound, count in buckets.items())


PASSING = [
    'points = [{ name = "up", value = 1 }]\nexpect = [{ name = "up", value = 1, at = "recorder.memory.m" }]',
    'points = [{ name = "up" }, { name = "x" }]\nexpect = [{ name = "x", labels = { cluster = "c1" } }]',
    "points = []\nexpect = []",
]


@pytest.mark.parametrize("text", PASSING)
def test_passing_cases(simulation: Simulation, text: str) -> None:
    """Expected series are looked for; others may be there."""
    assert case(simulation, text) == ""


def test_failing_cases(simulation: Simulation) -> None:
    """A series that is missing is shown with those that came, up to a bound; so is one that should not have come."""
    missing = case(simulation, 'points = [{ name = "up", value = 1 }]\nexpect = [{ name = "down" }, { name = "up" }]')
    assert missing.splitlines()[:3] == [
        '  expected {"name": "down"}',
        "  got",
        '  prometheus.remote_write.one up {"cluster": "c1"} 1.0',
    ]
    unwanted = case(simulation, 'points = [{ name = "up" }]\nexpect = []')
    assert unwanted.startswith("  expected no series\n  got\n")
    nothing = case(simulation, 'points = []\nexpect = [{ name = "up" }]')
    assert nothing == '  expected {"name": "up"}\n  got no series'
    many = case(simulation, 'points = [{ name = "h", type = "histogram" }]\nexpect = []').splitlines()
    assert len(many) == 2 + 20 + 1
    assert many[-1] == f"  and {4 * 14 - 20} more"


def test_wrong_entry(simulation: Simulation) -> None:
    """A receiver that is not there is named."""
    with pytest.raises(SimulationError, match="there is no component x"):
        simulation.points("x", [], {})
