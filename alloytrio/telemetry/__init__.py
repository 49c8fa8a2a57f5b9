"""Own metrics, logs and health. Start at ``component.py``: ``Telemetry`` (one per service), ``ComponentTelemetry``."""

from alloytrio.telemetry.component import ComponentTelemetry, Telemetry
from alloytrio.telemetry.health import Health, HealthRecord, HealthState
from alloytrio.telemetry.logs import LogLine, LogSettings, RecentLogs
from alloytrio.telemetry.metrics import Counter, Gauge, Histogram
from alloytrio.telemetry.tap import LineSeen, LinesSeen, OtlpSeen, SamplesSeen, Tap, TargetsSeen, Watch

__all__ = [
    "ComponentTelemetry",
    "Counter",
    "Gauge",
    "Health",
    "HealthRecord",
    "HealthState",
    "Histogram",
    "LineSeen",
    "LinesSeen",
    "LogLine",
    "LogSettings",
    "OtlpSeen",
    "RecentLogs",
    "SamplesSeen",
    "Tap",
    "TargetsSeen",
    "Telemetry",
    "Watch",
]
