"""A Promtail configuration → ours: Docker discovery, relabelling, stages, clients.

Promtail applies ``relabel_configs`` to the labels of each stream, so they become ``relabel_rules`` of the source.
Source: Grafana Loki 3.4 ``docs/sources/send-data/promtail/configuration.md``, ``clients/pkg/promtail`` (the last with
Promtail); Alloy ``internal/converter/internal/promtailconvert``.
"""

import re
from collections.abc import Callable

from alloytrio.config.alloy.blocks import Taken
from alloytrio.config.alloy.convert import Converted, finished
from alloytrio.config.alloy.diagnostics import nearest
from alloytrio.config.alloy.plain import Plain
from alloytrio.config.alloy.schema import COMPONENTS
from alloytrio.config.alloy.schema.common import rule
from alloytrio.config.alloy.schema.kinds import BlockSchema, Level, Support, harmless, unsupported
from alloytrio.config.alloy.schema.stages import STAGES
from alloytrio.config.alloy.source import Span
from alloytrio.config.alloy.values import Template, Variable, join
from alloytrio.config.convert.mapping import NO_WORDS, MappingReader, Words, label_of
from alloytrio.config.convert.toml import KeyPath
from alloytrio.config.convert.yaml_comments import hang_comments
from alloytrio.config.convert.yaml_tree import Node, read_yaml

Table = dict[str, Plain]

_STAGES = {each.name.removeprefix("stage."): each for each in STAGES}
_STAGE_NAMES = {"labeldrop": "label_drop", "labelallow": "label_keep"}
_VALUES_ONLY = ("labels", "static_labels", "structured_metadata", "label_drop", "label_keep")
_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)(?::-?([^}]*))?\}")

_ONLY_DOCKER = unsupported(
    "logs are read from the Docker socket only", "let the program write to stdout in a container, or push OTLP logs"
)
_OTHER_SOURCES = (
    "static_configs", "file_sd_configs", "journal", "syslog", "gcplog", "windows_events", "kafka", "gelf", "cloudflare",
    "heroku_drain", "loki_push_api", "azure_event_hubs", "kubernetes_sd_configs", "consul_sd_configs",
    "consulagent_sd_configs", "dns_sd_configs", "dockerswarm_sd_configs", "ec2_sd_configs", "azure_sd_configs",
    "gce_sd_configs", "openstack_sd_configs", "marathon_sd_configs", "nerve_sd_configs", "serverset_sd_configs",
    "triton_sd_configs", "digitalocean_sd_configs",
)  # fmt: skip
_TOP: dict[str, Support] = {
    "global": harmless("files are not watched"),
    "limits_config": unsupported("limits are set for each backend", "use stage.limit, and limits of Loki"),
    "options": unsupported("stream lag is not measured", "look at the queue on the page"),
    "positions": harmless("positions are in the journal, under storage.path"),
    "target_config": harmless("containers are found within a second of their start"),
    "tracing": harmless("the service does not trace itself"),
    "wal": harmless("lines are always in the journal first"),
}
_CLIENT = Words(
    renamed={
        "batchwait": "batch_wait",
        "batchsize": "batch_size",
        "timeout": "remote_timeout",
    },
    refused={"stream_lag_labels": harmless("stream lag is not measured")},
)
_BY_ITSELF = ("external_labels", "backoff_config", "drop_rate_limited_batches")
_BACKOFF = {
    "min_period": "min_backoff_period", "max_period": "max_backoff_period", "max_retries": "max_backoff_retries",
}  # fmt: skip


def convert_promtail(text: str, name: str) -> Converted:
    """The tables of a Promtail file, and the report.

    Raises:
        YamlError: it is not YAML.
    """
    source, root = read_yaml(text, name)
    reading = _Reading(Taken(source))
    reading.file(root)
    hang_comments(source, root, reading.taken)
    return finished(reading.tables, reading.taken)


def expand(text: str) -> str | Template:
    """``${NAME}`` and ``${NAME:-default}`` of ``-config.expand-env``; other dollars belong to expressions."""
    parts: list[str | Template] = []
    at = 0
    for match in _VARIABLE.finditer(text):
        parts += [text[at : match.start()], Template((Variable(match[1], match[2]),))]
        at = match.end()
    return join([*parts, text[at:]])


