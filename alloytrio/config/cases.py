"""Unit tests of a user's configuration, written in TOML.

    config = "../alloytrio.toml"                # from the folder of this file
    environment = { LOKI_HOST = "loki" }        # all that the configuration sees of the environment

    [[test]]
    name = "the level becomes a label"
    target = { __meta_docker_container_name = "/web" }
    lines = ['{"level":"ERROR"}', "no JSON"]
    expect = [{ labels = { container = "web", level = "error" } }, { line = "no JSON" }]

    [[test]]
    name = "alloy is not collected"
    targets = [{ __meta_docker_container_label_com_docker_compose_service = "alloy" }]
    at = "discovery.relabel.logs"
    expect = []

    [[test]]
    name = "spans go to Tempo"
    signal = "traces"
    expect = ["otelcol.exporter.otlp.tempo"]

    [[test]]
    name = "orders are counted by shop"
    points = [{ name = "orders.placed", type = "counter", value = 3, attributes = { shop = "north" } }]
    resource = { "service.name" = "web" }
    expect = [{ name = "orders_placed_total", labels = { shop = "north", job = "web" }, value = 3 }]

    [[test]]
    name = "log records go to Loki"
    records = [{ body = "no stock", severity = "ERROR", attributes = { user = "ann" } }]
    resource = { "service.name" = "web" }
    expect = [{ labels = { exporter = "OTLP", job = "web", level = "ERROR" } }]

What an expectation does not mention is not compared; labels that it mentions are compared as a whole, for targets
without those that begin with ``__`` and are not mentioned. Lines and targets that come out must be exactly those that
are expected, in order; of series (a histogram becomes a dozen) the expected ones must be there, and none if none is
expected.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from alloytrio.component import Signal
from alloytrio.config.load import load
from alloytrio.config.points import Point, Series
from alloytrio.config.problems import InvalidConfigError, Problem, dotted
from alloytrio.config.records import LogRecord
from alloytrio.config.simulation import Delivered, Simulation, SimulationError

SERIES_SHOWN = 20
"""So many series are shown of a test that failed."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExpectedLine(_Table):
    """What a line should be when it is sent; what is not given is not compared."""

    line: str | None = Field(None, description="the text")
    labels: dict[str, str] | None = Field(None, description="all labels of its stream")
    structured_metadata: dict[str, str] | None = Field(None, description="all of it")
    tenant: str | None = Field(None, description="of Loki")
    at: str | None = Field(None, description="the component that sends it")


class _Case(_Table):
    """``[[test]]``: something that goes in, and what should come out."""

    name: str = Field(description="what must hold")
    at: str = Field("", description="the component where it enters; may be left out if there is only one that fits")


class LinesCase(_Case):
    """Log lines of one container."""

    lines: list[str] = Field(description="in order")
    target: dict[str, str] = Field({}, description="labels of the container, as discovery finds them")
    stream: Literal["stdout", "stderr"] = Field("stdout", description="that the lines were written to")
    expect: list[ExpectedLine] = Field(description="the lines that are sent, in order")

    def run(self, simulation: Simulation) -> str:
        """What is wrong; empty if the test passes."""
        return _compare_lines(self.expect, simulation.lines(self.at, self.target, self.lines, self.stream))


class TargetsCase(_Case):
    """Targets that are found."""

    targets: list[dict[str, str]] = Field(description="labels of each, as discovery finds them")
    expect: list[dict[str, str]] = Field(description="labels of those that are left")

    def run(self, simulation: Simulation) -> str:
        """What is wrong; empty if the test passes."""
        reached = simulation.targets(self.at, self.targets)
        return _compare_targets(self.expect, reached[self.at or next(iter(reached))])


class SignalCase(_Case):
    """OpenTelemetry data that is received."""

    signal: Literal["traces", "metrics", "logs"] = Field(description="which")
    expect: list[str] = Field(description="ids of the components that it ends at")

    def run(self, simulation: Simulation) -> str:
        """What is wrong; empty if the test passes."""
        ends = simulation.signal(self.at, Signal(self.signal))
        return "" if sorted(self.expect) == ends else _difference(sorted(self.expect), ends)


class ExpectedSeries(_Table):
    """A series that is sent; what is not given is not compared."""

    name: str | None = Field(None, description="of the metric in Prometheus")
    labels: dict[str, str] | None = Field(None, description="all labels but the name")
    value: float | None = Field(None, description="of its sample")
    at: str | None = Field(None, description="the component that sends it")

    def fits(self, series: Series) -> bool:
        """Whether a series is the expected one."""
        return all(getattr(series, key) == value for key, value in self.model_dump(exclude_none=True).items())


class PointsCase(_Case):
    """Data points of OpenTelemetry metrics, and the series that Prometheus gets."""

    points: list[Point] = Field(description="in one request")
    resource: dict[str, str] = Field({}, description="attributes of what they come from")
    expect: list[ExpectedSeries] = Field(description="series that are sent; none: nothing is sent")

    def run(self, simulation: Simulation) -> str:
        """What is wrong; empty if the test passes."""
        return _compare_series(self.expect, simulation.points(self.at, self.points, self.resource))


