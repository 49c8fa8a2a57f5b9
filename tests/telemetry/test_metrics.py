"""Own metrics: what is counted is what a scrape shows."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from alloytrio.telemetry import HealthState, Histogram, Telemetry
from alloytrio.telemetry.metrics import format_bound


def scrape(telemetry: Telemetry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of a scrape, read back with prometheus_client's own parser."""
    text = generate_latest(telemetry.registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, component_id: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """The key of a component's sample in a scrape."""
    return name, frozenset({**labels, "component_id": component_id, "component_path": "/"}.items())


def test_counter_is_shown_with_alloys_labels() -> None:
    """A counter appears under its full name, at 0 before the first item, and without a _created series."""
    telemetry = Telemetry()
    counter = telemetry.component("a.b").counter("otelcol_x_total", "Help.", transport="grpc")
    assert scrape(telemetry)[key("otelcol_x_total", "a.b", transport="grpc")] == 0
    counter.inc()
    counter.inc(511)
    assert counter.value == 512
    assert scrape(telemetry)[key("otelcol_x_total", "a.b", transport="grpc")] == 512
    assert not [name for name, _ in scrape(telemetry) if name.endswith("_created")]


def test_the_same_series_is_one_object() -> None:
    """Asking twice for a name and labels gives the same counter, so that two callers add up."""
    component = Telemetry().component("a.b")
    assert component.counter("x_total", "Help.", a="1") is component.counter("x_total", "Help.", a="1")
    assert component.counter("x_total", "Help.", a="1") is not component.counter("x_total", "Help.", a="2")


def test_wrong_declarations_are_refused() -> None:
    """A name with two types, a counter without _total and unsorted bounds are bugs and raise at once."""
    component = Telemetry().component("a.b")
    component.gauge("x", "Help.")
    with pytest.raises(ValueError, match="x is a gauge"):
        component.histogram("x", "Help.", [1.0])
    with pytest.raises(ValueError, match="_total"):
        component.counter("y", "Help.")
    for bounds in ([], [2.0, 1.0], [1.0, 1.0], [1.0, math.inf]):
        with pytest.raises(ValueError, match="bounds"):
            Histogram(bounds)


def test_gauge_functions_are_asked_at_scrape_and_may_fail() -> None:
    """A gauge function's answer is that of the moment; one that raises gives NaN and harms no other series."""
    telemetry = Telemetry()
    component = telemetry.component("a.b")
    fill = [1.0]
    component.gauge_function("fill", "Help.", lambda: fill[0])
    component.gauge_function("broken", "Help.", lambda: 1 / 0)
    gauge = component.gauge("level", "Help.")
    gauge.set(5)
    gauge.inc()
    gauge.dec(2)
    fill[0] = 7
    samples = scrape(telemetry)
    assert samples[key("fill", "a.b")] == 7
    assert samples[key("level", "a.b")] == 4
    assert math.isnan(samples[key("broken", "a.b")])


@settings(max_examples=100)
@given(st.lists(st.floats(-10, 100)), st.sets(st.integers(-5, 50), min_size=1))
def test_histogram_counts_like_its_definition(values: list[float], bounds: set[int]) -> None:
    """Each cumulative bucket holds the observations not above its bound; +Inf holds all."""
    telemetry = Telemetry()
    histogram = telemetry.component("a.b").histogram("h", "Help.", sorted(bounds))
    for value in values:
        histogram.observe(value)
    samples = scrape(telemetry)
    for bound in (*bounds, math.inf):
        expected = sum(value <= bound for value in values)
        assert samples[key("h_bucket", "a.b", le=format_bound(bound))] == expected
    assert samples[key("h_count", "a.b")] == histogram.count == len(values)
    assert samples[key("h_sum", "a.b")] == pytest.approx(sum(values))


@pytest.mark.parametrize(("bound", "text"), [(10.0, "10"), (0.005, "0.005"), (math.inf, "+Inf"), (2.5, "2.5")])
def test_bounds_are_printed_as_go_does(bound: float, text: str) -> None:
    """Dashboards match on le, so it must look as Alloy's."""
    assert format_bound(bound) == text


def test_labels_with_hostile_values_survive() -> None:
    """Quotes, newlines and backslashes in a label value are escaped in the text format."""
    telemetry = Telemetry()
    telemetry.component("a.b").counter("x_total", "Help.", host='a"\n\\b').inc()
    assert scrape(telemetry)[key("x_total", "a.b", host='a"\n\\b')] == 1


def test_closing_forgets_the_series() -> None:
    """A component that is gone leaves no series behind; closing twice does nothing."""
    telemetry = Telemetry()
    component = telemetry.component("a.b")
    component.counter("x_total", "Help.").inc()
    component.close()
    component.close()
    assert key("x_total", "a.b") not in scrape(telemetry)
    assert telemetry.healths() == {}


def test_a_reloaded_component_goes_on_counting() -> None:
    """While the old and the new one are both open they share counters; the new one's gauge functions answer."""
    telemetry = Telemetry()
    old = telemetry.component("a.b")
    old.counter("x_total", "Help.").inc(3)
    old.gauge_function("fill", "Help.", lambda: 1.0)
    old.gauge_function("handed_over", "Help.", lambda: 9.0)
    new = telemetry.component("a.b")
    new.gauge_function("fill", "Help.", lambda: 2.0)
    assert scrape(telemetry)[key("fill", "a.b")] == 2
    old.close()
    new.counter("x_total", "Help.").inc()
    samples = scrape(telemetry)
    assert samples[key("x_total", "a.b")] == 4
    assert samples[key("fill", "a.b")] == 2
    assert samples[key("handed_over", "a.b")] == 9, "what only the old one can tell stays"


def test_a_refused_reload_gives_the_gauges_back() -> None:
    """When the newer one closes first, the older one's gauge functions and health are shown again."""
    telemetry = Telemetry()
    old = telemetry.component("a.b")
    old.gauge_function("fill", "Help.", lambda: 1.0)
    old.health.set(HealthState.HEALTHY)
    new = telemetry.component("a.b")
    new.gauge_function("fill", "Help.", lambda: 2.0)
    assert telemetry.healths()["a.b"].state is HealthState.UNKNOWN
    new.close()
    assert scrape(telemetry)[key("fill", "a.b")] == 1
    assert telemetry.healths()["a.b"].state is HealthState.HEALTHY


def test_process_and_controller_metrics() -> None:
    """Build info, CPU, memory and the number of components by health are there under Alloy's names."""
    telemetry = Telemetry(version="1.2.3", compiled=True)
    telemetry.component("a.b").health.set(HealthState.HEALTHY)
    telemetry.component("a.c")
    samples = scrape(telemetry)
    assert samples["alloytrio_build_info", frozenset({("version", "1.2.3"), ("compiled", "true")})] == 1
    assert samples["process_resident_memory_bytes", frozenset()] > 1_000_000
    assert samples["process_cpu_seconds_total", frozenset()] > 0
    running = {
        dict(labels)["health_type"]: value
        for (name, labels), value in samples.items()
        if name == "alloy_component_controller_running_components"
    }
    assert running == {"unknown": 1, "healthy": 1, "unhealthy": 0, "exited": 0}


def test_values_for_the_page() -> None:
    """A component's counters and gauges can be read without the text format."""
    component = Telemetry().component("a.b")
    component.counter("x_total", "Help.", a="1").inc(2)
    component.gauge_function("fill", "Help.", lambda: 0.5)
    component.histogram("h", "Help.", [1.0])
    assert component.values() == [("x_total", {"a": "1"}, 2), ("fill", {}, 0.5)]
