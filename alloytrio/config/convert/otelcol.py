"""An OpenTelemetry Collector configuration → ours: OTLP in, batch, OTLP and Prometheus out, pipelines.

A processor that stands in two pipelines is two in the collector; here it is one with an output for each signal, and
another only where one signal has several pipelines through it.
Source: opentelemetry-collector 0.158 and contrib, the READMEs of the components; Alloy
``internal/converter/internal/otelcolconvert``. Defaults that differ from ours are written out.
"""

import re
from dataclasses import dataclass, field

from alloytrio.config.alloy.blocks import Taken
from alloytrio.config.alloy.convert import Converted, finished
from alloytrio.config.alloy.diagnostics import Severity, nearest
from alloytrio.config.alloy.plain import Plain
from alloytrio.config.alloy.rewrites import rewrite
from alloytrio.config.alloy.schema.kinds import Level, Support, harmless, unsupported
from alloytrio.config.alloy.source import Span
from alloytrio.config.alloy.values import FileContent, Reference, Template, Variable, join
from alloytrio.config.convert.mapping import MappingReader, label_of
from alloytrio.config.convert.otelcol_components import (
    COMPONENTS,
    EXTENSIONS,
    INLINED,
    REFUSED,
    Kind,
    Translation,
)
from alloytrio.config.convert.toml import KeyPath
from alloytrio.config.convert.yaml_comments import hang_comments
from alloytrio.config.convert.yaml_tree import Node, read_yaml

Table = dict[str, Plain]

_REFERENCE = re.compile(r"\$(\$)|\$\{(?:(env|file):)?([^}:]+)(?::-([^}]*))?\}")
_NO_CONNECTORS = unsupported("no signal becomes another", "use the metrics generator of Tempo")
_SIGNALS = ("traces", "metrics", "logs")
_SECTIONS: dict[str, Kind] = {"receivers": "receiver", "processors": "processor", "exporters": "exporter"}


def convert_otelcol(text: str, name: str) -> Converted:
    """The tables of a collector's file, and the report.

    Raises:
        YamlError: it is not YAML.
    """
    source, root = read_yaml(text, name)
    reading = _Reading(Taken(source), root)
    reading.file()
    hang_comments(source, root, reading.taken)
    return finished(reading.tables, reading.taken)


def expand(text: str) -> str | Template:
    """``${env:NAME}``, ``${NAME}``, ``${env:NAME:-default}``, ``${file:PATH}``; ``$$`` is a dollar."""
    parts: list[str | Template] = []
    at = 0
    for match in _REFERENCE.finditer(text):
        dollar, scheme, name, default = match.groups()
        reference = FileContent(name) if scheme == "file" else Variable(name or "", default)
        parts += [text[at : match.start()], "$" if dollar else Template((reference,))]
        at = match.end()
    return join([*parts, text[at:]])


@dataclass(slots=True)
class _Use:
    """One component of ours that came of one of the collector's.

    Args:
        label: the same for all the tables that it became.
        outputs: by signal, the ids of what it sends to.
        pipelines: by signal, the pipeline that it stands in.
    """

    label: str
    outputs: dict[str, list[str]] = field(default_factory=dict)
    pipelines: dict[str, str] = field(default_factory=dict)


