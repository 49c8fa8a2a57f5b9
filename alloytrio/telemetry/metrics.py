"""Own metrics: cheap counters, and one collector that shows them in the Prometheus text format.

prometheus_client's own children take a lock and walk label tuples; ours are plain objects that the event loop alone
touches, so counting an item is one attribute addition. They meet prometheus_client only when someone scrapes.

In: ``inc``, ``set``, ``observe`` from the event loop (not from threads).
Out: ``Metric`` families, each with the labels ``component_id`` and ``component_path`` first, as Alloy's.
Errors: ``ValueError`` for a name that is used with two types, which is a bug.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.core import Metric

Labels = tuple[tuple[str, str], ...]
"""Label names and values in the order in which they were given."""


class Counter:
    """A number that only grows.

    Attributes:
        value: the sum so far; read it, do not set it.
    """

    __slots__ = ("value",)
    TYPE = "counter"

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, n: float = 1) -> None:
        """Add ``n``, which is not negative."""
        self.value += n


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("value",)
    TYPE = "gauge"

    def __init__(self) -> None:
        self.value: float = 0

    def set(self, value: float) -> None:
        """Replace the value."""
        self.value = value

    def inc(self, n: float = 1) -> None:
        """Add ``n``."""
        self.value += n

    def dec(self, n: float = 1) -> None:
        """Subtract ``n``."""
        self.value -= n


class Histogram:
    """Counts of observations by size.

    Args:
        buckets: upper bounds (inclusive), ascending, without +Inf.

    Attributes:
        counts: observations per bucket, not cumulative; the last one is +Inf.
        sum: of all observations.
    """

    __slots__ = ("buckets", "counts", "sum")
    TYPE = "histogram"

    def __init__(self, buckets: Sequence[float]) -> None:
        if list(buckets) != sorted(set(buckets)) or not buckets or buckets[-1] == math.inf:
            raise ValueError("histogram bounds must ascend and leave out +Inf")
        self.buckets = tuple(buckets)
        self.counts = [0] * (len(buckets) + 1)
        self.sum: float = 0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.buckets, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self.counts)


Child = Counter | Gauge | Histogram


class SeriesSet:
    """The series of one component id, shared by all who hold it: a reloaded component goes on counting."""

    def __init__(self) -> None:
        self._help: dict[str, tuple[str, str]] = {}  # name → (type, help)
        self._children: dict[tuple[str, Labels], Child] = {}
        # The newest function of a series answers; an older one comes back when the newer holder closes.
        self._functions: dict[tuple[str, Labels], list[tuple[object, Callable[[], float]]]] = {}

    def counter(self, name: str, help_text: str, labels: Mapping[str, str]) -> Counter:
        """The counter of that name and labels, made at first use. The name is the full one, ending in ``_total``."""
        if not name.endswith("_total"):
            raise ValueError(f"counter {name} must end in _total")
        child = self._child(name, help_text, labels, Counter.TYPE, Counter)
        assert isinstance(child, Counter)
        return child

    def gauge(self, name: str, help_text: str, labels: Mapping[str, str]) -> Gauge:
        """The gauge of that name and labels, made at first use."""
        child = self._child(name, help_text, labels, Gauge.TYPE, Gauge)
        assert isinstance(child, Gauge)
        return child

    def histogram(self, name: str, help_text: str, buckets: Sequence[float], labels: Mapping[str, str]) -> Histogram:
        """The histogram of that name and labels, made at first use."""
        child = self._child(name, help_text, labels, Histogram.TYPE, lambda: Histogram(buckets))
        assert isinstance(child, Histogram)
        return child

    def _child(
        self, name: str, help_text: str, labels: Mapping[str, str], kind: str, make: Callable[[], Child]
    ) -> Child:
        self._declare(name, help_text, kind)
        key = (name, tuple(labels.items()))
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = make()
        return child

    def gauge_function(
        self, holder: object, name: str, help_text: str, function: Callable[[], float], labels: Mapping[str, str]
    ) -> None:
        """Ask ``function`` for the gauge's value at each scrape, on behalf of ``holder``."""
        self._declare(name, help_text, Gauge.TYPE)
        functions = self._functions.setdefault((name, tuple(labels.items())), [])
        functions[:] = [entry for entry in functions if entry[0] is not holder]
        functions.append((holder, function))

    def release(self, holder: object) -> None:
        """Drop the functions of ``holder`` where another one answers; what only it can tell stays.

        An outbox that is handed over to a reloaded component goes on using the series it made before.
        """
        for functions in self._functions.values():
            if len(functions) > 1:
                functions[:] = [entry for entry in functions if entry[0] is not holder] or functions[-1:]

    def _declare(self, name: str, help_text: str, kind: str) -> None:
        declared = self._help.setdefault(name, (kind, help_text))
        if declared[0] != kind:
            raise ValueError(f"metric {name} is a {declared[0]}, not a {kind}")

    def values(self) -> list[tuple[str, dict[str, str], float]]:
        """Counters and gauges as (name, labels, value), for the page: no text format in between."""
        found = [
            (name, dict(labels), child.value)
            for (name, labels), child in self._children.items()
            if not isinstance(child, Histogram)
        ]
        for (name, labels), functions in self._functions.items():
            found.append((name, dict(labels), _ask(functions[-1][1])))
        return found

    def add_to(self, families: dict[str, Metric], base_labels: Mapping[str, str]) -> None:
        """Put all series into their families, making those that are missing."""
        for (name, labels), child in self._children.items():
            add_samples(self._family(families, name), name, {**base_labels, **dict(labels)}, child)
        for (name, labels), functions in self._functions.items():
            family = self._family(families, name)
            family.add_sample(name, {**base_labels, **dict(labels)}, _ask(functions[-1][1]))

    def _family(self, families: dict[str, Metric], name: str) -> Metric:
        kind, help_text = self._help[name]
        family = families.get(name)
        if family is None:
            # prometheus_client wants the name without _total and puts it back when it prints.
            family = families[name] = Metric(
                name.removesuffix("_total") if kind == "counter" else name, help_text, kind
            )
        return family


def _ask(function: Callable[[], float]) -> float:
    """The function's answer, or NaN: a fault in one gauge must not take the whole scrape away."""
    try:
        return float(function())
    except (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError):
        return math.nan


def add_samples(family: Metric, name: str, labels: dict[str, str], child: Child) -> None:
    """Append the samples of one series to its family."""
    if not isinstance(child, Histogram):
        family.add_sample(name, labels, child.value)
        return
    total = 0
    for bound, count in zip((*child.buckets, math.inf), child.counts, strict=True):
        total += count
        family.add_sample(f"{name}_bucket", {**labels, "le": format_bound(bound)}, total)
    family.add_sample(f"{name}_count", labels, total)
    family.add_sample(f"{name}_sum", labels, child.sum)


def format_bound(bound: float) -> str:
    """A bucket's bound as Go's client prints it: 10.0 → ``"10"``, 0.005 → ``"0.005"``, inf → ``"+Inf"``."""
    if bound == math.inf:
        return "+Inf"
    return str(int(bound)) if bound == int(bound) else repr(float(bound))


def gauge_family(name: str, help_text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Metric:
    """A gauge family from (labels, value) pairs."""
    family = Metric(name, help_text, "gauge")
    for labels, value in samples:
        family.add_sample(name, labels, value)
    return family
