"""Names of metrics, labels and units, by the tables of the rules and against the plain reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloytrio.wire.metric_names import COUNTER, GAUGE, OTHER, label_name, metric_name, unit_name
from tests.wire import text_reference as reference

TEXTS = st.text(alphabet=st.sampled_from("aZ09_:.-/ ü漢٣²ⅷ{}"), max_size=12)


@pytest.mark.parametrize(
    ("name", "unit", "kind", "result"),
    [
        ("http.server.duration", "ms", OTHER, "http_server_duration_milliseconds"),
        ("http.server.active_requests", "{request}", OTHER, "http_server_active_requests"),
        ("process.cpu.utilization", "1", GAUGE, "process_cpu_utilization_ratio"),
        ("system.cpu.time", "s", COUNTER, "system_cpu_time_seconds_total"),
        ("requests.total.count", "1", COUNTER, "requests_count_total"),
        ("network.io", "By/s", GAUGE, "network_io_bytes_per_second"),
        ("queue.rate", "{msg}/s", GAUGE, "queue_rate_per_second"),
        ("rate", "1/s", GAUGE, "rate_per_second"),
        ("disk.speed", "MBy/min", GAUGE, "disk_speed_megabytes_per_min"),
        ("disk.speed", "MBy/m", GAUGE, "disk_speed_megabytes_per_minute"),
        ("5xx.errors", "", COUNTER, "_5xx_errors_total"),
        ("a:b.c", "", GAUGE, "a_b_c"),
        ("weird", "foo/bar/baz", GAUGE, "weird_foo_per_bar_baz"),
        ("memory.bytes", "By", GAUGE, "memory_bytes"),
        ("load", "By.m", GAUGE, "load_By_m"),
        ("ratio.of.ratio", "1", GAUGE, "of_ratio"),
        ("hit.ratio", "1", OTHER, "hit_ratio"),
        ("größe", "m", GAUGE, "größe_meters"),
        ("__.__", "s", GAUGE, ""),
        ("", "s", COUNTER, ""),
        ("x", " s ", OTHER, "x_seconds"),
        ("duration_seconds", "s", OTHER, "duration_seconds"),
    ],
)
def test_metric_names(name: str, unit: str, kind: int, result: str) -> None:
    """The tables' names, with units and suffixes."""
    assert metric_name(name, unit, kind, True) == result


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("http.server.duration", "http_server_duration"),
        ("a:b__c", "a:b__c"),
        ("a..b--c", "a_b_c"),
        (".x.", "x"),
        ("5xx", "_5xx"),
        ("größe", "größe"),
        ("...", ""),
    ],
)
def test_metric_names_without_suffixes(name: str, result: str) -> None:
    """Without suffixes colons and double underscores stay."""
    assert metric_name(name, "s", COUNTER, False) == result


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("http.method", "http_method"),
        ("a..b", "a__b"),
        ("9x", "key_9x"),
        ("_x", "key_x"),
        (".x", "key_x"),
        ("__x", "__x"),
        ("", ""),
        ("漢字", "漢字"),
        ("a-b c", "a_b_c"),
    ],
)
def test_label_names(key: str, label: str) -> None:
    """Characters are replaced one for one; names do not begin with a digit or one underscore."""
    assert label_name(key) == label


@pytest.mark.parametrize(
    ("unit", "name"), [("By/s", "bytes_per_second"), ("1", ""), ("1/m", "per_minute"), ("{x}", ""), ("s", "seconds")]
)
def test_unit_names(unit: str, name: str) -> None:
    """Units in metadata are spelt as in names."""
    assert unit_name(unit) == name


@given(TEXTS, TEXTS | st.sampled_from(["", "s", "By/s", "1"]), st.sampled_from([COUNTER, GAUGE, OTHER]))
def test_metric_names_as_the_reference(name: str, unit: str, kind: int) -> None:
    """For any name and unit, what the rules' plain form gives."""
    assert metric_name(name, unit, kind, True) == reference.metric_name(
        name, unit, gauge=kind == GAUGE, counter=kind == COUNTER
    )


@given(TEXTS)
def test_label_names_as_the_reference(key: str) -> None:
    """For any key, what the rules' plain form gives."""
    assert label_name(key) == reference.label_name(key)