class _Reading:
    def __init__(self, taken: Taken, root: Node) -> None:
        self.taken = taken
        self.tables: list[tuple[tuple[str, ...], Table]] = []
        self._root = root
        self._reader = MappingReader(taken, expand, self._authenticator)
        self._uses: dict[tuple[Kind, str], list[_Use]] = {}
        self._labels: dict[str, set[str]] = {}
        self._connected: set[str] = set()  # connectors that stand in a pipeline
        self._inlined: set[str] = set()  # authenticators that became keys of a backend

    def file(self) -> None:
        """The whole file."""
        if not isinstance(self._root.value, dict):
            self.taken.say(self._root.span, f"expected a mapping, got {self._root.kind}")
            return
        known = [*_SECTIONS, "connectors", "extensions", "service"]
        for key, span in self._root.keys.items():
            if key not in known:
                self.taken.say(span, f'unknown key "{key}"', nearest(key, known))
        service = self._root.mapping.get("service", Node({}, self._root.span))
        self._service(service)
        for name, pipeline in service.mapping.get("pipelines", Node({}, service.span)).mapping.items():
            self._pipeline(name, pipeline, service.mapping["pipelines"].keys[name])
        if not self._uses and not self.taken.report:
            self.taken.say(self._root.span, "there are no pipelines: nothing would run", "add service.pipelines")
        for section, kind in _SECTIONS.items():
            self._section(section, kind)
        for name, span in self._at("connectors").keys.items():
            if name in self._connected:
                self.taken.leave_out(span, f'connector "{name}"', _NO_CONNECTORS)
            else:
                self._unused(f'connector "{name}"', span)
        self._extensions(self._at("extensions"))

    def _at(self, section: str) -> Node:
        """A section of the file; an empty one if there is none."""
        return self._root.mapping.get(section, Node({}, self._root.span))

    def _unused(self, what: str, span: Span) -> None:
        message = f"{what} stands in no pipeline, so it is left out as in the collector"
        self.taken.say(span, message, severity=Severity.INFO)

    def _extensions(self, extensions: Node) -> None:
        """Authenticators become components if something uses them; the other extensions are left out."""
        for name, span in extensions.keys.items():
            translation = COMPONENTS.get(("extension", name.partition("/")[0]))
            if translation is not None:
                uses = self._uses.get(("extension", name), [])
                for use in uses:
                    self._component(translation, extensions.mapping[name], use, "extension", span)
                if not uses and name not in self._inlined:
                    message = f'extension "{name}" is left out: nothing names it as its authenticator'
                    self.taken.say(span, message, severity=Severity.INFO)
                continue
            support = EXTENSIONS.get(name.partition("/")[0], unsupported("this extension is not here", "remove it"))
            self.taken.leave_out(span, f'extension "{name}"', support)

    def _authenticator(self, name: str) -> Reference | None:
        """The component that an authenticator becomes."""
        translation = COMPONENTS.get(("extension", name.partition("/")[0]))
        if translation is None or name not in self._at("extensions").mapping:
            return None
        uses = self._uses.setdefault(("extension", name), [])
        if not uses:
            labels = self._labels.setdefault(translation.component_type, set())
            uses.append(_Use(label_of(name.partition("/")[2] or "default", labels)))
        return Reference(f"{translation.component_type}.{uses[0].label}", "handler")

    def _service(self, service: Node) -> None:
        for key, span in service.keys.items():
            if key == "telemetry":
                self._telemetry(service.mapping[key])
            elif key not in ("pipelines", "extensions"):
                self.taken.say(span, f'unknown key "{key}"', nearest(key, ["pipelines", "extensions", "telemetry"]))

    def _telemetry(self, telemetry: Node) -> None:
        for key, span in telemetry.keys.items():
            logs = telemetry.mapping[key].mapping
            table: Table = {}
            for word, name in (("level", "level"), ("encoding", "format")):
                value = logs[word].value if key == "logs" and word in logs else None
                if isinstance(value, str) and value != "console":  # which is logfmt here
                    table[name] = value.lower()
                    self.taken.spans[("logging", name)] = telemetry.mapping[key].keys[word]
            if table:
                self.tables.append((("logging",), table))
                self.taken.spans[("logging",)] = span
            if key != "logs" or set(logs) - {"level", "encoding"}:
                support = harmless("own metrics are at /metrics, own logs on stderr")
                self.taken.leave_out(span, f'"telemetry.{key}"', support)

    def _pipeline(self, name: str, pipeline: Node, span: Span) -> None:
        """Connects receivers through processors to exporters, from the end to the beginning."""
        signal = name.partition("/")[0]
        if signal not in _SIGNALS:
            self.taken.say(span, f'a pipeline of "{signal}" is not known', f"there are {', '.join(_SIGNALS)}")
            return
        for key, key_span in pipeline.keys.items():
            if key not in _SECTIONS:
                self.taken.say(key_span, f'unknown key "{key}"', nearest(key, _SECTIONS))
        following = self._named("exporters", pipeline, signal, name, [])
        for processor in reversed(pipeline.mapping.get("processors", Node([], span)).items):
            following = self._use("processors", processor, signal, name, following)
        self._named("receivers", pipeline, signal, name, following)

    def _named(self, section: str, pipeline: Node, signal: str, name: str, following: list[str]) -> list[str]:
        nodes = pipeline.mapping.get(section, Node([], pipeline.span)).items
        return [found for node in nodes for found in self._use(section, node, signal, name, following)]

    def _use(self, section: str, node: Node, signal: str, pipeline: str, following: list[str]) -> list[str]:
        """The ids by which one component of a pipeline is fed; what is left out is passed through."""
        kind, full_name = _SECTIONS[section], str(node.value)
        defined = self._at(section).mapping
        if kind != "processor" and full_name not in defined and full_name in self._at("connectors").mapping:
            self._connected.add(full_name)
            return []
        if full_name not in defined:
            self.taken.say(node.span, f'{kind} "{full_name}" is not defined', nearest(full_name, defined))
            return following if kind == "processor" else []
        translation = COMPONENTS.get((kind, full_name.partition("/")[0]))
        if translation is None:
            self._uses.setdefault((kind, full_name), [])
            return following if kind == "processor" else []
        uses = self._uses.setdefault((kind, full_name), [])
        use = next((each for each in uses if self._may_share(kind, each, signal, pipeline)), None)
        if use is None:
            labels = self._labels.setdefault(translation.component_type, set())
            use = _Use(label_of(full_name.partition("/")[2] or "default", labels))
            uses.append(use)
        use.pipelines[signal] = pipeline
        outputs = use.outputs.setdefault(signal, [])
        outputs += [each for each in following if each not in outputs]
        return [f"{translation.component_type}.{use.label}"]

    def _may_share(self, kind: Kind, use: _Use, signal: str, pipeline: str) -> bool:
        """One receiver feeds all pipelines, one exporter takes from all; a processor is one for each signal."""
        return kind != "processor" or use.pipelines.get(signal, pipeline) == pipeline

    def _section(self, section: str, kind: Kind) -> None:
        nodes = self._at(section)
        for name, node in nodes.mapping.items():
            span, name_only = nodes.keys[name], name.partition("/")[0]
            translation = COMPONENTS.get((kind, name_only))
            if (kind, name) not in self._uses:
                self._unused(f'{kind} "{name}"', span)
                continue
            if translation is None:
                known = [each for each_kind, each in COMPONENTS if each_kind == kind]
                help_ = nearest(name_only, known) or f"{section} here: {', '.join(known)}"
                support = REFUSED.get(f"{kind}.{name_only}") or Support(Level.UNSUPPORTED, "it is not here", help_)
                self.taken.leave_out(span, f'{kind} "{name}"', support)
                continue
            for use in self._uses[kind, name]:
                self._component(translation, node, use, kind, span)

    def _component(self, translation: Translation, node: Node, use: _Use, kind: Kind, span: Span) -> None:
        path: KeyPath = (*translation.component_type.split("."), use.label)
        self.taken.spans[path] = span
        table: Table = {}
        if translation.inlines_auth and "auth" in node.mapping:
            self._inline_auth(node.mapping["auth"], node.keys["auth"], path, table)
            node = Node({key: each for key, each in node.mapping.items() if key != "auth"}, node.span, node.keys)
        self._reader.table(node, translation.schema, path, translation.words, table)
        for place, value in translation.defaults.items():
            _set_default(table, place, value)
        if kind in ("receiver", "processor"):
            table["output"] = {signal: list(ids) for signal, ids in use.outputs.items()}
            self.taken.spans[(*path, "output")] = span
        for final_path, final in translation.finish(table, use.label):
            rewrite(".".join(final_path[:-1]), final, final_path, self.taken)
            self.taken.spans.setdefault(final_path, span)
            self.tables.append((final_path, final))

    def _inline_auth(self, auth: Node, span: Span, path: KeyPath, table: Table) -> None:
        """The credentials of an authenticator as keys of the backend."""
        name = auth.mapping.get("authenticator", auth).value
        inlined = INLINED.get(name.partition("/")[0]) if isinstance(name, str) else None
        extension = self._at("extensions").mapping.get(str(name))
        if inlined is None or extension is None:
            self.taken.say(span, "this authenticator is not here", "basicauth and bearertokenauth are")
            return
        self._inlined.add(str(name))
        endpoint = table.setdefault("endpoint", {})
        assert isinstance(endpoint, dict)
        schema, words = inlined
        self._reader.table(extension, schema, (*path, "endpoint"), words, endpoint)


def _set_default(table: Table, place: tuple[str, ...], value: Plain) -> None:
    """Writes a default at a path, if the tables on the way are there and the key is not."""
    at = table
    for key in place[:-1]:
        inner = at.get(key)
        if not isinstance(inner, dict):
            return
        at = inner
    at.setdefault(place[-1], value)
