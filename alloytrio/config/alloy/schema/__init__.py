"""Alloy 1.18's schema of everything that this service has, and what to say about the rest."""

from alloytrio.config.alloy.schema.kinds import ComponentSchema
from alloytrio.config.alloy.schema.loki import LOKI
from alloytrio.config.alloy.schema.otelcol import OTELCOL
from alloytrio.config.alloy.schema.prometheus import PROMETHEUS

COMPONENTS: dict[str, ComponentSchema] = {each.block.name: each for each in (*OTELCOL, *PROMETHEUS, *LOKI)}
"""Component type → its schema."""