class _Reading:
    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        self.tables: list[tuple[tuple[str, ...], Table]] = []
        self._reader = MappingReader(taken, expand)
        self._labels: dict[str, set[str]] = {}

    def file(self, root: Node) -> None:
        """The whole file."""
        if not isinstance(root.value, dict):
            self.taken.say(root.span, f"expected a mapping, got {root.kind}")
            return
        known: dict[str, Callable[[Node], None]] = {
            "server": self._server,
            "clients": self._nothing,
            "client": self._nothing,
        }
        writers = self._clients(root)
        for key, value in root.mapping.items():
            span = root.keys[key]
            if key == "scrape_configs":
                for job in value.items:
                    self._job(job, writers)
            elif key in _TOP:
                self.taken.leave_out(span, f'"{key}"', _TOP[key])
            elif key in known:
                known[key](value)
            else:
                self.taken.say(span, f'unknown key "{key}"', nearest(key, [*_TOP, *known, "scrape_configs"]))

    def _nothing(self, node: Node) -> None:
        """Was read before."""

    def _server(self, node: Node) -> None:
        for key, value in node.mapping.items():
            if key == "log_level" and isinstance(value.value, str):
                self._add(("logging",), {"level": value.value}, node.keys[key])
                self.taken.spans[("logging", "level")] = node.keys[key]
            else:
                self.taken.leave_out(
                    node.keys[key], f'"{key}"', harmless("the page and the API are on admin.listen_addr")
                )

    def _add(self, path: tuple[str, ...], table: Table, span: Span) -> None:
        self.tables.append((path, table))
        self.taken.spans[path] = span

    def _path(self, component_type: str, name: str) -> tuple[str, ...]:
        label = label_of(name, self._labels.setdefault(component_type, set()))
        return (*component_type.split("."), label)

    def _clients(self, root: Node) -> list[str]:
        """One ``loki.write`` for each client, since each has its own external labels; their ids."""
        nodes = [*root.mapping.get("clients", Node([], root.span)).items]
        nodes += [root.mapping["client"]] if root.mapping.get("client", Node(None, root.span)).mapping else []
        ids = []
        for node in nodes:
            path = self._path("loki.write", "default")
            self._add(path, self._client(node, path), node.span)
            ids.append(".".join(path))
        if not ids:
            self.taken.say(
                root.span, "there are no clients: lines would go nowhere", "add clients with the url of Loki"
            )
        return ids

    def _client(self, node: Node, path: KeyPath) -> Table:
        schema = COMPONENTS["loki.write"].block
        endpoint = schema.block("endpoint")
        assert endpoint is not None
        place = (*path, "endpoint", 0)
        written = self._reader.table(_without(node, _BY_ITSELF), endpoint, place, _CLIENT)
        self.taken.spans[place[:-1]] = self.taken.spans[place] = node.span
        self._reader.table(
            node.mapping.get("backoff_config", Node(None, node.span)), endpoint, place, Words(renamed=_BACKOFF), written
        )
        drop = node.mapping.get("drop_rate_limited_batches")
        if drop is not None and drop.value is True:
            written["retry_on_http_429"] = False
            self.taken.spans[(*place, "retry_on_http_429")] = node.keys["drop_rate_limited_batches"]
        if "url" not in written:
            self.taken.say(node.span, 'a client needs a "url"')
        table: Table = {"endpoint": [written]}
        labels = {key: each for key, each in node.mapping.items() if key == "external_labels"}
        self._reader.table(Node(labels, node.span, node.keys), schema, path, NO_WORDS, table)
        return table

    def _job(self, job: Node, writers: list[str]) -> None:
        name_node = job.mapping.get("job_name")
        name = str(name_node.value) if name_node else "default"
        others = [key for key in job.mapping if key in _OTHER_SOURCES]
        for key in others:
            self.taken.leave_out(job.keys[key], f'"{key}"', _ONLY_DOCKER)
        known = {
            "job_name",
            "docker_sd_configs",
            "relabel_configs",
            "pipeline_stages",
            "pipeline_name",
            *_OTHER_SOURCES,
        }
        for key in job.mapping:
            if key in ("encoding", "decompression", "limit_config"):
                support = unsupported("lines are taken as Docker has them", "remove it")
                self.taken.leave_out(job.keys[key], f'"{key}"', support)
            elif key not in known:
                self.taken.say(job.keys[key], f'unknown key "{key}"', nearest(key, known))
        if "docker_sd_configs" in job.mapping:
            self._docker_job(job, name, writers)
        elif not others:
            self.taken.say(job.span, "this job has no source", "add docker_sd_configs")

    def _docker_job(self, job: Node, name: str, writers: list[str]) -> None:
        rules = self._rules(job, name)
        receivers = self._process(job, name, writers)
        discovery = COMPONENTS["discovery.docker"].block
        for node in job.mapping["docker_sd_configs"].items:
            path = self._path("discovery.docker", name)
            found = self._reader.table(node, discovery, path, Words(renamed={"filters": "filter"}))
            if "host" not in found:
                self.taken.say(node.span, 'docker_sd_configs needs a "host"', "such as unix:///var/run/docker.sock")
            self._add(path, found, node.span)
            source: Table = {"host": found.get("host", ""), "targets": f"{'.'.join(path)}.targets"}
            source |= {"relabel_rules": f"{'.'.join(rules)}.rules"} if rules else {}
            source["forward_to"] = list(receivers)
            self._add(self._path("loki.source.docker", name), source, node.span)

    def _rules(self, job: Node, name: str) -> tuple[str, ...] | None:
        node = job.mapping.get("relabel_configs")
        if node is None or not node.items:
            return None
        path = self._path("discovery.relabel", name)
        rules: list[Plain] = []
        for index, each in enumerate(node.items):
            place: KeyPath = (*path, "rule", index)
            self.taken.spans[place] = each.span
            rules.append(self._reader.table(each, rule(), place))
        self._add(path, {"targets": [], "rule": rules}, job.keys["relabel_configs"])
        return path

    def _process(self, job: Node, name: str, writers: list[str]) -> list[str]:
        node = job.mapping.get("pipeline_stages")
        if node is None or not node.items:
            return writers
        path = self._path("loki.process", name)
        stages = self._stages(node, path)
        self._add(path, {"forward_to": list(writers), "stage": stages}, job.keys["pipeline_stages"])
        return [".".join(path)]

    def _stages(self, node: Node, path: KeyPath) -> list[Plain]:
        stages: list[Plain] = []
        for each in node.items:
            if isinstance(each.value, dict) and len(each.value) == 1:
                [(key, value)] = each.value.items()
                stages += self._stage(key, value, each, (*path, "stage", len(stages)))
            else:
                self.taken.say(each.span, "a stage is a mapping with one key, its name")
        return stages

    def _stage(self, key: str, value: Node, entry: Node, place: KeyPath) -> list[Plain]:
        name = _STAGE_NAMES.get(key, key)
        schema = _STAGES.get(name)
        span = entry.keys[key]
        if schema is None:
            self.taken.say(span, f'there is no stage "{key}"', nearest(key, [*_STAGES, *_STAGE_NAMES]))
            return []
        if schema.support.level is not Level.SAME:
            self.taken.leave_out(span, f'stage "{key}"', schema.support)
            return []
        table_place: KeyPath = (*place, name)
        self.taken.spans[place] = self.taken.spans[table_place] = span
        if name in _VALUES_ONLY:
            value = Node({"values": value}, value.span, {"values": span})
        if name == "drop":
            value = _joined_source(value)
        if name == "match":
            return [{name: self._match(value, schema, table_place)}]
        return [{name: self._reader.table(value, schema, table_place)}]

    def _match(self, value: Node, schema: BlockSchema, place: KeyPath) -> Table:
        inner = value.mapping.get("stages")
        table = self._reader.table(_without(value, ("stages",)), schema, place)
        if inner is not None:
            table["stage"] = self._stages(inner, place)
        return table


def _without(node: Node, keys: tuple[str, ...]) -> Node:
    return Node({key: value for key, value in node.mapping.items() if key not in keys}, node.span, node.keys)


def _joined_source(node: Node) -> Node:
    """``drop.source`` may be a list, which Alloy writes with commas."""
    source = node.mapping.get("source")
    if source is None or not source.items:
        return node
    text = ",".join(str(each.value) for each in source.items)
    return Node({**node.mapping, "source": Node(text, source.span)}, node.span, node.keys)
