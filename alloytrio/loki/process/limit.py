"""``stage.limit``: at most so many lines per second. Source: Alloy ``stages/limit.go``.

On purpose different: waiting is reserved for a whole batch at once, so a batch goes on together when its last line
may.
"""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable

REASON = "ratelimit_drop_stage"
BY_LABEL = "loki_process_dropped_lines_by_label_total"
MIN_DISTINCT_LABELS = 10_000  # Alloy's least


class LimitConfig(StageTable):
    """``[loki.process.x.stage.limit]``"""

    rate: float = Field(gt=0, description="Lines per second.")
    burst: int = Field(gt=0, description="Lines that may pass at once after a pause.")
    drop: bool = Field(False, description="Leave out what is too much, instead of waiting.")
    by_label_name: str = Field("", description="A limit for each value of this label; needs drop.")
    max_distinct_labels: int = Field(
        MIN_DISTINCT_LABELS, description="Values of the label that are kept apart; at least 10000."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.by_label_name and not self.drop:
            raise ValueError("by_label_name needs drop = true")
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return LimitStage(self, context)


class TokenBucket:
    """Starts full.

    Args:
        rate: tokens per second.
        burst: tokens at most.
        now: seconds of the event loop's clock.
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._updated = now

    def _refill(self, now: float) -> None:
        if now > self._updated:
            self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
            self._updated = now

    def allow(self, now: float) -> bool:
        """Take a token if there is one."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def reserve(self, count: int, now: float) -> float:
        """Take tokens, in advance if need be; the time from which they would have been there."""
        self._refill(now)
        self._tokens -= count
        return now if self._tokens >= 0 else now - self._tokens / self._rate


class LimitStage(PlainStage):
    """The limit holds for all readers together."""

    def __init__(self, config: LimitConfig, context: StageContext) -> None:
        self._config = config
        self._context = context
        self._bucket: TokenBucket | None = None
        # Two generations: when the young one is full it becomes the old one, and what was in that is forgotten.
        self._young: dict[str, TokenBucket] = {}
        self._old: dict[str, TokenBucket] = {}
        self._dropped = context.dropped(REASON)

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Wait, or leave out what is too much."""
        if not entries:
            return entries
        if self._config.by_label_name:
            return [entry for entry in entries if self._allow_label(entry, batch.now)]
        if self._bucket is None:
            self._bucket = TokenBucket(self._config.rate, self._config.burst, batch.now)
        if self._config.drop:
            kept = [entry for entry in entries if self._bucket.allow(batch.now)]
            self._dropped.inc(len(entries) - len(kept))
            return kept
        batch.wait_until = max(batch.wait_until, self._bucket.reserve(len(entries), batch.now))
        return entries

    def _allow_label(self, entry: Entry, now: float) -> bool:
        name = self._config.by_label_name
        value = entry.labels.get(name)
        if value is None:
            return True
        bucket = self._young.get(value)
        if bucket is None:
            if len(self._young) >= max(self._config.max_distinct_labels, MIN_DISTINCT_LABELS):
                self._old, self._young = self._young, {}
            bucket = self._old.get(value) or TokenBucket(self._config.rate, self._config.burst, now)
            self._young[value] = bucket
        if bucket.allow(now):
            return True
        self._dropped.inc()
        help_text = "Lines dropped by stage.limit, by label."
        self._context.telemetry.counter(BY_LABEL, help_text, label_name=name, label_value=value).inc()
        return False
