"""The components of Alloy that are not here: why, and what to do. So that none is taken for a typing mistake.

Source: Alloy ``internal/component/all`` and its reference of components.
"""

from alloytrio.config.alloy.schema.kinds import Support, harmless, unsupported

_LET_PROMETHEUS = unsupported(
    "this service takes what is pushed to it and reads the Docker socket", "let Prometheus scrape"
)
_EXPORTER = unsupported("nothing is measured from here", "run the exporter as a container and let Prometheus scrape it")
_ONLY_OTLP = unsupported("only OTLP is received", "send OTLP; every SDK can")
_FROM_COLLECTOR = unsupported("only OTLP is received", "let an OpenTelemetry Collector receive it and send OTLP on")
_ONLY_DOCKER = unsupported("logs are read from the Docker socket", "let the program write to stdout, or push OTLP logs")
_PASSED_ON = unsupported("OpenTelemetry data is passed on as it is", "do it in the SDK, or in the backend")
_NO_SAMPLING = unsupported("nothing is sampled here", "sample in the SDK, or in Tempo's pipeline")
_NO_METRICS_OF_SPANS = unsupported("no metrics are made of spans", "use Tempo's metrics generator")
_NOT_SENT = unsupported(
    "data goes to Tempo, Prometheus, Loki and OTLP backends only", "let an OpenTelemetry Collector send it on"
)
NOT_PRINTED = harmless("data is not printed", "look at it on the page, or with alloytrio tap")
_NO_AUTH = unsupported("requests are not signed for this cloud", "use otelcol.auth.basic or otelcol.auth.bearer")
_FIND_DOCKER = unsupported("containers are found through the Docker socket", "use discovery.docker")
_NO_KUBERNETES = unsupported("Kubernetes is not asked for anything", "keep Alloy for it")
_NO_PROFILES = unsupported("profiles are not handled", "keep Alloy for them")
_NO_DATABASES = unsupported("databases are not asked about their queries", "keep Alloy for it")
_NO_REMOTE = unsupported("values are not fetched", "write them into the file or the environment")
_NO_LINES_CHANGED = unsupported("lines are changed by loki.process alone", "write it as stages of loki.process")

_GROUPS: tuple[tuple[Support, str, str], ...] = (
    (_LET_PROMETHEUS, "", "prometheus.scrape otelcol.receiver.prometheus discovery.http discovery.file discovery.dns"),
    (
        _EXPORTER,
        "prometheus.exporter",
        "apache azure blackbox catchpoint cloudwatch consul databricks dnsmasq elasticsearch gcp github ipmi kafka "
        "memcached mongodb mssql mysql nvidiagpu oracledb postgres process redis smartctl snmp snowflake squid ssh "
        "static statsd tailscale windows",
    ),
    (_NO_KUBERNETES, "prometheus.operator", "podmonitors probes scrapeconfigs servicemonitors"),
    (_NO_KUBERNETES, "", "loki.rules.kubernetes mimir.rules.kubernetes mimir.alerts.kubernetes"),
    (_ONLY_OTLP, "otelcol.receiver", "jaeger zipkin opencensus"),
    (
        _FROM_COLLECTOR,
        "otelcol.receiver",
        "awscloudwatch awsecscontainermetrics awsfirehose awss3 cloudflare datadog faro file_stats fluentforward "
        "github googlecloudpubsub influxdb kafka nginx pyroscope solace splunkhec vcenter",
    ),
    (_ONLY_DOCKER, "otelcol.receiver", "loki filelog syslog tcplog"),
    (
        _ONLY_DOCKER,
        "loki.source",
        "api awsfirehose azure_event_hubs cloudflare file gcplog gelf heroku journal kafka kubernetes "
        "kubernetes_events podlogs string syslog windowsevent",
    ),
    (_ONLY_DOCKER, "", "local.file_match"),
    (
        _PASSED_ON,
        "otelcol.processor",
        "attributes cardinality_guardian cumulativetodelta deltatocumulative discovery filter groupbyattrs interval "
        "metric_start_time redaction span sql_fingerprint transform",
    ),
    (_NO_SAMPLING, "otelcol.processor", "probabilistic_sampler tail_sampling"),
    (_NO_METRICS_OF_SPANS, "otelcol.connector", "count host_info servicegraph signaltometrics spanlogs spanmetrics"),
    (NOT_PRINTED, "otelcol.exporter", "debug logging"),
    (NOT_PRINTED, "", "loki.echo prometheus.echo"),
    (
        _NOT_SENT,
        "otelcol.exporter",
        "awss3 azureblob clickhouse datadog elasticsearch faro file googlecloud googlecloudpubsub kafka opensearch "
        "splunkhec syslog",
    ),
    (_NO_AUTH, "otelcol.auth", "azure google sigv4"),
    (
        _FIND_DOCKER,
        "discovery",
        "aws azure consul consulagent digitalocean dockerswarm ec2 eureka gce hetzner ionos kubelet kubernetes kuma "
        "lightsail linode marathon nerve nomad openstack ovhcloud process puppetdb scaleway serverset triton uyuni",
    ),
    (_NO_PROFILES, "pyroscope", "ebpf enrich java receive_http relabel scrape write"),
    (_NO_DATABASES, "database_observability", "mssql mysql postgres"),
    (_NO_REMOTE, "remote", "http kubernetes.configmap kubernetes.secret s3 vault"),
    (_NO_LINES_CHANGED, "loki", "enrich secretfilter"),
)

_ALONE: dict[str, Support] = {
    "otelcol.processor.memory_limiter": harmless(
        "the journal on disk holds what a backend does not take; memory is bounded"
    ),
    "otelcol.processor.resourcedetection": unsupported(
        "resources are passed on as they are", "set OTEL_RESOURCE_ATTRIBUTES"
    ),
    "otelcol.processor.k8sattributes": unsupported(
        "Kubernetes is not asked for metadata", "set OTEL_RESOURCE_ATTRIBUTES"
    ),
    "otelcol.exporter.loadbalancing": unsupported(
        "there is one backend for each exporter", "put a load balancer before it"
    ),
    "otelcol.extension.jaeger_remote_sampling": unsupported(
        "sampling is not told to SDKs", "set OTEL_TRACES_SAMPLER where the SDK runs"
    ),
    "otelcol.encoding.jsonlog": unsupported("only OTLP is received", "it belongs to a receiver that is not here"),
    "otelcol.encoding.text": unsupported("only OTLP is received", "it belongs to a receiver that is not here"),
    "otelcol.auth.headers": unsupported("request metadata does not travel", "write the headers of the client"),
    "otelcol.auth.oauth2": unsupported("OAuth 2.0 is not spoken", "use otelcol.auth.basic or otelcol.auth.bearer"),
    "otelcol.storage.file": harmless("the queue is always on disk, in the folder of [storage]"),
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
    "prometheus.enrich": unsupported("samples pass as they are", "set external_labels of prometheus.remote_write"),
    "prometheus.write.queue": unsupported(
        "there is one remote write, and its queue is always on disk", "use prometheus.remote_write"
    ),
    "loki.relabel": unsupported(
        "lines have one set of rules", "put the rules into the discovery.relabel before the source"
    ),
    "faro.receiver": unsupported("browsers send OTLP here", "use the OpenTelemetry web SDK with OTLP over HTTP"),
    "beyla.ebpf": unsupported("programs are not instrumented from outside", "run Beyla and let it send OTLP"),
}

OTHER_COMPONENTS: dict[str, Support] = _ALONE | {
    f"{family}.{name}" if family else name: support for support, family, names in _GROUPS for name in names.split()
}
"""Every component of Alloy that is not here, by name."""
