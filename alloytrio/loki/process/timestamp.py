"""``stage.timestamp``: the time of an entry is what the line says.

Source: Alloy ``stages/timestamp.go``.
"""

from collections import OrderedDict
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.golayout import TimeParser, compile_layout
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, text_of

REMEMBERED_STREAMS = 10_000  # Alloy's: label sets of which the last time is kept


class TimestampConfig(StageTable):
    """``[loki.process.x.stage.timestamp]``"""

    source: str = Field(min_length=1, description="The extracted value.")
    format: str = Field(
        min_length=1, description='RFC3339, Unix, UnixMs, … or a Go layout such as "2006-01-02 15:04:05".'
    )
    fallback_formats: tuple[str, ...] = Field((), description="Tried in order if format does not fit.")
    location: str = Field("", description="IANA time zone of times that do not say theirs; empty = UTC.")
    action_on_failure: Literal["fudge", "skip"] = Field(
        "fudge", description="What if no format fits. fudge: 1ns after the stream's last entry; skip: keep the time."
    )
    action_on_duplicate_timestamp: Literal["fudge", "keep"] = Field(
        "fudge", description="What if a time comes twice in a row. fudge: 1ns later, so that the order is kept."
    )

    @field_validator("location")
    @classmethod
    def _check_location(cls, location: str) -> str:
        if location:
            try:
                ZoneInfo(location)
            except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
                raise ValueError(f"unknown time zone {location!r}") from exc
        return location

    @model_validator(mode="after")
    def _check(self) -> Self:
        for layout in (self.format, *self.fallback_formats):
            compile_layout(layout)
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return TimestampStage(self)


class _Last:
    """Of one label set: the last time that was read, and the last one that was given."""

    __slots__ = ("given", "read")

    def __init__(self, read: int, given: int) -> None:
        self.read = read
        self.given = given


class TimestampStage(PlainStage):
    """Remembers the last time per label set, of the 10 000 that were used last."""

    def __init__(self, config: TimestampConfig) -> None:
        self._config = config
        zone = ZoneInfo(config.location) if config.location else None
        self._parsers: list[TimeParser] = [
            compile_layout(layout, zone) for layout in (config.format, *config.fallback_formats)
        ]
        self._last: OrderedDict[frozenset[tuple[str, str]], _Last] = OrderedDict()

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Set the time of each entry."""
        for entry in entries:
            key = frozenset(entry.labels.items())
            last = self._last.get(key)
            text = text_of(entry.extracted.get(self._config.source))
            read = None if text is None else self._parse(text, batch.now_ns)
            if read is not None:
                again = last is not None and last.read == read
                if again and last is not None and self._config.action_on_duplicate_timestamp == "fudge":
                    entry.ts_ns = last.given + 1
                else:
                    entry.ts_ns = read
                self._remember(key, read, entry.ts_ns)
            elif self._config.action_on_failure == "fudge" and last is not None:
                entry.ts_ns = last.given + 1
                self._remember(key, last.read, entry.ts_ns)
        return entries

    def _parse(self, text: str, now_ns: int) -> int | None:
        for parser in self._parsers:
            instant = parser(text, now_ns)
            if instant is not None:
                return instant
        return None

    def _remember(self, key: frozenset[tuple[str, str]], read: int, given: int) -> None:
        self._last[key] = _Last(read, given)
        self._last.move_to_end(key)
        if len(self._last) > REMEMBERED_STREAMS:
            self._last.popitem(last=False)
