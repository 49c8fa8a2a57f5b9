"""The collector's components: what they are called here, and how their keys differ from Alloy's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from alloytrio.config.alloy.plain import Plain
from alloytrio.config.alloy.schema import COMPONENTS as ALLOY
from alloytrio.config.alloy.schema.kinds import BlockSchema, Support, Type, arg, block, harmless, unsupported
from alloytrio.config.alloy.schema.others import NOT_PRINTED
from alloytrio.config.convert.mapping import Words

Kind = Literal["receiver", "processor", "exporter", "extension"]
Table = dict[str, Plain]
Finished = list[tuple[tuple[str, ...], Table]]


def _schema(component_type: str) -> BlockSchema:
    return ALLOY[component_type].block


@dataclass(frozen=True, slots=True)
class Translation:
    """How one of the collector's components becomes one of ours.

    Args:
        component_type: ours; the one that is fed.
        schema: what its mapping may hold, in Alloy's words.
        words: how the collector calls it.
        defaults: the collector's, where they differ from ours, by place.
        finish: the tables that come of the filled one, given its label.
        inlines_auth: ``auth`` becomes keys of the endpoint, since only OTLP has authenticators.
    """

    component_type: str
    schema: BlockSchema
    words: Words
    finish: Callable[[Table, str], Finished]
    defaults: Mapping[tuple[str, ...], Plain] = field(default_factory=dict)
    inlines_auth: bool = False


def _alone(component_type: str) -> Callable[[Table, str], Finished]:
    return lambda table, label: [((*component_type.split("."), label), table)]


_TLS = Words(
    refused={
        "insecure_skip_verify_hostname": unsupported("certificates are checked whole or not at all", "remove it"),
    }
)
_MIDDLEWARES = {"middlewares": unsupported("there are no middlewares", "remove them")}

# The collector writes protocols: { grpc: …, http: … } where Alloy has the two blocks at once.
_RECEIVER_SCHEMA = block("otelcol.receiver.otlp", block("protocols", *_schema("otelcol.receiver.otlp").blocks[:2]))
_RECEIVER_WORDS = Words(
    inner={
        "protocols": Words(
            inner={
                "grpc": Words(
                    refused=_MIDDLEWARES, renamed={"max_recv_msg_size_mib": "max_recv_msg_size"}, inner={"tls": _TLS}
                ),
                "http": Words(refused=_MIDDLEWARES, inner={"tls": _TLS}),
            }
        )
    }
)


def _receiver(table: Table, label: str) -> Finished:
    protocols = table.pop("protocols", {})
    assert isinstance(protocols, dict)
    grpc = protocols.get("grpc")
    if isinstance(grpc, dict) and isinstance(size := grpc.get("max_recv_msg_size"), str):
        grpc["max_recv_msg_size"] = f"{size.removesuffix('B')}MiB"
    return [(("otelcol", "receiver", "otlp", label), {**protocols, "output": table["output"]})]


_IN_CLIENT = (
    "auth", "endpoint", "compression", "headers", "tls", "read_buffer_size", "write_buffer_size", "wait_for_ready",
    "balancer_name", "authority", "max_idle_conns", "max_idle_conns_per_host", "max_conns_per_host",
    "idle_conn_timeout", "disable_keep_alives", "force_attempt_http2", "http2_read_idle_timeout",
    "http2_ping_timeout", "proxy_url", "cookies", "compression_params",
)  # fmt: skip
_CLIENT_KEYS: dict[str, str | tuple[str, ...]] = {key: ("client", key) for key in _IN_CLIENT}
_KEEPALIVE = Words(
    renamed={
        "time": "ping_wait",
        "timeout": "ping_response_timeout",
        "permit_without_stream": "ping_without_stream",
    }
)
_EXPORTER_REFUSED = {
    **_MIDDLEWARES,
    "profiles_endpoint": unsupported("profiles are not handled", "remove it"),
    "batcher": unsupported("batches are cut by the batch processor", "use sending_queue.batch"),
}
_OTLP_WORDS = Words(
    renamed={**_CLIENT_KEYS, "keepalive": ("client", "keepalive")},
    refused=_EXPORTER_REFUSED,
    inner={"tls": _TLS, "keepalive": _KEEPALIVE},
)
_OTLPHTTP_WORDS = Words(
    renamed={**_CLIENT_KEYS, "timeout": ("client", "timeout")}, refused=_EXPORTER_REFUSED, inner={"tls": _TLS}
)


def _otlphttp(table: Table, label: str) -> Finished:
    """Alloy requires the base endpoint; with an endpoint for each signal the collector does not."""
    client = table.setdefault("client", {})
    assert isinstance(client, dict)
    one = next((table[key] for key in table if key.endswith("_endpoint")), "")
    client.setdefault("endpoint", one)
    return [(("otelcol", "exporter", "otlphttp", label), table)]


_TLS_CONFIG = block(
    "tls_config",
    arg("insecure", Type.BOOL, support=harmless("the scheme of the url decides")),
    arg("ca_file", Type.STRING),
    arg("ca_pem", Type.STRING),
    arg("cert_file", Type.STRING),
    arg("cert_pem", Type.STRING),
    arg("key_file", Type.STRING),
    arg("key_pem", Type.SECRET),
    arg("server_name", Type.STRING),
    arg("insecure_skip_verify", Type.BOOL),
    arg("min_version", Type.STRING),
)
_REMOTE_WRITE_SCHEMA = block(
    "prometheusremotewrite",
    arg("external_labels", Type.MAP),
    arg("add_metric_suffixes", Type.BOOL),
    block(
        "endpoint",
        arg("url", Type.STRING),
        arg("headers", Type.SECRET_MAP),
        arg("remote_timeout", Type.DURATION),
        _TLS_CONFIG,
    ),
    block("target_info", arg("enabled", Type.BOOL)),
    block("resource_to_telemetry_conversion", arg("enabled", Type.BOOL)),
)
_ENDPOINT_KEYS: dict[str, str | tuple[str, ...]] = {
    "endpoint": ("endpoint", "url"),
    "headers": ("endpoint", "headers"),
    "timeout": ("endpoint", "remote_timeout"),
    "tls": ("endpoint", "tls_config"),
}
_ENDPOINT_REFUSED = {
    **_MIDDLEWARES,
    "proxy_url": unsupported("outgoing connections use no proxy", "let the network route the connection"),
    "write_buffer_size": harmless("it tunes Go's network library"),
    "read_buffer_size": harmless("it tunes Go's network library"),
}
_QUEUE = harmless("samples are in the journal until they are delivered", "set storage.max_size and storage.max_age")
_REMOTE_WRITE_WORDS = Words(
    renamed=_ENDPOINT_KEYS,
    refused={
        **_ENDPOINT_REFUSED,
        "namespace": unsupported("names of metrics get no prefix", "relabel __name__ with write_relabel_config"),
        "remote_write_queue": _QUEUE,
        "retry_on_failure": _QUEUE,
        "sending_queue": _QUEUE,
        "wal": _QUEUE,
        "max_batch_size_bytes": _QUEUE,
        "max_batch_request_parallelism": _QUEUE,
        "export_created_metric": unsupported("no _created series are made", "remove it"),
        "send_metadata": unsupported("metadata is sent by metadata_config", "set it in prometheus.remote_write"),
        "protobuf_message": unsupported("remote write 2.0 is not spoken", "remove it"),
        "translation_strategy": unsupported("names are translated as Prometheus 2 has them", "use add_metric_suffixes"),
        "compression": harmless("remote write is always snappy"),
    },
)


def _remote_write(table: Table, label: str) -> Finished:
    """Two components: one makes samples, the other sends them."""
    exporter: Table = {"forward_to": [f"prometheus.remote_write.{label}"]}
    if "add_metric_suffixes" in table:
        exporter["add_metric_suffixes"] = table["add_metric_suffixes"]
    for key, name in (
        ("target_info", "include_target_info"),
        ("resource_to_telemetry_conversion", "resource_to_telemetry_conversion"),
    ):
        inner = table.get(key)
        if isinstance(inner, dict) and "enabled" in inner:
            exporter[name] = inner["enabled"]
    writer: Table = {"external_labels": table["external_labels"]} if "external_labels" in table else {}
    endpoint = table.get("endpoint", {})
    assert isinstance(endpoint, dict)
    writer["endpoint"] = [{"url": "", **endpoint, "send_native_histograms": True}]
    return [
        (("otelcol", "exporter", "prometheus", label), exporter),
        (("prometheus", "remote_write", label), writer),
    ]


_LOKI_SCHEMA = block(
    "loki",
    block(
        "endpoint",
        arg("url", Type.STRING),
        arg("headers", Type.SECRET_MAP),
        arg("remote_timeout", Type.DURATION),
        _TLS_CONFIG,
    ),
    block(
        "default_labels_enabled",
        *(
            arg(name, Type.BOOL, True, unsupported("the labels are always made", "use stage.label_drop"))
            for name in ("exporter", "job", "instance", "level")
        ),
    ),
)
_LINES = harmless("lines are in the journal until they are delivered", "set storage.max_size and storage.max_age")
_LOKI_WORDS = Words(
    renamed=_ENDPOINT_KEYS,
    refused={**_ENDPOINT_REFUSED, "retry_on_failure": _LINES, "sending_queue": _LINES},
)


def _loki(table: Table, label: str) -> Finished:
    """Two components: one makes lines, the other sends them."""
    endpoint = table.get("endpoint", {})
    assert isinstance(endpoint, dict)
    return [
        (("otelcol", "exporter", "loki", label), {"forward_to": [f"loki.write.{label}"]}),
        (("loki", "write", label), {"endpoint": [{"url": "", **endpoint}]}),
    ]


_OTLP = Translation(
    "otelcol.exporter.otlp", _schema("otelcol.exporter.otlp"), _OTLP_WORDS, _alone("otelcol.exporter.otlp")
)
_OTLPHTTP = Translation("otelcol.exporter.otlphttp", _schema("otelcol.exporter.otlphttp"), _OTLPHTTP_WORDS, _otlphttp)

COMPONENTS: dict[tuple[Kind, str], Translation] = {
    ("receiver", "otlp"): Translation(
        "otelcol.receiver.otlp",
        _RECEIVER_SCHEMA,
        _RECEIVER_WORDS,
        _receiver,
        {("protocols", "grpc", "endpoint"): "localhost:4317", ("protocols", "http", "endpoint"): "localhost:4318"},
    ),
    ("processor", "batch"): Translation(
        "otelcol.processor.batch",
        _schema("otelcol.processor.batch"),
        Words(),
        _alone("otelcol.processor.batch"),
        {("send_batch_size",): 8192, ("send_batch_max_size",): 0},
    ),
    ("exporter", "otlp"): _OTLP,
    ("exporter", "otlp_grpc"): _OTLP,
    ("exporter", "otlphttp"): _OTLPHTTP,
    ("exporter", "otlp_http"): _OTLPHTTP,
    ("exporter", "prometheusremotewrite"): Translation(
        "otelcol.exporter.prometheus", _REMOTE_WRITE_SCHEMA, _REMOTE_WRITE_WORDS, _remote_write, inlines_auth=True
    ),
    ("exporter", "loki"): Translation("otelcol.exporter.loki", _LOKI_SCHEMA, _LOKI_WORDS, _loki, inlines_auth=True),
    ("extension", "basicauth"): Translation(
        "otelcol.auth.basic", _schema("otelcol.auth.basic"), Words(), _alone("otelcol.auth.basic")
    ),
    ("extension", "bearertokenauth"): Translation(
        "otelcol.auth.bearer", _schema("otelcol.auth.bearer"), Words(), _alone("otelcol.auth.bearer")
    ),
}

_CREDENTIALS = "credentials"
INLINED: dict[str, tuple[BlockSchema, Words]] = {
    "basicauth": (
        block(
            _CREDENTIALS,
            block("basic_auth", arg("username", Type.STRING), arg("password", Type.SECRET)),
        ),
        Words(
            renamed={"client_auth": "basic_auth"},
            refused={"htpasswd": unsupported("it is for clients of a receiver", "write client_auth")},
        ),
    ),
    "bearertokenauth": (
        block(
            _CREDENTIALS,
            arg("bearer_token", Type.SECRET),
            arg("bearer_token_file", Type.STRING),
            arg("scheme", Type.STRING, "Bearer", unsupported("the scheme is Bearer", "write the header in headers")),
            arg("header", Type.STRING, "Authorization", unsupported("the header is Authorization", "use headers")),
        ),
        Words(renamed={"token": "bearer_token", "filename": "bearer_token_file"}),
    ),
}
"""Authenticators as keys of a Prometheus or Loki endpoint."""

_PASSED_ON = unsupported("OpenTelemetry data is passed on as it is", "do it in the SDK, or in the backend")
REFUSED: dict[str, Support] = {
    "processor.memory_limiter": harmless("the journal on disk holds what a backend does not take; memory is bounded"),
    "processor.resourcedetection": unsupported("resources are passed on as they are", "set OTEL_RESOURCE_ATTRIBUTES"),
    "processor.attributes": _PASSED_ON,
    "processor.resource": _PASSED_ON,
    "processor.transform": _PASSED_ON,
    "processor.filter": _PASSED_ON,
    "processor.probabilistic_sampler": unsupported("nothing is sampled here", "sample in the SDK"),
    "processor.tail_sampling": unsupported("nothing is sampled here", "sample in the SDK"),
    "exporter.debug": NOT_PRINTED,
    "exporter.logging": NOT_PRINTED,
    "exporter.nop": harmless("it does nothing"),
    "exporter.prometheus": unsupported("metrics are pushed, not scraped", "use prometheusremotewrite"),
    "receiver.filelog": unsupported("logs are read from the Docker socket", "see loki.source.docker"),
    "receiver.hostmetrics": unsupported("the host is not measured", "run node_exporter and let Prometheus scrape it"),
    "receiver.prometheus": unsupported("nothing is scraped", "let Prometheus scrape"),
    "receiver.jaeger": unsupported("only OTLP is received", "send OTLP; every SDK can"),
    "receiver.zipkin": unsupported("only OTLP is received", "send OTLP; every SDK can"),
}
"""``kind.type`` of frequent components that are not here."""

EXTENSIONS: dict[str, Support] = {
    "health_check": harmless("/-/ready and /-/healthy are on admin.listen_addr"),
    "healthcheckv2": harmless("/-/ready and /-/healthy are on admin.listen_addr"),
    "zpages": harmless("the page on admin.listen_addr shows more"),
    "pprof": harmless("there is no profiler to ask"),
    "file_storage": harmless("the queue is always on disk, in the folder of [storage]"),
    "memory_ballast": harmless("there is no Go runtime to calm"),
}
