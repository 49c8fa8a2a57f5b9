"""Blocks that are no components, and components that this service does not have: what to say about each.

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
_OTHER_AUTH = unsupported(
    "the page has its own words for credentials", "write basic_auth = { username = …, password = … } into [admin]"
)
HTTP = block(
    "http",
    block(
        "auth",
        block("basic", required("username", S), required("password", Type.SECRET)),
        block("filter", arg("paths", Type.STRINGS), arg("authenticate_matching_paths", B, True)),
        support=_OTHER_AUTH,
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
        arg(
            "client_auth_type",
            S,
            "NoClientCert",
            harmless("clients must have a certificate as soon as client_ca_file is set"),
        ),
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

_TARGETS_ONLY = unsupported(
    "this service takes what is pushed to it and reads the Docker socket", "let Prometheus scrape"
)
_USE_PROCESS = unsupported("OpenTelemetry data is passed on as it is", "do it in the SDK, or in the backend")
_USE_DOCKER = unsupported("logs are read from the Docker socket", "let the program write to stdout, or push OTLP logs")

OTHER_COMPONENTS: dict[str, Support] = {
    "otelcol.processor.memory_limiter": harmless(
        "the journal on disk holds what a backend does not take; memory is bounded"
    ),
    "otelcol.processor.attributes": _USE_PROCESS,
    "otelcol.processor.filter": _USE_PROCESS,
    "otelcol.processor.transform": _USE_PROCESS,
    "otelcol.processor.resourcedetection": unsupported(
        "resources are passed on as they are", "set OTEL_RESOURCE_ATTRIBUTES"
    ),
    "otelcol.processor.probabilistic_sampler": unsupported("nothing is sampled here", "sample in the SDK"),
    "otelcol.processor.tail_sampling": unsupported(
        "nothing is sampled here", "sample in the SDK, or in Tempo's pipeline"
    ),
    "otelcol.processor.k8sattributes": unsupported(
        "Kubernetes is not asked for metadata", "set OTEL_RESOURCE_ATTRIBUTES"
    ),
    "otelcol.connector.spanmetrics": unsupported("no metrics are made of spans", "use Tempo's metrics generator"),
    "otelcol.connector.servicegraph": unsupported("no metrics are made of spans", "use Tempo's metrics generator"),
    "otelcol.receiver.jaeger": unsupported("only OTLP is received", "send OTLP; every SDK can"),
    "otelcol.receiver.zipkin": unsupported("only OTLP is received", "send OTLP; every SDK can"),
    "otelcol.receiver.prometheus": _TARGETS_ONLY,
    "otelcol.receiver.loki": _USE_DOCKER,
    "otelcol.exporter.debug": unsupported("data is not printed", "look at it on the page, or with alloytrio tap"),
    "otelcol.exporter.logging": unsupported("data is not printed", "look at it on the page, or with alloytrio tap"),
    "otelcol.exporter.loadbalancing": unsupported(
        "there is one backend for each exporter", "put a load balancer before it"
    ),
    "otelcol.auth.headers": unsupported("request metadata does not travel", "write the headers of the client"),
    "otelcol.auth.oauth2": unsupported("OAuth 2.0 is not spoken", "use otelcol.auth.basic or otelcol.auth.bearer"),
    "otelcol.auth.sigv4": unsupported("requests are not signed for a cloud", "use otelcol.auth.bearer"),
    "otelcol.storage.file": harmless("the queue is always on disk, in the folder of [storage]"),
    "prometheus.scrape": _TARGETS_ONLY,
    "prometheus.exporter.self": unsupported("own metrics are at /metrics", "let Prometheus scrape :12345/metrics"),
    "prometheus.exporter.unix": unsupported(
        "the host is not measured", "run node_exporter and let Prometheus scrape it"
    ),
    "prometheus.exporter.cadvisor": unsupported(
        "containers are not measured", "run cAdvisor and let Prometheus scrape it"
    ),
    "prometheus.receive_http": unsupported("only OTLP is received", "send OTLP, or write to Prometheus directly"),
    "prometheus.relabel": unsupported(
        "samples pass as they are", "use write_relabel_config of prometheus.remote_write"
    ),
    "loki.source.file": _USE_DOCKER,
    "loki.source.journal": _USE_DOCKER,
    "loki.source.api": _USE_DOCKER,
    "loki.source.syslog": _USE_DOCKER,
    "loki.source.kubernetes": _USE_DOCKER,
    "loki.relabel": unsupported(
        "lines have one set of rules", "put the rules into the discovery.relabel before the source"
    ),
    "loki.echo": unsupported("lines are not printed", "look at them on the page, or with alloytrio tap"),
    "local.file_match": _USE_DOCKER,
    "remote.http": unsupported("values are not fetched", "write them into the file or the environment"),
    "discovery.kubernetes": unsupported("containers are found through the Docker socket", "use discovery.docker"),
    "discovery.dockerswarm": unsupported("containers are found through the Docker socket", "use discovery.docker"),
    "pyroscope.write": unsupported("profiles are not handled", "keep Alloy for them"),
    "pyroscope.scrape": unsupported("profiles are not handled", "keep Alloy for them"),
    "faro.receiver": unsupported("browsers send OTLP here", "use the OpenTelemetry web SDK with OTLP over HTTP"),
    "beyla.ebpf": unsupported("programs are not instrumented from outside", "run Beyla and let it send OTLP"),
}
"""Frequent components of Alloy that are not here: why, and what to do."""
