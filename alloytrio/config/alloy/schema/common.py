"""Blocks that several components share.

Source: Alloy ``internal/component/common/config``, ``common/relabel``, ``otelcol/config_tls.go``.
"""

from alloytrio.config.alloy.schema.kinds import Argument, BlockSchema, Type, arg, block, harmless, required, unsupported

S, N, B, D, Z = Type.STRING, Type.NUMBER, Type.BOOL, Type.DURATION, Type.SIZE

NO_PROXY = unsupported("outgoing connections use no proxy", "remove it, and let the network route the connection")
NO_OAUTH = unsupported("OAuth 2.0 is not spoken", "use basic_auth or a bearer token from a file")
GO_TUNING = harmless("it tunes Go's network library")

TLS_COMMON: tuple[Argument | BlockSchema, ...] = (
    arg("ca_pem", Type.SECRET),
    arg("ca_file", S),
    arg("cert_pem", Type.SECRET),
    arg("cert_file", S),
    arg("key_pem", Type.SECRET),
    arg("key_file", S),
    arg("min_version", S, "1.2"),
    arg("max_version", S, ""),
    arg("reload_interval", D, "0s"),
    arg("cipher_suites", Type.STRINGS),
    arg("curve_preferences", Type.STRINGS),
    arg("include_system_ca_certs_pool", B, False),
    arg("include_insecure_cipher_suites", B, False),
    block(
        "tpm",
        arg("enabled", B, False),
        arg("path", S),
        arg("owner_auth", Type.SECRET),
        arg("auth", Type.SECRET),
        support=unsupported("keys in a TPM cannot be used", "use key_file"),
    ),
)
OTELCOL_TLS_CLIENT = block(
    "tls",
    arg("insecure", B, False),
    arg("insecure_skip_verify", B, False),
    arg("server_name", S, ""),
    *TLS_COMMON,
)
OTELCOL_TLS_SERVER = block("tls", arg("client_ca_file", S, ""), *TLS_COMMON)

TLS_CONFIG = block(
    "tls_config",
    arg("ca_pem", S),
    arg("ca_file", S),
    arg("cert_pem", S),
    arg("cert_file", S),
    arg("key_pem", Type.SECRET),
    arg("key_file", S),
    arg("server_name", S, ""),
    arg("insecure_skip_verify", B, False),
    arg("min_version", S, ""),
)
BASIC_AUTH = block(
    "basic_auth",
    arg("username", S, ""),
    arg("password", Type.SECRET),
    arg("password_file", S),
)
PROXY = (
    arg("proxy_url", S, support=NO_PROXY),
    arg("no_proxy", S, support=NO_PROXY),
    arg("proxy_from_environment", B, False, NO_PROXY),
    arg("proxy_connect_header", Type.LISTS_MAP, support=NO_PROXY),
)
OAUTH2 = block(
    "oauth2",
    required("client_id", S),
    arg("client_secret", Type.SECRET),
    arg("client_secret_file", S),
    arg("scopes", Type.STRINGS),
    required("token_url", S),
    arg("endpoint_params", Type.MAP),
    *PROXY,
    TLS_CONFIG,
    support=NO_OAUTH,
)
HTTP_CLIENT: tuple[Argument | BlockSchema, ...] = (
    arg("bearer_token", Type.SECRET),
    arg("bearer_token_file", S),
    *PROXY,
    arg("follow_redirects", B, True, harmless("redirects are not followed: a backend's address does not move")),
    arg("enable_http2", B, True, harmless("connections to backends are kept open, HTTP/1.1 costs nothing more")),
    arg(
        "http_headers", Type.LISTS_MAP, support=unsupported("there is one way to set headers", "write them as headers")
    ),
    BASIC_AUTH,
    block(
        "authorization",
        arg("type", S, "Bearer"),
        arg("credentials", Type.SECRET),
        arg("credentials_file", S),
    ),
    OAUTH2,
    TLS_CONFIG,
)
"""Attributes and blocks of everything that speaks HTTP to a backend, in Prometheus' words."""


def rule(name: str = "rule") -> BlockSchema:
    """Relabel rules."""
    return block(
        name,
        arg("source_labels", Type.STRINGS),
        arg("separator", S, ";"),
        arg("regex", S, "(.*)"),
        arg("modulus", N, 0),
        arg("target_label", S, ""),
        arg("replacement", S, "$1"),
        arg("action", S, "replace"),
        repeated=True,
    )


DEBUG_METRICS = block(
    "debug_metrics",
    arg("disable_high_cardinality_metrics", B, True),
    arg("level", S, "detailed"),
    support=harmless("own metrics never have high-cardinality labels"),
)


def output(*signals: str) -> BlockSchema:
    """Where an OpenTelemetry component sends each signal."""
    return block(
        "output", *(arg(signal, Type.OTLP) for signal in signals or ("metrics", "logs", "traces")), required=True
    )