class RecordsCase(_Case):
    """OpenTelemetry log records, and the lines that Loki gets."""

    records: list[LogRecord] = Field(description="in one request")
    resource: dict[str, str] = Field({}, description="attributes of what they come from")
    expect: list[ExpectedLine] = Field(description="the lines that are sent, in order")

    def run(self, simulation: Simulation) -> str:
        """What is wrong; empty if the test passes."""
        return _compare_lines(self.expect, simulation.records(self.at, self.records, self.resource))


_INPUTS = ("lines", "targets", "signal", "points", "records")


def _input_of(data: object) -> str | None:
    given = [name for name in _INPUTS if isinstance(data, dict) and name in data]
    return given[0] if len(given) == 1 else None


Case = Annotated[
    Annotated[LinesCase, Tag("lines")]
    | Annotated[TargetsCase, Tag("targets")]
    | Annotated[SignalCase, Tag("signal")]
    | Annotated[PointsCase, Tag("points")]
    | Annotated[RecordsCase, Tag("records")],
    Discriminator(
        _input_of,
        custom_error_type="one_input",
        custom_error_message="a test needs one of lines, targets, signal, points and records",
    ),
]


class CaseFile(_Table):
    """A file of tests."""

    config: str = Field(description="the configuration, from the folder of this file")
    environment: dict[str, str] = Field({}, description="all variables that the configuration sees")
    test: list[Case] = Field(min_length=1, description="the tests")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended.

    Args:
        file: of the test.
        name: of the test.
        failure: what was expected and what came; empty if it passed.
    """

    file: str
    name: str
    failure: str = ""


def run_cases(path: Path) -> list[Outcome]:
    """Runs the tests of a file, or of all TOML files in a folder.

    Raises:
        InvalidConfigError: a file of tests is not right, or its configuration is not.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise InvalidConfigError([Problem(str(path), 0, 0, "", "there are no tests (*.toml) in this folder")])
    return [outcome for file in files for outcome in _run_file(file)]


def _run_file(path: Path) -> list[Outcome]:
    cases = read_cases(path)
    simulation = Simulation(load(path.parent / cases.config, cases.environment, in_container=False))
    return [Outcome(str(path), case.name, run_case(case, simulation)) for case in cases.test]


def read_cases(path: Path) -> CaseFile:
    """The tests in a file.

    Raises:
        InvalidConfigError: it cannot be read, or is not as described above.
    """
    try:
        return CaseFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as exc:
        problems = [Problem(str(path), 0, 0, "", f"cannot be read: {exc.strerror or type(exc).__name__}")]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        problems = [Problem(str(path), 0, 0, "", f"not TOML: {exc}")]
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
        problems = [Problem(str(path), 0, 0, _path(each["loc"]), _words(each["msg"])) for each in errors]
    raise InvalidConfigError(problems)


def _path(location: tuple[str | int, ...]) -> str:
    """The place of an error, without the name of the kind of test that pydantic puts behind the index."""
    return dotted(part for at, part in enumerate(location) if not (at == 2 and part in _INPUTS))


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")


def run_case(case: LinesCase | TargetsCase | SignalCase | PointsCase | RecordsCase, simulation: Simulation) -> str:
    """What is wrong; empty if the test passes."""
    try:
        return case.run(simulation)
    except SimulationError as error:
        return str(error)


def _compare_lines(expected: Sequence[ExpectedLine], delivered: Sequence[Delivered]) -> str:
    failures = []
    if len(expected) != len(delivered):
        failures.append(f"expected {_count(len(expected))}, got {_count(len(delivered))}")
        failures += [f"  {_shown(each)}" for each in delivered]
    for number, (wanted, got) in enumerate(zip(expected, delivered, strict=False), 1):
        for key, value in wanted.model_dump(exclude_none=True).items():
            has = getattr(got, key)
            has = dict(has) if isinstance(has, Mapping) else has
            if value != has:
                failures.append(f"line {number}: {key}\n{_difference(value, has)}")
    return "\n".join(failures)


def _compare_series(expected: Sequence[ExpectedSeries], delivered: Sequence[Series]) -> str:
    missing = [each.model_dump(exclude_none=True) for each in expected if not any(map(each.fits, delivered))]
    if not missing and (expected or not delivered):
        return ""
    shown = [f"  {each.at} {each.name} {_json(each.labels)} {each.value}" for each in delivered[:SERIES_SHOWN]]
    more = [f"  and {len(delivered) - SERIES_SHOWN} more"] if len(delivered) > SERIES_SHOWN else []
    wanted = [f"  expected {_json(each)}" for each in missing] or ["  expected no series"]
    return "\n".join([*wanted, "  got" if delivered else "  got no series", *shown, *more])


def _count(number: int) -> str:
    return "no lines" if number == 0 else "1 line" if number == 1 else f"{number} lines"


def _shown(delivered: Delivered) -> str:
    return f"{delivered.at} {_json(dict(delivered.labels))} {delivered.line!r}"


def _compare_targets(expected: Sequence[dict[str, str]], got: Sequence[Mapping[str, str]]) -> str:
    mentioned = {name for labels in expected for name in labels}
    visible = [
        {name: value for name, value in labels.items() if not name.startswith("__") or name in mentioned}
        for labels in got
    ]
    return "" if list(expected) == visible else _difference(expected, visible)


def _difference(expected: object, got: object) -> str:
    return f"  expected {_json(expected)}\n  got      {_json(got)}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
