"""Blocks that are no components, and components that only lend something to others.

Source: Alloy ``docs/sources/reference/config-blocks``, ``docs/sources/reference/components``.
"""

from alloytrio.config.alloy.schema.common import OTELCOL_TLS_CLIENT, rule
from alloytrio.config.alloy.schema.kinds import (
    BlockSchema,
    Support,
    Type,
    arg,
    block,
    harmless,
    required,
    unsupported,
)

S, N, B, D, Z = Type.STRING, Type.NUMBER, Type.BOOL, Type.DURATION, Type.SIZE

_NO_OWN_LOGS = unsupported("own log lines go to stderr", "the Docker source reads them from there, as of any container")

LOGGING = block(
    "logging",
    arg("level", S, "info"),
    arg("format", S, "logfmt"),
    arg("destination", S, "stderr", harmless("own log lines go to stderr")),
    arg("write_to", Type.ENTRIES, support=_NO_OWN_LOGS),
)
_NO_FILTER = unsupported(
    "with credentials everything is protected but /-/ready, which probes ask", "remove the block, or auth as a whole"
)
HTTP = block(
    "http",
    block(
        "auth",
        block("basic", required("username", S), required("password", Type.SECRET)),
        block(
            "filter",
            arg("paths", Type.STRINGS),
            arg("authenticate_matching_paths", B, True),
            support=_NO_FILTER,
        ),
    ),
    block(
        "tls",
        arg("cert_pem", S),
        arg("cert_file", S),
        arg("key_pem", Type.SECRET),
        arg("key_file", S),
        arg(
            "client_ca_pem",
            S,
            support=unsupported("authorities of clients are read from a file", "write it to a file: client_ca_file"),
        ),
        arg("client_ca_file", S),
        arg("client_auth_type", S, "NoClientCert"),
        arg("cipher_suites", Type.STRINGS),
        arg("curve_preferences", Type.STRINGS),
        arg("min_version", S, ""),
        arg("max_version", S, ""),
        arg("prefer_server_cipher_suites", B, False, harmless("Go ignores it as well")),
        block(
            "windows_certificate_filter",
            support=unsupported("there is no certificate store of Windows", "set cert_file and key_file"),
        ),
    ),
)
LIVEDEBUGGING = block(
    "livedebugging",
    arg("enabled", B, False),
    support=harmless("the live view is always there and costs nothing unwatched"),
)
TRACING = block(
    "tracing",
    arg("sampling_fraction", N, 0.1),
    arg("write_to", Type.OTLP),
    block("sampler", block("jaeger_remote", arg("url", S), arg("max_operations", N), arg("refresh_interval", D))),
    OTELCOL_TLS_CLIENT,
    support=harmless("the service does not trace itself", "its metrics and page show what it does"),
)

RULES_ONLY = block(
    "loki.relabel",
    required("forward_to", Type.ENTRIES),
    arg("max_cache_size", N, 10000, harmless("rules need no cache")),
    rule(),
)
"""Without ``forward_to`` it only gives its rules, as ``discovery.relabel`` does here."""

LOCAL_FILE = block(
    "local.file",
    required("filename", S),
    arg("is_secret", B, False),
    arg("detector", S, "fsnotify", harmless("the file is read when the configuration is")),
    arg("poll_frequency", D, "1m", harmless("the file is read when the configuration is")),
)
"""Its content becomes ``${file:PATH}`` where it is used."""

BLOCKS: dict[str, BlockSchema] = {each.name: each for each in (LOGGING, HTTP, LIVEDEBUGGING, TRACING)}
"""Blocks that are no components, by name."""

_NO_MODULES = "modules are not supported"
REFUSED: dict[str, Support] = {
    "declare": unsupported("custom components are not supported", "write the components out, once for each use"),
    "foreach": unsupported("templates are not expanded", "write the components out, once for each element"),
    "import.file": unsupported(_NO_MODULES, "copy the components that are used into this file"),
    "import.git": unsupported(_NO_MODULES, "copy the components that are used into this file"),
    "import.http": unsupported(_NO_MODULES, "copy the components that are used into this file"),
    "import.string": unsupported(_NO_MODULES, "copy the components that are used into this file"),
    "argument": unsupported(_NO_MODULES, "it belongs into a module"),
    "export": unsupported(_NO_MODULES, "it belongs into a module"),
    "remotecfg": unsupported("the configuration is a local file", "deploy the file, and reload with SIGHUP"),
}
"""Blocks of the language that have no meaning here."""
