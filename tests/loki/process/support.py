"""Runs stages on entries, and says what came out."""

from collections.abc import Mapping

from alloytrio.entry import Entry, Origin
from alloytrio.loki.process.stage import Pass, Stage, StageContext
from alloytrio.loki.process.stages import StageEntry
from alloytrio.telemetry import ComponentTelemetry, Telemetry

ORIGIN = Origin("stdout", {"app": "web"})
NOW_NS = 1_700_000_000_000_000_000


class Bench:
    """Stages with a telemetry of their own.

    Args:
        tables: the ``stage`` array of a configuration.
    """

    def __init__(self, *tables: Mapping[str, object]) -> None:
        self.telemetry: ComponentTelemetry = Telemetry().component("loki.process.test")
        context = StageContext(self.telemetry)
        self.stages: list[Stage] = [StageEntry.model_validate(table).build(context) for table in tables]
        self.last = self.pass_at(0.0)

    def pass_at(self, now: float, *, source: bytes = b"c1", ended: bool = False) -> Pass:
        return Pass(source, NOW_NS + int(now * 1e9), now, ended)

    def run(self, *entries: Entry, now: float = 0.0, source: bytes = b"c1", ended: bool = False) -> list[Entry]:
        """What comes out of all stages; ``last`` is the pass."""
        self.last = self.pass_at(now, source=source, ended=ended)
        going = list(entries)
        for each in going:
            each.extracted = dict(each.labels) | each.extracted
        for stage in self.stages:
            going = stage.process(going, self.last)
        return going

    def count(self, name: str, **labels: str) -> float:
        """The value of a counter."""
        return next((value for found, has, value in self.telemetry.values() if (found, has) == (name, labels)), -1.0)


def entry(
    line: bytes | str = b"",
    *,
    labels: dict[str, str] | None = None,
    extracted: dict[str, object] | None = None,
    metadata: dict[str, str] | None = None,
    ts_ns: int = NOW_NS,
    seq: int = 0,
    origin: Origin = ORIGIN,
) -> Entry:
    """An entry with the given parts."""
    made = Entry(origin, ts_ns, line.encode() if isinstance(line, str) else line, seq)
    if labels is not None:
        made.labels = labels
    made.extracted = dict(extracted or {})
    made.metadata = metadata
    return made


def one(table: Mapping[str, object], subject: Entry) -> Entry:
    """The one entry that comes out of one stage."""
    [result] = Bench(table).run(subject)
    return result


def lines(entries: list[Entry]) -> list[str]:
    """The lines of entries, as text."""
    return [each.line.decode() for each in entries]
