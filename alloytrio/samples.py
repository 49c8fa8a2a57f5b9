"""Prometheus samples between components: what flows over a SAMPLES edge.

Whoever makes samples asks its consumers once for their targets. Each target is an outbox, or something that keeps
samples itself, and says how it wants them: with which labels, which kinds, cut how. Targets that want the same share
one conversion.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alloytrio.outbox import BatchPolicy, Fragment, Lane, Put
from alloytrio.relabel import Relabeling, RelabelRule
from alloytrio.telemetry import SamplesSeen, Tap
from alloytrio.wire.remote_write import split_write_request

MAX_FRAGMENT_BYTES = 2 << 20  # a fragment that waits is a fragment in memory; Prometheus takes 32 MiB at once
SERIES = "series"
METADATA = "metadata"
CODEC = "snappy"


@dataclass(frozen=True, slots=True)
class SampleView:
    """How a target wants its samples; equal views get the same bytes.

    Args:
        external_labels: added to each series that has no such label.
        rules: applied to each series after that.
        exemplars: whether they are sent.
        native_histograms: whether they are sent.
        shards: series are spread over so many lists, each sent in order.
        max_samples: a request never has more.
    """

    external_labels: tuple[tuple[str, str], ...] = ()
    rules: tuple[RelabelRule, ...] = ()
    exemplars: bool = True
    native_histograms: bool = False
    shards: int = 1
    max_samples: int = 10_000

    def fragments(self, shard: int, samples: int, series: bytes) -> list[Fragment]:
        """Encoded series of one shard as fragments that fit."""
        encoding = series_encoding(shard, self.shards)
        if samples <= self.max_samples and len(series) <= MAX_FRAGMENT_BYTES:
            return [Fragment(samples, series, encoding)]
        parts = split_write_request(series, self.max_samples, MAX_FRAGMENT_BYTES)
        return [Fragment(items, payload, encoding) for items, payload in parts]


class ViewLabels:
    """What a view does to the labels of a series. Called once per series, not per sample."""

    def __init__(self, view: SampleView) -> None:
        self._external = dict(view.external_labels)
        self._relabeling = Relabeling(view.rules) if view.rules else None

    def finish(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """The labels that a series is sent with; None: it is not sent."""
        kept = {name: value for name, value in labels.items() if value}
        if self._external:
            kept = {**self._external, **kept}
        return self._relabeling.apply(kept) if self._relabeling is not None else kept


@dataclass(frozen=True, slots=True)
class Handed:
    """What one request brought to a target, for its metrics.

    Args:
        samples, exemplars, histograms: handed over.
        out_of_order: left out, because newer ones were handed over before.
        newest_ms: the newest timestamp; 0 if there is none.
        series: that are known.
    """

    samples: int
    exemplars: int
    histograms: int
    out_of_order: int
    newest_ms: int
    series: int


class TargetObserver(Protocol):
    """Whoever counts what a target gets."""

    def on_handed(self, handed: Handed) -> None:
        """Samples are about to be put into the target's outbox."""


@dataclass(frozen=True, slots=True)
class SampleTarget:
    """One outbox for samples, or one who keeps them itself.

    Args:
        key: names it.
        view: how it wants them.
        lane: the way into the outbox; None: there is none, ``keep`` takes the fragments.
        observer: is told of what comes.
        metadata_interval: seconds after which type, help and unit of all families are put in again; 0 = never.
        max_metadata: entries of one request.
        tap: shows the series that are handed over, to who watches whom they are for.
        keep: gets what an outbox would; returns at once. After a failure elsewhere it gets the same again.
    """

    key: str
    view: SampleView
    lane: Lane | None
    observer: TargetObserver = field(compare=False)
    metadata_interval: float = 60.0
    max_metadata: int = 2000
    tap: Tap | None = field(default=None, compare=False)
    keep: Callable[[Sequence[Fragment]], None] | None = field(default=None, compare=False)

    def puts(self, fragments: Sequence[Fragment], undo: Callable[[], None]) -> list[Put]:
        """What to put where for one request; nothing if the target keeps it itself."""
        if self.tap is not None and self.tap.is_watched:
            show_samples(self.tap, fragments)
        if self.keep is not None:
            self.keep(fragments)
        return [] if self.lane is None else [Put(self.lane, fragments, undo)]


class SampleConsumer(Protocol):
    """A component that takes samples."""

    def sample_targets(self, policy: BatchPolicy | None) -> list[SampleTarget]:
        """Its outboxes; ``policy`` is that of the last batch processor before."""


def show_samples(tap: Tap, fragments: Sequence[Fragment]) -> None:
    """Show series to who watches; metadata is left out."""
    for fragment in fragments:
        if not fragment.encoding.startswith(METADATA):
            tap.show(SamplesSeen(fragment.payload))


def series_encoding(shard: int, shards: int) -> str:
    """The encoding of a shard's fragments: batches of one shard are sent one after the other."""
    return f"{SERIES}/{CODEC}" if shards == 1 else f"{SERIES}:{shard}of{shards}/{CODEC}"
