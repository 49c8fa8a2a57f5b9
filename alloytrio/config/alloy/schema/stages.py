"""The stages of ``loki.process``. Source: Alloy ``internal/component/loki/process/stages``."""

from alloytrio.config.alloy.schema.kinds import (
    SAME,
    Argument,
    BlockSchema,
    Support,
    Type,
    arg,
    block,
    required,
    unsupported,
)

S, N, B, D, Z = Type.STRING, Type.NUMBER, Type.BOOL, Type.DURATION, Type.SIZE


def stage(name: str, *parts: Argument | BlockSchema, support: Support = SAME, ordered: bool = False) -> BlockSchema:
    """One kind of stage; it may come any number of times."""
    return block(f"stage.{name}", *parts, repeated=True, support=support, ordered=ordered)


_EVENTS = (
    arg("source", S, "message"),
    arg("drop_invalid_labels", B, False),
    arg("overwrite_existing", B, False),
)
_METRIC = (
    required("name", S),
    arg("description", S, ""),
    arg("source", S, ""),
    arg("prefix", S, ""),
    arg("max_idle_duration", D, "5m"),
    arg("value", S, ""),
)

_NO_WINDOWS = unsupported("containers write no Windows events", "remove the stage")

SIMPLE_STAGES = (
    stage(
        "json",
        arg("expressions", Type.MAP),
        arg("regex", S, ""),
        arg("source", S),
        arg("drop_malformed", B, False),
    ),
    stage("logfmt", arg("mapping", Type.MAP), arg("regex", S, ""), arg("source", S, "")),
    stage("regex", required("expression", S), arg("source", S), arg("labels_from_groups", B, False)),
    stage("labels", required("values", Type.MAP), arg("source_type", S, "extracted")),
    stage("static_labels", required("values", Type.MAP)),
    stage("structured_metadata", arg("values", Type.MAP), arg("regex", S, "")),
    stage("structured_metadata_drop", required("values", Type.STRINGS)),
    stage("label_drop", required("values", Type.STRINGS)),
    stage("label_keep", required("values", Type.STRINGS)),
    stage(
        "timestamp",
        required("source", S),
        required("format", S),
        arg("fallback_formats", Type.STRINGS),
        arg("location", S),
        arg("action_on_failure", S, "fudge"),
        arg("action_on_duplicate_timestamp", S, "fudge"),
    ),
    stage("output", required("source", S)),
    stage("template", required("source", S), required("template", S)),
    stage("replace", required("expression", S), arg("source", S, ""), arg("replace", S, "")),
    stage(
        "drop",
        arg("source", S, ""),
        arg("value", S, ""),
        arg("expression", S, ""),
        arg("separator", S, ";"),
        arg("older_than", D, "0s"),
        arg("longer_than", Z, "0"),
        arg("drop_counter_reason", S, "drop_stage"),
    ),
    stage(
        "limit",
        required("rate", N),
        required("burst", N),
        arg("drop", B, False),
        arg("by_label_name", S, ""),
        arg("max_distinct_labels", N, 10000),
    ),
    stage(
        "multiline",
        required("firstline", S),
        arg("max_wait_time", D, "3s"),
        arg("max_lines", N, 128),
        arg("trim_newlines", B, True),
    ),
    stage("decolorize"),
    stage("docker"),
    stage(
        "cri",
        arg("max_partial_lines", N, 100),
        arg("max_partial_line_size", Z, "0"),
        arg("max_partial_line_size_truncate", B, False),
    ),
    stage("tenant", arg("label", S, ""), arg("source", S, ""), arg("value", S, "")),
    stage(
        "truncate",
        block(
            "rule",
            required("limit", Z),
            arg("suffix", S, ""),
            arg("source_type", S, "line"),
            arg("sources", Type.STRINGS),
            repeated=True,
        ),
    ),
    stage(
        "luhn",
        arg("replacement", S, "**REDACTED**"),
        arg("source", S),
        arg("min_length", N, 13),
        arg("delimiters", S, ""),
        arg("skip_regex", S, ""),
        support=unsupported("card numbers are not recognised", "use stage.replace with an expression for them"),
    ),
    stage(
        "pattern",
        required("pattern", S),
        arg("source", S),
        arg("labels_from_groups", B, False),
        support=unsupported("LogQL patterns are not read", "write it as a stage.regex with named groups"),
    ),
    stage(
        "pack",
        required("labels", Type.STRINGS),
        arg("ingest_timestamp", B, True),
        support=unsupported(
            "lines are not packed", "use stage.structured_metadata, which Loki 3 keeps beside the line"
        ),
    ),
    stage(
        "sampling",
        required("rate", N),
        arg("drop_counter_reason", S, "sampling_stage"),
        support=unsupported("lines are not sampled", "use stage.limit with drop = true, or drop by content"),
    ),
    stage(
        "geoip",
        required("db", S),
        required("source", S),
        arg("db_type", S),
        arg("custom_lookups", Type.MAP),
        support=unsupported("addresses are not looked up", "do it in Grafana, or before the line is written"),
    ),
    stage(
        "split_json",
        arg("source", S),
        support=unsupported("a line stays one entry", "write one line for each element"),
    ),
    stage("eventlogmessage", *_EVENTS, support=_NO_WINDOWS),
    stage("windowsevent", *_EVENTS, support=_NO_WINDOWS),
    stage(
        "metrics",
        block(
            "metric.counter",
            *_METRIC,
            arg("action", S),
            arg("match_all", B, False),
            arg("count_entry_bytes", B, False),
            repeated=True,
        ),
        block("metric.gauge", *_METRIC, arg("action", S), repeated=True),
        block("metric.histogram", *_METRIC, arg("buckets", Type.NUMBERS), repeated=True),
        support=unsupported("no metrics are made of lines", "use a recording rule in Loki"),
    ),
)


def _match(depth: int) -> BlockSchema:
    """``stage.match`` holds stages, ``match`` among them."""
    inner = (*SIMPLE_STAGES, _match(depth - 1)) if depth else SIMPLE_STAGES
    return stage(
        "match",
        required("selector", S),
        arg("action", S, "keep"),
        arg("drop_counter_reason", S, "match_stage"),
        arg("pipeline_name", S, ""),
        *inner,
        ordered=True,
    )


MATCH_DEPTH = 8
"""``match`` inside ``match``: nobody writes more, and a schema must end."""

STAGES = (*SIMPLE_STAGES, _match(MATCH_DEPTH))
