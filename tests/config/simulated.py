"""Component types for trying configurations out: small, but with real rules."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from alloytrio.component import ComponentConfig
from alloytrio.config.registry import by_type
from alloytrio.loki.process import LokiProcessConfig
from alloytrio.relabel import RelabelRule
from alloytrio.values import EntriesEdge, Kind, RulesEdge, TargetsEdge
from tests.config.samples import Batch, Block, Discovery, Exporter, Receiver


class Relabel(ComponentConfig):
    """Changes targets."""

    component_type: ClassVar[str] = "discovery.relabel"
    exports: ClassVar[Mapping[str, Kind]] = {"output": Kind.TARGETS, "rules": Kind.RULES}
    targets: TargetsEdge | tuple[TargetsEdge, ...] = ()
    rule: tuple[RelabelRule, ...] = ()


class Source(ComponentConfig):
    """Reads logs."""

    component_type: ClassVar[str] = "loki.source.docker"
    targets: TargetsEdge
    labels: dict[str, str] = Field(default_factory=dict)
    relabel_rules: RulesEdge | None = None
    forward_to: tuple[EntriesEdge, ...]


class Endpoint(Block):
    """A backend."""

    url: str


class Write(ComponentConfig):
    """Sends log entries."""

    component_type: ClassVar[str] = "loki.write"
    exports: ClassVar[Mapping[str, Kind]] = {"receiver": Kind.ENTRIES}
    endpoint: tuple[Endpoint, ...] = ()
    external_labels: dict[str, str] = Field(default_factory=dict)


COMPONENTS = by_type(
    (
        Receiver,
        Batch,
        Exporter,
        Discovery,
        Relabel,
        Source,
        LokiProcessConfig,
        Write,
    )
)
