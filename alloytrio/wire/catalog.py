"""All series sets in memory: makes them, shares them, bounds them, and forgets those that are idle.

Plain classes, compiled with mypyc.
"""

import zlib
from typing import Final

from mypy_extensions import i64

from alloytrio.errors import DecodeError
from alloytrio.wire.emit import Emitter
from alloytrio.wire.families import ConvertSettings, Family, LabelMaker, Labels, ResourceState
from alloytrio.wire.remote_write import VALUE_TAG, encode_labels, sample_head
from alloytrio.wire.series import (
    REFUSED,
    BucketLayout,
    HistogramHeads,
    HistogramNames,
    HistogramSeries,
    NativeSeries,
    NumberSeries,
    SeriesSet,
    SummarySeries,
)

MAX_SERIES: Final = "max_series"
INVALID_ATTRIBUTES: Final = "invalid_attributes"
NAME_COLLISION: Final = "name_collision"
RELABELED: Final = "dropped_series"
INVALID_NAME: Final = "invalid_name"
NON_ASCII_NAME: Final = "non_ascii_name"  # not dropped: the receiver may do that


class Catalog:
    """The series sets of one converter.

    Attributes:
        resources: by their encoded bytes.
        series: how many Prometheus series there are.
        keys: how many dictionary entries lead to them.
        non_ascii: series with names outside ASCII that became known since ``take_non_ascii``.
    """

    def __init__(self, settings: ConvertSettings, emitter: Emitter) -> None:
        self.settings = settings
        self.emitter = emitter
        self.labels = LabelMaker(settings)
        self.resources: dict[bytes, ResourceState] = {}
        self.series: i64 = 0
        self.keys: i64 = 0
        self.non_ascii: i64 = 0
        self._is_non_ascii = False  # the series set that is being made
        self._by_key: dict[bytes, SeriesSet] = {}  # by the head of each of its series
        # Histograms do not keep their heads: they are found by the hash of those of sum and count. Of two with the
        # same hash one is not found, and its series with another order of the attributes count as others.
        self._by_hash: dict[int, HistogramSeries] = {}
        self._layouts: dict[bytes, BucketLayout] = {}

    def has_room(self, series: i64) -> bool:
        """Whether that many more series, and one more key, may be kept."""
        return self.series + series <= self.settings.max_series and self.keys < self.settings.max_keys

    # New series

    def number(self, family: Family, attributes: bytes) -> NumberSeries | None:
        """The series of a gauge's or sum's point; None: the point was dropped and counted."""
        labels = self._point_labels(family, attributes, 1)
        if labels is None:
            return None
        labels["__name__"] = family.name
        found = self.info(labels)
        if found is None:
            self.emitter.drop_with(NAME_COLLISION if self.has_room(1) else MAX_SERIES, example_of(labels))
            return None
        self._remember(family, attributes, found)
        return found

    def info(self, labels: Labels) -> NumberSeries | None:
        """The float series with these labels before ``finish``; None: it is of another kind, or there is no room."""
        self._is_non_ascii = False
        finished = self._finish(labels)
        if not finished or not finished.get("__name__"):
            refused = NumberSeries(b"", 0, REFUSED, self.emitter.now)
            refused.refusal = RELABELED if finished is None else INVALID_NAME
            return refused
        encoded = encode_labels(finished)
        head = sample_head(encoded)
        known = self._known(head)
        if known is not None:
            return known if isinstance(known, NumberSeries) else None
        if not self.has_room(1):
            return None
        found = NumberSeries(head, 1, self._shard(encoded), self.emitter.now)
        self._register(found)
        return found

    def native(self, family: Family, attributes: bytes) -> NativeSeries | None:
        """The series of an exponential histogram's point; None: the point was dropped and counted."""
        labels = self._point_labels(family, attributes, 1)
        if labels is None:
            return None
        labels["__name__"] = family.name
        finished = self._finish(labels)
        if not finished or not finished.get("__name__"):
            found = NativeSeries(b"", 0, REFUSED, self.emitter.now)
            found.refusal = RELABELED if finished is None else INVALID_NAME
        else:
            encoded = encode_labels(finished)
            head = sample_head(encoded)
            known = self._known(head)
            if known is not None:
                if not isinstance(known, NativeSeries):
                    self.emitter.drop_with(NAME_COLLISION, example_of(labels))
                    return None
                found = known
            else:
                found = NativeSeries(head, 1, self._shard(encoded), self.emitter.now)
                found.labels = encoded
                self._register(found)
        self._remember(family, attributes, found)
        return found

    def summary(self, family: Family, attributes: bytes) -> SummarySeries | None:
        """The series of a summary's point, without quantiles yet; None: the point was dropped and counted."""
        labels = self._point_labels(family, attributes, 2)
        if labels is None:
            return None
        sum_head = self._head(labels, family.name + "_sum")
        count_head = self._head(labels, family.name + "_count")
        known = self._known(count_head)
        if known is not None or self._known(sum_head) is not None:
            if not isinstance(known, SummarySeries) or known.sum_head != sum_head:
                self.emitter.drop_with(NAME_COLLISION, example_of(labels))
                return None
            found = known
        else:
            found = SummarySeries(count_head, self._shard(count_head or sum_head), self.emitter.now)
            found.sum_head = sum_head
            found.count_head = count_head
            self._register(found)
            self._register_also(sum_head, found)
        self._remember(family, attributes, found)
        return found

    def quantile_head(self, family: Family, attributes: bytes, found: SummarySeries, raw: bytes, text: str) -> bytes:
        """The head of a quantile's series; empty: it is not sent."""
        head = found.quantiles.get(raw)
        if head is None:
            labels = self._point_labels(family, attributes, 1)
            if labels is None:
                return b""
            labels["quantile"] = text
            head = self._head(labels, family.name)
            if head:
                found.size += 1
                self._count(1)
            found.quantiles[raw] = head
        return head

    def histogram(self, family: Family, attributes: bytes, layout: BucketLayout) -> HistogramSeries | None:
        """The series of a histogram's point; None: the point was dropped and counted."""
        labels = self._point_labels(family, attributes, layout.series + 2)
        if labels is None:
            return None
        sum_head = self._head(labels, family.name + "_sum")
        count_head = self._head(labels, family.name + "_count")
        known = self._known(count_head)
        if known is not None or self._known(sum_head) is not None:
            if not isinstance(known, HistogramSeries) or known.sum_head() != sum_head:
                self.emitter.drop_with(NAME_COLLISION, example_of(labels))
                return None
            found = known
        else:
            shard = self._shard(count_head or sum_head)
            found = HistogramSeries(shard, self.emitter.now, layout, self._histogram_names(family))
            self._fill(family, labels, found, sum_head, count_head)
            self._count(found.size)
            for head in (sum_head, count_head):
                if head:
                    self._by_hash[hash(head)] = found
        self._remember(family, attributes, found)
        return found

    def change_layout(self, family: Family, attributes: bytes, found: HistogramSeries, layout: BucketLayout) -> bool:
        """Give a histogram other buckets; False: the point was dropped and counted."""
        labels = self._point_labels(family, attributes, layout.series - found.layout.series)
        if labels is None:
            return False
        self.series += layout.series - found.layout.series
        found.size += layout.series - found.layout.series
        sum_head, count_head = found.sum_head(), found.count_head()
        found.layout = layout
        found.delta = None
        self._fill(family, labels, found, sum_head, count_head)
        return True

    def layout(self, raw: bytes, bounds: list[float]) -> BucketLayout:
        """The layout with these bounds, shared."""
        found = self._layouts.get(raw)
        if found is None:
            found = self._layouts[raw] = BucketLayout(raw, bounds)
        return found

    def known_layout(self, raw: bytes) -> BucketLayout | None:
        """The layout with these bounds, if it was seen before."""
        return self._layouts.get(raw)

    def _histogram_names(self, family: Family) -> HistogramNames:
        names = family.histogram_names
        if names is None:
            encoded = [encode_labels({"__name__": family.name + part}) for part in ("_sum", "_count", "_bucket")]
            names = family.histogram_names = HistogramNames(encoded[0], encoded[1], encoded[2])
        return names

    def _fill(self, family: Family, labels: Labels, found: HistogramSeries, sum_head: bytes, count_head: bytes) -> None:
        """Labels of the series: kept once, if that gives the heads that they are to have."""
        name = family.name + "_bucket"
        layout = found.layout
        found.heads = None
        first = self.settings.finish({**labels, "__name__": name, "le": "0"})
        found.names = self._histogram_names(family)
        if first is not None:
            ahead = encode_labels({key: first[key] for key in first if key < "__name__"})
            if ahead:
                names = found.names
                found.names = HistogramNames(ahead + names.sum, ahead + names.count, ahead + names.bucket)
            found.before = encode_labels({key: first[key] for key in first if "__name__" < key < "le"})
            found.after = encode_labels({key: first[key] for key in first if key > "le"}) + VALUE_TAG
        is_simple = sum_head == found.sum_head() and count_head == found.count_head()
        if is_simple and self.settings.adds_only:
            return
        heads: list[bytes] = []
        for index in range(len(layout.labels)):
            label = layout.labels[index]
            head = self._head({**labels, "le": layout.texts[index]}, name) if label else b""
            is_simple = is_simple and head == found.bucket_head(index)
            heads.append(head)
        if not is_simple:
            found.before = b""
            found.after = b""
            found.heads = HistogramHeads(sum_head, count_head, heads)

    def _known(self, head: bytes) -> SeriesSet | None:
        """The series set that has a series with this head."""
        found = self._by_key.get(head)
        if found is not None or not head:
            return found
        other = self._by_hash.get(hash(head))
        return other if other is not None and head in (other.sum_head(), other.count_head()) else None

    def _point_labels(self, family: Family, attributes: bytes, series: i64) -> Labels | None:
        if not self.has_room(series):
            self.emitter.drop_with(MAX_SERIES, family.name)
            return None
        self._is_non_ascii = False
        try:
            return self.labels.point_labels(family, attributes)
        except (DecodeError, IndexError) as exc:
            self.emitter.drop_with(INVALID_ATTRIBUTES, f"{family.name}: {exc}")
            return None

    def _finish(self, labels: Labels) -> Labels | None:
        """The labels to send; notes names that not every receiver takes."""
        finished = self.settings.finish(labels)
        if finished is not None and not (finished.get("__name__", "").isascii() and "".join(finished).isascii()):
            self.emitter.examples.setdefault(NON_ASCII_NAME, example_of(finished))
            self._is_non_ascii = True
        return finished

    def _head(self, labels: Labels, name: str) -> bytes:
        """The head of the series with that name; empty if it is not sent."""
        finished = self._finish({**labels, "__name__": name})
        if not finished or not finished.get("__name__"):
            return b""
        return sample_head(encode_labels(finished))

    def _shard(self, encoded: bytes) -> i64:
        """The same one for the same labels, after a restart too."""
        return zlib.crc32(encoded) % self.settings.shards if self.settings.shards > 1 else 0

    def _count(self, series: i64) -> None:
        self.series += series
        if self._is_non_ascii:
            self.non_ascii += series

    def take_non_ascii(self) -> int:
        """How many new series had names outside ASCII since the last call."""
        taken = self.non_ascii
        self.non_ascii = 0
        return taken

    def _register(self, found: SeriesSet) -> None:
        self._count(found.size)
        if found.key:
            self._by_key[found.key] = found

    def _register_also(self, key: bytes, found: SeriesSet) -> None:
        if key:
            self._by_key[key] = found

    def _remember(self, family: Family, attributes: bytes, found: SeriesSet) -> None:
        family.series[attributes] = found
        found.seen = self.emitter.now
        self.keys += 1

    # Forgetting

    def forget_idle(self, before: i64) -> None:
        """Forget all series that had no point since ``before`` (seconds), and what only led to them."""
        self._by_key = {key: found for key, found in self._by_key.items() if found.seen >= before}
        self._by_hash = {key: found for key, found in self._by_hash.items() if found.seen >= before}
        self.keys = 0
        layouts: dict[bytes, BucketLayout] = {}
        for resource in self.resources.values():
            for scope in resource.scopes.values():
                for family in scope.families.values():
                    family.series = {key: found for key, found in family.series.items() if found.seen >= before}
                    for found in family.series.values():
                        if isinstance(found, HistogramSeries):
                            layouts[found.layout.raw] = found.layout
                    self.keys += len(family.series) + 1 if family.series else 0
                scope.families = {key: family for key, family in scope.families.items() if family.series}
                scope.info = _alive(scope.info, before)
                scope.info_refused = False
                self.keys += 1 if scope.families else 0
            resource.scopes = {key: scope for key, scope in resource.scopes.items() if scope.families}
            resource.info = _alive(resource.info, before)
            resource.info_refused = False
            self.keys += 1 if resource.scopes else 0
        self.resources = {key: resource for key, resource in self.resources.items() if resource.scopes}
        self._layouts = layouts
        sizes = {id(found): found.size for found in self._by_key.values()}
        sizes.update({id(found): found.size for found in self._by_hash.values()})
        self.series = sum(sizes.values())


def _alive(info: NumberSeries | None, before: i64) -> NumberSeries | None:
    return info if info is not None and info.seen >= before else None


def example_of(labels: Labels) -> str:
    """Labels as Prometheus writes them, for a message."""
    name = labels.get("__name__", "")
    return name + "{" + ", ".join([f'{key}="{labels[key]}"' for key in sorted(labels) if key != "__name__"]) + "}"
