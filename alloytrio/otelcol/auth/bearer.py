"""otelcol.auth.bearer: a token, for receivers and exporters that name this component in ``auth``.

In, out: nothing; it is asked. Errors: a token file that cannot be read stops the start; later the old tokens stay.
Source: Alloy's component of this name.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import trio
from pydantic import Field, model_validator

from alloytrio.auth import TokenAuthenticator
from alloytrio.component import BuildContext, ComponentConfig
from alloytrio.telemetry import HealthState
from alloytrio.values import Kind, Secret, check_headers


class BearerAuthConfig(ComponentConfig):
    """``[otelcol.auth.bearer.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.auth.bearer"
    exports: ClassVar[Mapping[str, Kind]] = {"handler": Kind.AUTH}

    token: Secret = Field(default=Secret(""), description="the token")
    filename: str = Field(default="", description="file with one token per line, read again when it changes")
    scheme: str = Field(default="Bearer", description="the word before the token; empty = none")
    header: str = Field(default="Authorization", min_length=1, description="the header that holds it")

    @model_validator(mode="after")
    def _has_a_token(self) -> Self:
        if bool(self.token.get_secret_value()) == bool(self.filename):
            raise ValueError("set either token or filename")
        check_headers({self.header: f"{self.scheme} {self.token.get_secret_value()}"})
        return self

    def build(self, context: BuildContext) -> "BearerAuth":
        """The component, its file read."""
        return BearerAuth(self, context)


class BearerAuth(TokenAuthenticator):
    """See the module's docstring."""

    def __init__(self, config: BearerAuthConfig, context: BuildContext) -> None:
        super().__init__(
            config.token.get_secret_value(), filename=config.filename, scheme=config.scheme, name=config.header
        )
        self._context = context

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing to do but to be there."""
        self._context.telemetry.health.set(HealthState.HEALTHY, "ready")
        task_status.started()
        await self._context.stop.wait()
