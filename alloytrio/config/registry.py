"""The component types of this service: one line each. A type not listed here does not exist.

A type's module is its name below ``alloytrio``; it is imported when a configuration first names the type, so that a
process holds the code of what it runs, and no more.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module

from alloytrio.component import ComponentConfig

ComponentTypes = Mapping[str, type[ComponentConfig]]
"""Config models by the type of their component: ``otelcol.receiver.otlp`` → ``OtlpReceiverConfig``."""


class Registry(ComponentTypes):
    """Config models that are imported when they are asked for.

    Args:
        names: of the models, by type; in the order in which documents list them.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def __getitem__(self, component_type: str) -> type[ComponentConfig]:
        name = self._names[component_type]
        found: type[ComponentConfig] = getattr(import_module(f"alloytrio.{component_type}"), name)
        return found

    def __contains__(self, component_type: object) -> bool:
        return component_type in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


COMPONENTS = Registry(
    {
        "otelcol.receiver.otlp": "OtlpReceiverConfig",
        "otelcol.processor.batch": "BatchProcessorConfig",
        "otelcol.exporter.otlp": "OtlpExporterConfig",
        "otelcol.exporter.otlphttp": "OtlpHttpExporterConfig",
        "otelcol.exporter.loki": "LokiExporterConfig",
        "otelcol.exporter.prometheus": "PrometheusExporterConfig",
        "prometheus.remote_write": "RemoteWriteConfig",
        "otelcol.auth.basic": "BasicAuthConfig",
        "otelcol.auth.bearer": "BearerAuthConfig",
        "discovery.docker": "DiscoveryDockerConfig",
        "discovery.relabel": "DiscoveryRelabelConfig",
        "loki.source.docker": "LokiSourceDockerConfig",
        "loki.process": "LokiProcessConfig",
        "loki.write": "LokiWriteConfig",
        "recorder.memory": "MemoryRecorderConfig",
    }
)


def by_type(classes: Iterable[type[ComponentConfig]]) -> ComponentTypes:
    """The same for models that are imported already."""
    return {each.component_type: each for each in classes}
