"""otelcol.auth.basic: a user name and a password, for receivers and exporters that name this component in ``auth``.

In, out: nothing; it is asked. Errors: none at run time.
Source: Alloy's component of this name. htpasswd files are not read.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import trio
from pydantic import Field, model_validator

from alloytrio.auth import BasicAuthenticator, BasicCredentials
from alloytrio.component import BuildContext, ComponentConfig
from alloytrio.telemetry import HealthState
from alloytrio.values import Kind, Secret


class BasicAuthConfig(ComponentConfig):
    """``[otelcol.auth.basic.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.auth.basic"
    exports: ClassVar[Mapping[str, Kind]] = {"handler": Kind.AUTH}

    username: str = Field(default="", description="who is let in, and what exporters send")
    password: Secret = Field(default=Secret(""), description="the password")
    client_auth: BasicCredentials | None = Field(default=None, description="what exporters send, if that differs")

    @model_validator(mode="after")
    def _has_someone(self) -> Self:
        if not self.username and self.client_auth is None:
            raise ValueError("set username and password, or client_auth")
        if self.username:
            self.credentials()
        return self

    def credentials(self) -> BasicCredentials:
        """Who is let in; with ``client_auth`` alone, the same as there."""
        if not self.username and self.client_auth is not None:
            return self.client_auth
        return BasicCredentials(username=self.username, password=self.password)

    def build(self, context: BuildContext) -> "BasicAuth":
        """The component."""
        return BasicAuth(self, context)


class BasicAuth(BasicAuthenticator):
    """See the module's docstring."""

    def __init__(self, config: BasicAuthConfig, context: BuildContext) -> None:
        super().__init__(config.credentials(), config.client_auth or config.credentials())
        self._context = context

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing to do but to be there."""
        self._context.telemetry.health.set(HealthState.HEALTHY, "ready")
        task_status.started()
        await self._context.stop.wait()
