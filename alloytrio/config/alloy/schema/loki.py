"""``loki.*`` but for the stages. Source: Alloy ``internal/component/loki``."""

from alloytrio.config.alloy.schema.common import HTTP_CLIENT
from alloytrio.config.alloy.schema.kinds import ComponentSchema, Type, arg, block, harmless, required
from alloytrio.config.alloy.schema.stages import STAGES

S, N, B, D, Z = Type.STRING, Type.NUMBER, Type.BOOL, Type.DURATION, Type.SIZE

SOURCE_DOCKER = ComponentSchema(
    block(
        "loki.source.docker",
        required("host", S),
        required("targets", Type.TARGETS),
        required("forward_to", Type.ENTRIES),
        arg("labels", Type.MAP),
        arg("relabel_rules", Type.RULES),
        arg("refresh_interval", D, "60s", harmless("it cuts log streams of HTTP daemons off; ours have no such limit")),
        block("http_client_config", *HTTP_CLIENT),
    ),
    exports={},
)
PROCESS = ComponentSchema(
    block("loki.process", required("forward_to", Type.ENTRIES), *STAGES, ordered=True),
    exports={"receiver": Type.ENTRIES},
)
_SHARDS = harmless("streams are sent in order from one journal; a slow backend fills the disk, not memory")
WRITE = ComponentSchema(
    block(
        "loki.write",
        arg("external_labels", Type.MAP),
        arg("max_streams", N, 0),
        block(
            "endpoint",
            required("url", S),
            arg("name", S, ""),
            arg("batch_wait", D, "1s"),
            arg("batch_size", Z, "1MiB"),
            arg("remote_timeout", D, "10s"),
            arg("headers", Type.SECRET_MAP),
            arg("min_backoff_period", D, "500ms"),
            arg("max_backoff_period", D, "5m"),
            arg("max_backoff_retries", N, 10),
            arg("tenant_id", S, ""),
            arg("retry_on_http_429", B, True),
            *HTTP_CLIENT,
            block(
                "queue_config",
                arg("capacity", Z, "10MiB"),
                arg("min_shards", N, 1),
                arg("drain_timeout", D, "15s"),
                arg("block_on_overflow", B, True),
                support=_SHARDS,
            ),
            repeated=True,
        ),
        block(
            "wal",
            arg("enabled", B, False),
            arg("max_segment_age", D, "1h"),
            arg("min_read_frequency", D, "250ms"),
            arg("max_read_frequency", D, "1s"),
            arg("drain_timeout", D, "15s"),
            support=harmless("lines are always in the journal first", "set storage.max_size and storage.max_age"),
        ),
    ),
    exports={"receiver": Type.ENTRIES},
)
LOKI = (SOURCE_DOCKER, PROCESS, WRITE)
