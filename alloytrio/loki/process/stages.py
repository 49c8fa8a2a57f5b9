"""The list of stages, the table that holds one of them, and the one stage that has stages itself.

A stage is a table of the array ``[[loki.process.x.stage]]`` with exactly one key, the name of the stage, so that the
order in the file is the order in which they run.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alloytrio.loki.process.cri import CriConfig
from alloytrio.loki.process.decolorize import DecolorizeConfig
from alloytrio.loki.process.docker import DockerConfig
from alloytrio.loki.process.drop import DropConfig
from alloytrio.loki.process.json import JsonConfig
from alloytrio.loki.process.label_drop import LabelDropConfig, StructuredMetadataDropConfig
from alloytrio.loki.process.label_keep import LabelKeepConfig
from alloytrio.loki.process.labels import LabelsConfig
from alloytrio.loki.process.limit import LimitConfig
from alloytrio.loki.process.logfmt import LogfmtConfig
from alloytrio.loki.process.match import MatchStage
from alloytrio.loki.process.multiline import MultilineConfig
from alloytrio.loki.process.output import OutputConfig
from alloytrio.loki.process.regex import RegexConfig
from alloytrio.loki.process.replace import ReplaceConfig
from alloytrio.loki.process.selector import compile_selector
from alloytrio.loki.process.stage import Stage, StageContext, StageTable
from alloytrio.loki.process.static_labels import StaticLabelsConfig
from alloytrio.loki.process.structured_metadata import StructuredMetadataConfig
from alloytrio.loki.process.template import TemplateConfig
from alloytrio.loki.process.tenant import TenantConfig
from alloytrio.loki.process.timestamp import TimestampConfig
from alloytrio.loki.process.truncate import TruncateConfig

# Alloy's other stages: they make no sense for containers, or nobody has asked for them.
UNSUPPORTED = (
    "eventlogmessage", "geoip", "luhn", "metrics", "pack", "pattern", "sampling", "split_json", "windowsevent",
)  # fmt: skip


class MatchConfig(StageTable):
    """``[loki.process.x.stage.match]``"""

    selector: str = Field(min_length=1, description='Such as {app="web"} |= "error".')
    stage: tuple["StageEntry", ...] = Field((), description="Stages for the selected entries, in order.")
    action: Literal["keep", "drop"] = Field(
        "keep", description="keep: selected entries run the stages, others pass. drop: selected entries are left out."
    )
    drop_counter_reason: str = Field("match_stage", min_length=1, description="The reason in the metric.")
    pipeline_name: str = Field("", description="Not used; taken because Alloy takes it.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        compile_selector(self.selector)
        if self.action == "keep" and not self.stage:
            raise ValueError('match needs at least one stage, or action = "drop"')
        if self.action == "drop" and self.stage:
            raise ValueError('match with action = "drop" takes no stages')
        return self

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        left_out = context.dropped(self.drop_counter_reason) if self.action == "drop" else None
        return MatchStage(compile_selector(self.selector), [entry.build(context) for entry in self.stage], left_out)


class StageEntry(BaseModel):
    """``[[loki.process.x.stage]]``: exactly one key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cri: CriConfig | None = Field(None, description="Reads lines of Kubernetes' container runtimes.")
    decolorize: DecolorizeConfig | None = Field(None, description="Removes ANSI escape sequences.")
    docker: DockerConfig | None = Field(None, description="Reads records of Docker's json-file driver.")
    drop: DropConfig | None = Field(None, description="Leaves entries out.")
    json_: JsonConfig | None = Field(None, alias="json", description="Takes values out of JSON lines.")
    label_drop: LabelDropConfig | None = Field(None, description="Removes labels.")
    label_keep: LabelKeepConfig | None = Field(None, description="Removes all other labels.")
    labels: LabelsConfig | None = Field(None, description="Extracted values become labels.")
    limit: LimitConfig | None = Field(None, description="At most so many lines per second.")
    logfmt: LogfmtConfig | None = Field(None, description="Takes values out of logfmt lines.")
    match: MatchConfig | None = Field(None, description="Stages for some entries only.")
    multiline: MultilineConfig | None = Field(None, description="Joins lines into one entry.")
    output: OutputConfig | None = Field(None, description="An extracted value becomes the line.")
    regex: RegexConfig | None = Field(None, description="Takes values out of lines by an expression.")
    replace: ReplaceConfig | None = Field(None, description="Replaces parts of lines.")
    static_labels: StaticLabelsConfig | None = Field(None, description="Sets constant labels.")
    structured_metadata: StructuredMetadataConfig | None = Field(
        None, description="Values become structured metadata, which makes no streams."
    )
    structured_metadata_drop: StructuredMetadataDropConfig | None = Field(
        None, description="Removes structured metadata."
    )
    template: TemplateConfig | None = Field(None, description="Computes an extracted value.")
    tenant: TenantConfig | None = Field(None, description="Sets the tenant of Loki.")
    timestamp: TimestampConfig | None = Field(None, description="Takes the time from the line.")
    truncate: TruncateConfig | None = Field(None, description="Shortens what is too long.")

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, data: object) -> object:
        if isinstance(data, dict):
            for name in data:
                if name in UNSUPPORTED:
                    raise ValueError(f"stage {name} is one of Alloy's that alloytrio does not have")
            if len(data) != 1:
                raise ValueError(
                    f"a stage has exactly one key, its name; found {len(data)}: {', '.join(map(str, data))}"
                )
        return data

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        if self.table is None:
            raise ValueError("a stage needs a table of settings, which may be empty")
        return self

    @property
    def name(self) -> str:
        """What the one stage is called."""
        fields = type(self).model_fields.items()
        return next((field.alias or name for name, field in fields if getattr(self, name) is not None), "")

    @property
    def table(self) -> StageTable | None:
        """The settings of the one stage that is given."""
        given = (getattr(self, name) for name in type(self).model_fields)
        return next((table for table in given if table is not None), None)

    def build(self, context: StageContext) -> Stage:
        """The stage, ready to run."""
        assert self.table is not None
        return self.table.build(context)


MatchConfig.model_rebuild()
