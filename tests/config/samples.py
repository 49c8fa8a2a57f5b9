"""Component types as a small service might have them, for tests of the configuration layer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alloytrio.component import ComponentConfig
from alloytrio.config.document import read_text
from alloytrio.config.load import LoadedConfig, load_document
from alloytrio.config.problems import InvalidConfigError
from alloytrio.config.registry import by_type
from alloytrio.values import ByteSize, Duration, EntriesEdge, Kind, OtlpEdge, RulesEdge, Secret, TargetsEdge


class Block(BaseModel):
    """A table inside a component."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Grpc(Block):
    """A server."""

    endpoint: str = "0.0.0.0:4317"
    max_recv_msg_size: ByteSize = Field(4 * 1024 * 1024, ge=1)


class Output(Block):
    """Where OTLP data goes."""

    traces: tuple[OtlpEdge, ...] = ()
    metrics: tuple[OtlpEdge, ...] = ()
    logs: tuple[OtlpEdge, ...] = ()


class Receiver(ComponentConfig):
    """Takes OTLP."""

    component_type: ClassVar[str] = "otelcol.receiver.otlp"
    grpc: Grpc | None = None
    output: Output


class Batch(ComponentConfig):
    """Joins OTLP data."""

    component_type: ClassVar[str] = "otelcol.processor.batch"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}
    timeout: Duration = Field(0.2, ge=0)
    send_batch_size: int = Field(2000, ge=0)
    send_batch_max_size: int = Field(3000, ge=0)
    output: Output

    @model_validator(mode="after")
    def _sizes(self) -> "Batch":
        if 0 < self.send_batch_max_size < self.send_batch_size:
            raise ValueError("send_batch_max_size must be 0 or at least send_batch_size")
        return self


class Tls(Block):
    """TLS of a client."""

    insecure: bool = False
    ca_pem: Secret | None = None


class Client(Block):
    """A client."""

    endpoint: str
    compression: Literal["gzip", "none"] = "gzip"
    headers: dict[str, Secret] = Field(default_factory=dict)
    tls: Tls | None = None


class Exporter(ComponentConfig):
    """Sends OTLP."""

    component_type: ClassVar[str] = "otelcol.exporter.otlp"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}
    client: Client
    timeout: Duration = Field(5.0, ge=0)


class Recorder(ComponentConfig):
    """Keeps OTLP data."""

    component_type: ClassVar[str] = "recorder.memory"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}


class Discovery(ComponentConfig):
    """Finds targets."""

    component_type: ClassVar[str] = "discovery.docker"
    exports: ClassVar[Mapping[str, Kind]] = {"targets": Kind.TARGETS}
    host: str = "unix:///var/run/docker.sock"


class Rule(Block):
    """A relabel rule."""

    regex: str = "(.*)"
    replacement: str = "$1"


class Relabel(ComponentConfig):
    """Changes targets."""

    component_type: ClassVar[str] = "discovery.relabel"
    exports: ClassVar[Mapping[str, Kind]] = {"output": Kind.TARGETS, "rules": Kind.RULES}
    targets: TargetsEdge | tuple[TargetsEdge, ...] = ()
    rule: tuple[Rule, ...] = ()


class Source(ComponentConfig):
    """Reads logs."""

    component_type: ClassVar[str] = "loki.source.docker"
    targets: TargetsEdge
    relabel_rules: RulesEdge | None = None
    forward_to: tuple[EntriesEdge, ...]


class JsonStage(Block):
    """A stage."""

    type: Literal["json"]
    expressions: dict[str, str] = Field(default_factory=dict)


class DropStage(Block):
    """Another stage."""

    type: Literal["drop"]
    longer_than: ByteSize | None = None


class Process(ComponentConfig):
    """Changes log entries."""

    component_type: ClassVar[str] = "loki.process"
    exports: ClassVar[Mapping[str, Kind]] = {"receiver": Kind.ENTRIES}
    stage: tuple[Annotated[JsonStage | DropStage, Field(discriminator="type")], ...] = ()
    forward_to: tuple[EntriesEdge, ...] = ()


class Endpoint(Block):
    """A backend."""

    url: str
    password: Secret | None = None


class Write(ComponentConfig):
    """Sends log entries."""

    component_type: ClassVar[str] = "loki.write"
    exports: ClassVar[Mapping[str, Kind]] = {"receiver": Kind.ENTRIES}
    endpoint: tuple[Endpoint, ...] = ()
    external_labels: dict[str, str] = Field(default_factory=dict)


CANARY = "canary-7f3a9c-secret"
"""A value that must not show anywhere."""

SAMPLES = by_type(
    (
        Receiver,
        Batch,
        Exporter,
        Recorder,
        Discovery,
        Relabel,
        Source,
        Process,
        Write,
    )
)


def read(
    text: str, environ: Mapping[str, str] | None = None, *, in_container: bool = False, folder: Path = Path()
) -> LoadedConfig:
    """A text loaded as the file ``c.toml``."""
    document = read_text(text, name="c.toml", folder=folder)
    return load_document(document, environ or {}, in_container=in_container, components=SAMPLES)


def problems(text: str, environ: Mapping[str, str] | None = None, *, folder: Path = Path()) -> list[str]:
    """The problems of a text, one line each; none if it can be run."""
    try:
        read(text, environ, folder=folder)
    except InvalidConfigError as exc:
        return str(exc).splitlines()
    return []
