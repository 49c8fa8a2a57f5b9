"""What we read of Docker's answers. Everything else in them is ignored, and everything here may be missing.

Source: Docker Engine API 1.24 to 1.55; the fields are the same in all of them.
"""

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Endpoint(_Answer):
    """A container's place in one network."""

    network_id: str = Field("", alias="NetworkID")
    ip_address: str = Field("", alias="IPAddress")
    global_ipv6_address: str = Field("", alias="GlobalIPv6Address")


class Port(_Answer):
    """A port of a container. ``public`` is 0 if it is not published."""

    private: int = Field(0, alias="PrivatePort")
    public: int = Field(0, alias="PublicPort")
    ip: str = Field("", alias="IP")
    kind: str = Field("", alias="Type")


class _HostConfig(_Answer):
    network_mode: str = Field("", alias="NetworkMode")


class _NetworkSettings(_Answer):
    networks: dict[str, Endpoint | None] | None = Field(None, alias="Networks")


class ContainerSummary(_Answer):
    """An item of ``GET /containers/json``."""

    id: str = Field(alias="Id")
    names: list[str] | None = Field(None, alias="Names")
    image: str = Field("", alias="Image")
    image_id: str = Field("", alias="ImageID")
    labels: dict[str, str] | None = Field(None, alias="Labels")
    state: str = Field("", alias="State")
    ports: list[Port] | None = Field(None, alias="Ports")
    host_config: _HostConfig = Field(_HostConfig(), alias="HostConfig")
    network_settings: _NetworkSettings | None = Field(None, alias="NetworkSettings")

    @property
    def network_mode(self) -> str:
        """As Docker writes it."""
        return self.host_config.network_mode

    @property
    def networks(self) -> dict[str, Endpoint]:
        """Name → endpoint, without those that are null."""
        found = (self.network_settings.networks or {}) if self.network_settings else {}
        return {name: endpoint for name, endpoint in found.items() if endpoint is not None}


class NetworkSummary(_Answer):
    """An item of ``GET /networks``."""

    id: str = Field(alias="Id")
    name: str = Field("", alias="Name")
    scope: str = Field("", alias="Scope")
    internal: bool = Field(default=False, alias="Internal")
    ingress: bool = Field(default=False, alias="Ingress")
    labels: dict[str, str] | None = Field(None, alias="Labels")


class _State(_Answer):
    running: bool = Field(default=False, alias="Running")
    status: str = Field("", alias="Status")
    started_at: str = Field("", alias="StartedAt")
    finished_at: str = Field("", alias="FinishedAt")


class _Config(_Answer):
    tty: bool = Field(default=False, alias="Tty")
    hostname: str = Field("", alias="Hostname")


class _LogConfig(_Answer):
    type: str = Field("", alias="Type")
    config: dict[str, str] | None = Field(None, alias="Config")


class _DetailsHostConfig(_Answer):
    log_config: _LogConfig = Field(_LogConfig(), alias="LogConfig")


class ContainerDetails(_Answer):
    """``GET /containers/{id}/json``. Times are RFC 3339."""

    id: str = Field(alias="Id")
    created: str = Field("", alias="Created")
    state: _State = Field(_State(), alias="State")
    config: _Config = Field(_Config(), alias="Config")
    host_config: _DetailsHostConfig = Field(_DetailsHostConfig(), alias="HostConfig")

    @property
    def tty(self) -> bool:
        """Its log stream has no frames."""
        return self.config.tty

    @property
    def running(self) -> bool:
        """It runs now (a paused one does too)."""
        return self.state.running
