"""``prometheus.remote_write`` and ``discovery.*``.

Source: Alloy ``internal/component/prometheus/remotewrite``, ``internal/component/discovery``.
"""

from alloytrio.config.alloy.schema.common import HTTP_CLIENT, rule
from alloytrio.config.alloy.schema.kinds import (
    ComponentSchema,
    Type,
    arg,
    block,
    harmless,
    required,
    unsupported,
)

S, N, B, D, Z = Type.STRING, Type.NUMBER, Type.BOOL, Type.DURATION, Type.SIZE

NO_CLOUD_AUTH = unsupported("requests are not signed for this cloud", "use basic_auth or a bearer token from a file")
_JOURNAL = harmless("samples are kept in the journal, bounded by [storage]", "set storage.max_size and storage.max_age")

REMOTE_WRITE = ComponentSchema(
    block(
        "prometheus.remote_write",
        arg("external_labels", Type.MAP),
        block(
            "endpoint",
            required("url", S),
            arg("name", S, ""),
            arg("remote_timeout", D, "30s"),
            arg("headers", Type.SECRET_MAP),
            arg("send_exemplars", B, True),
            arg("send_native_histograms", B, False),
            arg("protobuf_message", S, "prometheus.WriteRequest"),
            arg("round_robin_dns", B, False, harmless("addresses are tried in the order in which DNS gives them")),
            *(each for each in HTTP_CLIENT if each.name != "enable_http2"),
            arg(
                "enable_http2", B, False, harmless("connections to backends are kept open, HTTP/1.1 costs nothing more")
            ),
            block(
                "sigv4",
                arg("region", S),
                arg("access_key", S),
                arg("secret_key", Type.SECRET),
                arg("profile", S),
                arg("role_arn", S),
                support=NO_CLOUD_AUTH,
            ),
            block(
                "azuread",
                arg("cloud", S),
                block("managed_identity", arg("client_id", S)),
                block("oauth", arg("client_id", S), arg("client_secret", Type.SECRET), arg("tenant_id", S)),
                block("sdk", arg("tenant_id", S)),
                block("workload_identity", arg("client_id", S), arg("tenant_id", S), arg("token_file_path", S)),
                arg("scope", S),
                support=NO_CLOUD_AUTH,
            ),
            block("google_iam", arg("credentials_file", S), support=NO_CLOUD_AUTH),
            block(
                "queue_config",
                arg("capacity", N, 10000),
                arg("min_shards", N, 1),
                arg("max_shards", N, 50),
                arg("max_samples_per_send", N, 2000),
                arg("batch_send_deadline", D, "5s"),
                arg("min_backoff", D, "30ms"),
                arg("max_backoff", D, "5s"),
                arg("retry_on_http_429", B, True),
                arg("sample_age_limit", D, "0s"),
            ),
            block(
                "metadata_config",
                arg("send", B, True),
                arg("send_interval", D, "1m"),
                arg("max_samples_per_send", N, 2000),
            ),
            rule("write_relabel_config"),
            repeated=True,
        ),
        block(
            "wal",
            arg("truncate_frequency", D, "2h", _JOURNAL),
            arg("min_keepalive_time", D, "5m", _JOURNAL),
            arg("max_keepalive_time", D, "8h"),
        ),
    ),
    exports={"receiver": Type.SAMPLES},
)

DISCOVERY_DOCKER = ComponentSchema(
    block(
        "discovery.docker",
        required("host", S),
        arg("port", N, 80),
        arg("host_networking_host", S, "localhost"),
        arg("refresh_interval", D, "1m"),
        arg("match_first_network", B, True),
        *HTTP_CLIENT,
        block("filter", required("name", S), required("values", Type.STRINGS), repeated=True),
    ),
    exports={"targets": Type.TARGETS},
)
DISCOVERY_RELABEL = ComponentSchema(
    block("discovery.relabel", required("targets", Type.TARGETS), rule()),
    exports={"output": Type.TARGETS, "rules": Type.RULES},
)
PROMETHEUS = (REMOTE_WRITE, DISCOVERY_DOCKER, DISCOVERY_RELABEL)
