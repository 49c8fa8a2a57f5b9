"""What a stage of ``loki.process`` is, and what all stages share.

A stage gets a list of entries and returns the list that goes on: it changes entries in place, leaves some out, or
holds some back. It runs in the reader's task and never waits; what it wants to wait for it notes on the ``Pass``.

Values that stages take out of a line are strings, booleans, integers, floats or None; a label or a line needs text,
and ``text_of`` says what text a value is. Source: Alloy ``internal/component/loki/process/stages``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from alloytrio.entry import Entry
from alloytrio.relabel import LABEL_NAME
from alloytrio.telemetry import ComponentTelemetry, Counter

DROPPED = "loki_process_dropped_lines_total"
DROPPED_HELP = "A count of all log lines dropped as a result of a pipeline stage."


class Pass:
    """One batch on its way through the stages, and what they want the source to know.

    Args:
        source: names the reader; what is held back for one reader never mixes with another's.
        now_ns: wall clock, nanoseconds since 1970.
        now: seconds of the event loop's clock.
        ended: nothing more comes from this reader.

    Attributes:
        held: per stream, the number of the first entry that a stage holds back.
        wait_until: when the result may be handed on; 0 = at once.
        wake_at: when a stage wants to be called again without new entries.
    """

    __slots__ = ("ended", "held", "now", "now_ns", "source", "wait_until", "wake_at")

    def __init__(self, source: bytes, now_ns: int, now: float, ended: bool = False) -> None:
        self.source = source
        self.now_ns = now_ns
        self.now = now
        self.ended = ended
        self.held: dict[str, int] = {}
        self.wait_until = 0.0
        self.wake_at = float("inf")

    def hold(self, entry: Entry) -> None:
        """Note that an entry is held back, so that its stream's position stays before it."""
        name = entry.origin.name
        self.held[name] = min(entry.seq, self.held.get(name, entry.seq))


class Stage(Protocol):
    """One step. Called once per batch, also with an empty one when time has passed."""

    @property
    def holds(self) -> bool:
        """Whether it may hold entries back."""
        ...

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """The entries that go on, in order."""
        ...

    def forget(self, source: bytes) -> None:
        """Drop what is held for a reader that is gone."""
        ...


class PlainStage:
    """A stage that holds nothing back."""

    holds = False

    def forget(self, source: bytes) -> None:
        """Nothing to drop."""


class StageTable(BaseModel):
    """The settings of a stage. A subclass adds ``build(context)``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def build(self, context: "StageContext") -> Stage:
        """The stage, ready to run."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class StageContext:
    """What stages need from their component."""

    telemetry: ComponentTelemetry

    def dropped(self, reason: str) -> Counter:
        """Counts the entries that a stage leaves out."""
        return self.telemetry.counter(DROPPED, DROPPED_HELP, reason=reason)


def text_of(value: object) -> str | None:
    """The text of an extracted value; None if it has none (null).

    Numbers are written without exponent and without a trailing ``.0``: 125.0 → ``125``, 1e-7 → ``0.0000001``.
    """
    if type(value) is str:
        return value
    if value is None:
        return None
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return None


def line_text(line: bytes) -> str:
    """A line as text; bytes that are not UTF-8 survive the way back through ``line_bytes``."""
    return line.decode(errors="surrogateescape")


def line_bytes(text: str) -> bytes:
    """A text as a line. What cannot be written in UTF-8 (a lone surrogate out of JSON) becomes ``?``."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="replace")


Source = Callable[[Entry], bytes | None]
"""Reads what a stage works on: the line, or an extracted value; None if there is none."""


def source_of(name: str | None) -> Source:
    """The line for None, else the extracted value of that name."""
    if name is None:
        return lambda entry: entry.line
    return lambda entry: _extracted_bytes(entry, name)


def _extracted_bytes(entry: Entry, name: str) -> bytes | None:
    text = text_of(entry.extracted.get(name))
    return None if text is None else line_bytes(text)


def set_label(entry: Entry, name: str, value: str) -> None:
    """Set one label; the dict is shared with other entries, so a new one takes its place."""
    entry.labels = {**entry.labels, name: value}


def check_label_names(names: object) -> None:
    """Refuse names that Loki would refuse, together with the whole request that holds them.

    Raises:
        ValueError: naming the first bad one.
    """
    for name in names if isinstance(names, (dict, list, tuple)) else ():
        if not LABEL_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a label name: letters, digits and _ only, not beginning with a digit")
