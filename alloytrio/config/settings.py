"""The typed configuration: one model per service table, and the components by id.

Values come from three sources, the first that has one wins: environment, file, and where the process runs (a
container listens on all interfaces). See `sources`.
"""

from collections.abc import Mapping
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    create_model,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alloytrio.auth import Authenticator, BasicAuthenticator, BasicCredentials, TokenAuthenticator
from alloytrio.component import ComponentConfig
from alloytrio.config.positions import KeyPath
from alloytrio.config.provenance import Origin, Origins
from alloytrio.telemetry.logs import LogSettings
from alloytrio.tls import TlsServerConfig
from alloytrio.values import ByteSize, Duration, ListenAddress, Secret

ADMIN_PORT = 12345  # Alloy's
MIB = 1024 * 1024


def _url_prefix(text: str) -> str:
    if not text.startswith("/") or "//" in text or any(char in text for char in "?#% "):
        raise ValueError('not a path: write it with a leading slash, such as "/alloytrio"')
    return text if text == "/" else text.rstrip("/")


class Table(BaseModel):
    """A table of the service itself, such as ``[admin]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceSettings(Table):
    """``[service]``: the process as a whole."""

    shutdown_grace: Duration = Field(
        6.0,
        ge=0,
        le=3600,
        description="How long stored data is still delivered after SIGTERM; what is left stays on disk. "
        'The process ends within two seconds after it; Docker kills after 10s. "0s": deliver nothing more.',
    )


class AdminSettings(Table):
    """``[admin]``: the page, the API and the metrics."""

    listen_addr: ListenAddress = Field(
        f"127.0.0.1:{ADMIN_PORT}",
        description="Address of the page, the API and /metrics. In a container the default is all interfaces.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Host names under which browsers may reach the page, besides localhost, IP addresses and the "
        'name in listen_addr; "*" allows all. Others are refused (DNS rebinding).',
    )
    ui_path_prefix: Annotated[str, AfterValidator(_url_prefix)] = Field(
        "/", description="Path under which the page is served behind a reverse proxy; not /metrics and /-/."
    )
    basic_auth: BasicCredentials | None = Field(
        None, description="Who may come in: user name and password. Only /-/ready is answered to everybody."
    )
    bearer_token: Secret = Field(
        Secret(""), description="A token that lets in too (Authorization: Bearer), for scrapers and scripts."
    )
    tls: TlsServerConfig | None = Field(None, description="Without it the page is served in plaintext.")

    def authenticators(self) -> list[Authenticator]:
        """Any of these lets a request in; none: everybody may come in."""
        found: list[Authenticator] = []
        if self.basic_auth is not None:
            found.append(BasicAuthenticator(self.basic_auth, self.basic_auth))
        if token := self.bearer_token.get_secret_value():
            found.append(TokenAuthenticator(token))
        return found


class StorageSettings(Table):
    """``[storage]``: where outboxes keep what is not yet delivered."""

    mode: Literal["disk", "memory"] = Field(
        "disk", description="disk: survives a crash and a restart. memory: nothing is written, for trying out."
    )
    path: Path = Field(Path("data-alloytrio"), description="The data directory; created if missing. One per process.")
    max_size: ByteSize = Field(1024 * MIB, ge=MIB, description="Bound of each outbox, in bytes; senders wait above it.")
    max_age: Duration = Field(0.0, ge=0, description='Undelivered data older than this is dropped. "0s": never.')
    fsync: Literal["interval", "always", "never"] = Field(
        "interval",
        description="always: survives power loss, each request waits for the disk. interval: survives the death of "
        "the process, loses at most fsync_interval at power loss. never: left to the operating system.",
    )
    fsync_interval: Duration = Field(1.0, gt=0, description='Time between two fsyncs for fsync = "interval".')
    segment_size: ByteSize = Field(16 * MIB, ge=64 * 1024, description="Size of one journal file, in bytes.")
    memory_size: ByteSize = Field(
        16 * MIB, ge=0, description="Recent data of each outbox held in memory to save reading it back, in bytes."
    )
    put_timeout: Duration = Field(
        5.0, ge=0, description='How long a sender waits for room in a full outbox. "0s": it is refused at once.'
    )
    rejected_max_size: ByteSize = Field(
        64 * MIB, ge=0, description="Bound of what backends refused for good and is set aside, per outbox, in bytes."
    )


class LoggingSettings(Table):
    """``[logging]``: the service's own log on stderr."""

    level: Literal["debug", "info", "warn", "error"] = Field("info", description="The least serious level written.")
    format: Literal["logfmt", "json"] = Field("logfmt", description="Form of a line.")
    recent_lines: int = Field(1000, ge=0, le=100_000, description="Latest lines kept in memory for the page.")

    def log_settings(self) -> LogSettings:
        """The same for `alloytrio.telemetry`."""
        return LogSettings(level=self.level, format=self.format, ring_lines=self.recent_lines)


class Settings(BaseSettings):
    """Everything that was configured, checked, with its defaults filled in. Components are in file order."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    service: ServiceSettings = ServiceSettings()
    admin: AdminSettings = AdminSettings()
    storage: StorageSettings = StorageSettings()
    logging: LoggingSettings = LoggingSettings()
    components: dict[str, ComponentConfig] = Field(default_factory=dict)

    _origins: Origins | None = PrivateAttr(None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources handed in as ``Settings(sources=…)``, or else only the arguments of the constructor."""
        sources = getattr(init_settings, "init_kwargs", {}).get("sources")
        return tuple(sources) if sources is not None else (init_settings,)

    def provenance(self, path: KeyPath | str) -> Origin:
        """Where the value of a leaf comes from.

        Args:
            path: ``("admin", "listen_addr")``, or below a component its id first:
                ``("otelcol.exporter.otlp.tempo", "client", "endpoint")``; also in one text, with dots and
                ``[0]`` for list elements.
        """
        return self._origins.find(path) if self._origins else Origin("default")


TABLES: Mapping[str, type[Table]] = {
    "service": ServiceSettings,
    "admin": AdminSettings,
    "storage": StorageSettings,
    "logging": LoggingSettings,
}
"""The top-level tables that are not components, by name."""


class ComponentTable(dict[str, object]):
    """A component's table together with its type, by which the model is chosen that reads it."""

    component_type = ""


class _NoComponent(ComponentConfig):
    """Keeps the union of component models a union when there are less than two."""

    component_type = ""


def _with_types(components: object) -> object:
    if not isinstance(components, Mapping):
        return components
    tables: dict[object, object] = {}
    for component_id, table in components.items():
        if isinstance(table, dict):
            tagged = ComponentTable(table)
            tagged.component_type = component_id.rpartition(".")[0]
            tables[component_id] = tagged
        else:
            tables[component_id] = table
    return tables


def _component_type(value: object) -> Any:
    return getattr(value, "component_type", None)


@lru_cache(maxsize=8)
def settings_class(classes: tuple[type[ComponentConfig], ...]) -> type[Settings]:
    """`Settings` whose ``components`` are read by the given classes, chosen by the type in the component's id."""
    if not classes:
        return Settings
    annotated: Any = Annotated  # these types exist only at run time
    every: tuple[type[ComponentConfig], ...] = (*classes, _NoComponent)
    members: list[Any] = [annotated[each, Tag(each.component_type)] for each in every]
    one_of = annotated[reduce(or_, members), Discriminator(_component_type)]
    by_id = annotated[GenericAlias(dict, (str, one_of)), BeforeValidator(_with_types)]
    return create_model("Settings", __base__=Settings, components=(by_id, Field(default_factory=dict)))
