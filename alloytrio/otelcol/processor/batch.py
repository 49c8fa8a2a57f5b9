"""otelcol.processor.batch: the policy by which the outboxes behind it cut their batches.

In: OpenTelemetry data of any signal.
Out: the same data, untouched; what changes is when the outboxes downstream send it.
Errors: none of its own.
Source: the collector's batch processor as Alloy configures it. It holds nothing: a batch that waits for its timeout
waits in the journal, where a crash cannot reach it. Of two batch processors in a row the last one counts.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import trio
from pydantic import Field, model_validator

from alloytrio.component import BuildContext, ComponentConfig, Signal
from alloytrio.otlp import OtlpOutput, OtlpRoute
from alloytrio.outbox import BatchPolicy
from alloytrio.telemetry import HealthState
from alloytrio.values import Duration, Kind


class BatchProcessorConfig(ComponentConfig):
    """``[otelcol.processor.batch.LABEL]``."""

    component_type: ClassVar[str] = "otelcol.processor.batch"
    exports: ClassVar[Mapping[str, Kind]] = {"input": Kind.OTLP}

    timeout: Duration = Field(default=0.2, ge=0, description="longest wait of an item; 0s = send at once")
    send_batch_size: int = Field(default=2000, ge=0, description="items that trigger a batch; 0 = send at once")
    send_batch_max_size: int = Field(default=3000, ge=0, description="items a batch never exceeds; 0 = no limit")
    output: OtlpOutput = Field(description="what the batches go to")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if 0 < self.send_batch_max_size < self.send_batch_size:
            raise ValueError("send_batch_max_size must be 0 or at least send_batch_size")
        return self

    def build(self, context: BuildContext) -> "BatchProcessor":
        """The processor, resolved to what is behind it."""
        return BatchProcessor(self, context)


class BatchProcessor:
    """Hands its policy to the routes of its outputs."""

    def __init__(self, config: BatchProcessorConfig, context: BuildContext) -> None:
        self._config = config
        self._context = context
        self._policy = BatchPolicy(
            name=context.component_id,
            timeout=config.timeout,
            send_batch_size=config.send_batch_size if config.timeout > 0 else 0,
            send_batch_max_size=config.send_batch_max_size,
        )

    def routes(self, signal: Signal, policy: BatchPolicy | None) -> list[OtlpRoute]:
        """The routes of the outputs, under this policy instead of the one before."""
        return self._config.output.routes(signal, self._context.resolve, self._policy)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing to do but to be there until everything upstream has ended."""
        self._context.telemetry.health.set(HealthState.HEALTHY, "batching in the outboxes behind it")
        task_status.started()
        await self._context.stop.wait()
