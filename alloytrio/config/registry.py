"""The component types of this service: one line each. A type not listed here does not exist."""

from alloytrio.component import ComponentConfig
from alloytrio.discovery.docker import DiscoveryDockerConfig
from alloytrio.discovery.relabel import DiscoveryRelabelConfig
from alloytrio.loki.process import LokiProcessConfig
from alloytrio.loki.source.docker import LokiSourceDockerConfig
from alloytrio.loki.write import LokiWriteConfig
from alloytrio.otelcol.auth.basic import BasicAuthConfig
from alloytrio.otelcol.auth.bearer import BearerAuthConfig
from alloytrio.otelcol.exporter.loki import LokiExporterConfig
from alloytrio.otelcol.exporter.otlp import OtlpExporterConfig
from alloytrio.otelcol.exporter.otlphttp import OtlpHttpExporterConfig
from alloytrio.otelcol.exporter.prometheus import PrometheusExporterConfig
from alloytrio.otelcol.processor.batch import BatchProcessorConfig
from alloytrio.otelcol.receiver.otlp import OtlpReceiverConfig
from alloytrio.prometheus.remote_write import RemoteWriteConfig
from alloytrio.recorder.memory import MemoryRecorderConfig

COMPONENTS: tuple[type[ComponentConfig], ...] = (
    OtlpReceiverConfig,
    BatchProcessorConfig,
    OtlpExporterConfig,
    OtlpHttpExporterConfig,
    LokiExporterConfig,
    PrometheusExporterConfig,
    RemoteWriteConfig,
    BasicAuthConfig,
    BearerAuthConfig,
    DiscoveryDockerConfig,
    DiscoveryRelabelConfig,
    LokiSourceDockerConfig,
    LokiProcessConfig,
    LokiWriteConfig,
    MemoryRecorderConfig,
)
"""The config models, in the order in which documents list them."""
