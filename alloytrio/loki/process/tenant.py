"""``stage.tenant``: which tenant of Loki an entry belongs to.

Sets the label ``__tenant_id__``, which ``loki.write`` uses and takes away. Source: Alloy ``stages/tenant.go``.
"""

from typing import Self

from pydantic import Field, model_validator

from alloytrio.entry import Entry
from alloytrio.loki.process.stage import Pass, PlainStage, Stage, StageContext, StageTable, set_label, text_of
from alloytrio.wire.loki import TENANT_LABEL


class TenantConfig(StageTable):
    """``[loki.process.x.stage.tenant]``"""

    label: str = Field("", description="A label that holds the tenant.")
    source: str = Field("", description="An extracted value that holds the tenant.")
    value: str = Field("", description="The tenant itself.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(map(bool, (self.label, self.source, self.value))) != 1:
            raise ValueError("tenant needs exactly one of label, source and value")
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        return TenantStage(self)


class TenantStage(PlainStage):
    """A tenant that is missing or empty leaves the entry as it was."""

    def __init__(self, config: TenantConfig) -> None:
        self._config = config

    def process(self, entries: list[Entry], batch: Pass) -> list[Entry]:
        """Set the tenant of each entry."""
        config = self._config
        for entry in entries:
            if config.label:
                tenant: str | None = entry.labels.get(config.label)
            elif config.source:
                tenant = text_of(entry.extracted.get(config.source))
            else:
                tenant = config.value
            if tenant:
                set_label(entry, TENANT_LABEL, tenant)
        return entries
