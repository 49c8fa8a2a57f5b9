"""The component types of this service: one line each. A type not listed here does not exist."""

from alloytrio.component import ComponentConfig

COMPONENTS: tuple[type[ComponentConfig], ...] = ()
"""The config models, in the order in which documents list them."""
