"""``otelcol.*``. Source: Alloy ``internal/component/otelcol``; defaults as Alloy sets them."""

from alloytrio.config.alloy.schema.common import (
    DEBUG_METRICS,
    GO_TUNING,
    NO_PROXY,
    OTELCOL_TLS_CLIENT,
    OTELCOL_TLS_SERVER,
    output,
)
from alloytrio.config.alloy.schema.kinds import (
    Argument,
    BlockSchema,
    ComponentSchema,
    Type,
    arg,
    block,
    harmless,
    required,
    unsupported,
)

S, N, B, D, Z = Type.STRING, Type.NUMBER, Type.BOOL, Type.DURATION, Type.SIZE

NO_METADATA = unsupported(
    "request metadata does not travel through the pipelines", "use one receiver and one exporter for each tenant"
)
_COMPRESSIONS = ["", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4"]

_GRPC_SERVER = block(
    "grpc",
    arg("endpoint", S, "0.0.0.0:4317"),
    arg("transport", S, "tcp"),
    arg("max_recv_msg_size", Z, "4MiB"),
    arg("max_concurrent_streams", N, 0),
    arg("read_buffer_size", Z, "512KiB"),
    arg("write_buffer_size", Z),
    arg("include_metadata", B, False, NO_METADATA),
    arg("auth", Type.HANDLER),
    block(
        "keepalive",
        block(
            "server_parameters",
            arg("max_connection_idle", D, "0s"),
            arg("max_connection_age", D, "0s"),
            arg("max_connection_age_grace", D, "0s"),
            arg("time", D, "2h"),
            arg("timeout", D, "20s"),
        ),
        block("enforcement_policy", arg("min_time", D, "5m"), arg("permit_without_stream", B, False)),
    ),
    OTELCOL_TLS_SERVER,
)
_HTTP_SERVER = block(
    "http",
    arg("endpoint", S, "0.0.0.0:4318"),
    arg("max_request_body_size", Z, "20MiB"),
    arg("include_metadata", B, False, NO_METADATA),
    arg("compression_algorithms", Type.STRINGS, _COMPRESSIONS),
    arg("keep_alives_enabled", B, True),
    arg("idle_timeout", D, "1m"),
    arg("read_timeout", D, "0s"),
    arg("read_header_timeout", D, "1m"),
    arg("write_timeout", D, "30s"),
    arg("traces_url_path", S, "/v1/traces"),
    arg("metrics_url_path", S, "/v1/metrics"),
    arg("logs_url_path", S, "/v1/logs"),
    arg("auth", Type.HANDLER),
    block(
        "cors",
        arg("allowed_origins", Type.STRINGS),
        arg("allowed_headers", Type.STRINGS),
        arg("exposed_headers", Type.STRINGS),
        arg("max_age", N, 0),
    ),
    OTELCOL_TLS_SERVER,
)
RECEIVER = ComponentSchema(
    block("otelcol.receiver.otlp", _GRPC_SERVER, _HTTP_SERVER, DEBUG_METRICS, output()), exports={}
)

BATCH = ComponentSchema(
    block(
        "otelcol.processor.batch",
        arg("timeout", D, "200ms"),
        arg("send_batch_size", N, 2000),
        arg("send_batch_max_size", N, 3000),
        arg("metadata_keys", Type.STRINGS, support=NO_METADATA),
        arg("metadata_cardinality_limit", N, 1000, harmless("without metadata_keys it limits nothing")),
        DEBUG_METRICS,
        output(),
    ),
    exports={"input": Type.OTLP},
)

_NO_STORAGE = harmless("the queue is always on disk, in the folder of [storage]", "set storage.path if it should move")
_QUEUE = block(
    "sending_queue",
    arg("enabled", B, True),
    arg("num_consumers", N, 10),
    arg("queue_size", N, 1000),
    arg("sizer", S, "requests"),
    arg("block_on_overflow", B, False),
    arg("wait_for_result", B, False, harmless("a request is acknowledged when it is in the journal on disk")),
    arg("storage", Type.HANDLER, support=_NO_STORAGE),
    block(
        "batch",
        arg("flush_timeout", D, "200ms"),
        arg("min_size", N, 2000),
        arg("max_size", N, 3000),
        arg("sizer", S, "items"),
    ),
)
_RETRY = block(
    "retry_on_failure",
    arg("enabled", B, True),
    arg("initial_interval", D, "5s"),
    arg("randomization_factor", N, 0.5),
    arg("multiplier", N, 1.5),
    arg("max_interval", D, "30s"),
    arg("max_elapsed_time", D, "5m"),
)
EXPORTER_OTLP = ComponentSchema(
    block(
        "otelcol.exporter.otlp",
        arg("timeout", D, "5s"),
        block(
            "client",
            required("endpoint", S),
            arg("compression", S, "gzip"),
            arg("headers", Type.SECRET_MAP),
            arg("read_buffer_size", Z, support=GO_TUNING),
            arg("write_buffer_size", Z, "512KiB", GO_TUNING),
            arg("wait_for_ready", B, False, harmless("an unready backend is waited for anyway, with the data on disk")),
            arg(
                "balancer_name",
                S,
                "round_robin",
                harmless("there is one connection, to the first address that answers"),
            ),
            arg("authority", S, ""),
            arg("auth", Type.HANDLER),
            OTELCOL_TLS_CLIENT,
            block(
                "keepalive",
                arg("ping_wait", D),
                arg("ping_response_timeout", D),
                arg("ping_without_stream", B, False),
            ),
            required=True,
        ),
        _QUEUE,
        _RETRY,
        DEBUG_METRICS,
    ),
    exports={"input": Type.OTLP},
)

_COOKIES = block(
    "cookies", arg("enabled", B, False), support=unsupported("cookies are not kept", "remove it; backends set none")
)
_HTTP_TUNING: tuple[Argument | BlockSchema, ...] = (
    arg("read_buffer_size", Z, support=GO_TUNING),
    arg("write_buffer_size", Z, "512KiB", GO_TUNING),
    arg("max_idle_conns", N, 100, GO_TUNING),
    arg("max_idle_conns_per_host", N, 0, GO_TUNING),
    arg("max_conns_per_host", N, 0, GO_TUNING),
    arg("idle_conn_timeout", D, "90s", GO_TUNING),
    arg("disable_keep_alives", B, False, harmless("connections are kept open")),
    arg("force_attempt_http2", B, True, harmless("connections to backends are kept open, HTTP/1.1 costs nothing more")),
    arg("http2_read_idle_timeout", D, "0s", GO_TUNING),
    arg("http2_ping_timeout", D, "15s", GO_TUNING),
)
EXPORTER_OTLPHTTP = ComponentSchema(
    block(
        "otelcol.exporter.otlphttp",
        arg("metrics_endpoint", S, ""),
        arg("logs_endpoint", S, ""),
        arg("traces_endpoint", S, ""),
        arg("encoding", S, "proto"),
        block(
            "client",
            required("endpoint", S),
            arg("timeout", D, "30s"),
            arg("compression", S, "gzip"),
            arg("headers", Type.SECRET_MAP),
            arg("auth", Type.HANDLER),
            arg("proxy_url", S, support=NO_PROXY),
            *_HTTP_TUNING,
            block("compression_params", arg("level", N), support=harmless("the level is chosen for speed")),
            _COOKIES,
            OTELCOL_TLS_CLIENT,
            required=True,
        ),
        _QUEUE,
        _RETRY,
        DEBUG_METRICS,
    ),
    exports={"input": Type.OTLP},
)

_EXPERIMENTAL = unsupported("it is experimental in Alloy", "remove it")
EXPORTER_PROMETHEUS = ComponentSchema(
    block(
        "otelcol.exporter.prometheus",
        required("forward_to", Type.SAMPLES),
        arg("include_target_info", B, True),
        arg("include_scope_info", B, False),
        arg("include_scope_labels", B, True),
        arg("gc_frequency", D, "5m"),
        arg("add_metric_suffixes", B, True),
        arg("resource_to_telemetry_conversion", B, False),
        arg("honor_metadata", B, False, _EXPERIMENTAL),
        arg("keep_identifying_resource_attributes", B, False),
        arg("convert_classic_histograms_to_nhcb", B, False, _EXPERIMENTAL),
        arg("start_timestamp_zero_ingestion", B, False),
    ),
    exports={"input": Type.OTLP},
)
EXPORTER_LOKI = ComponentSchema(
    block("otelcol.exporter.loki", required("forward_to", Type.ENTRIES)), exports={"input": Type.OTLP}
)

AUTH_BASIC = ComponentSchema(
    block(
        "otelcol.auth.basic",
        arg("username", S),
        arg("password", Type.SECRET),
        block("client_auth", required("username", S), required("password", Type.SECRET)),
        block(
            "htpasswd",
            arg("file", S),
            arg("inline", S),
            support=unsupported("htpasswd files are not read", "write one username and password"),
        ),
        DEBUG_METRICS,
    ),
    exports={"handler": Type.HANDLER},
)
AUTH_BEARER = ComponentSchema(
    block(
        "otelcol.auth.bearer",
        arg("token", Type.SECRET),
        arg("scheme", S, "Bearer"),
        arg("header", S, "Authorization"),
        arg("filename", S),
        DEBUG_METRICS,
    ),
    exports={"handler": Type.HANDLER},
)

OTELCOL = (
    RECEIVER,
    BATCH,
    EXPORTER_OTLP,
    EXPORTER_OTLPHTTP,
    EXPORTER_PROMETHEUS,
    EXPORTER_LOKI,
    AUTH_BASIC,
    AUTH_BEARER,
)
