"""What somebody who watches the components of metrics sees."""

import trio
import trio.testing

from alloytrio.admin.tap_items import items_of
from alloytrio.telemetry import Watch
from tests.prometheus.fake import FakePrometheus, chain
from tests.prometheus.test_remote_write import gauges


async def test_samples_are_seen_where_they_pass(autojump_clock: trio.testing.MockClock) -> None:
    """The exporter shows what it hands on, the remote write what it is given, with its external labels."""
    backend = FakePrometheus()
    async with chain(backend, remote_write={"external_labels": {"region": "eu"}}) as it:
        taps = [it.telemetry.tap(f"{each}.x") for each in ("otelcol.exporter.prometheus", "prometheus.remote_write")]
        for second, tap in enumerate(taps, 1):
            assert tap is not None
            with Watch([tap], 10) as watch, trio.fail_after(60):
                await it.send(gauges(1.5, second, "heat"))
                (item,) = [each for each in items_of(await watch.receive()) if each.text == "heat"]
                assert (item.kind, item.detail, item.labels["region"]) == ("sample", "1.5", "eu")
                assert watch.missed == 0
        assert list(it.remote_write.backends()) == ["prometheus:9090"]
