"""The TOML writer: readable, commented, and exact."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from alloytrio.config.convert.toml import Data, KeyPath, Remarks, nest, write_toml

texts = st.text(st.characters(codec="utf-8"), max_size=10)
scalars = texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(texts, values, max_size=4)
lines = st.lists(texts | st.none(), max_size=2)


@given(st.dictionaries(st.tuples(texts, texts), bodies, max_size=3))
def test_read_again(tables: dict[tuple[str, str], dict[str, object]]) -> None:
    """tomllib reads back exactly what was written, whatever the keys and values."""
    in_order = list(tables.items())
    assert tomllib.loads(write_toml(in_order)) == nest(in_order)


@given(bodies, st.data())
def test_comments_change_nothing(body: dict[str, object], data: st.DataObject) -> None:
    """Comments at any key or element, of any text, leave the values alone."""
    paths: list[KeyPath] = [("a",), *(("a", key) for key in body)]
    for key, value in body.items():
        if isinstance(value, list):
            paths += [("a", key, index) for index in range(len(value))]
        if isinstance(value, dict):
            paths += [("a", key, inner) for inner in value]
    remarks = st.builds(Remarks, lines, texts, lines)
    chosen = data.draw(st.lists(st.sampled_from(paths), max_size=3))
    comments: dict[KeyPath, Remarks] = {path: data.draw(remarks) for path in chosen}
    assert tomllib.loads(write_toml([(("a",), body)], comments)) == {"a": body}


def test_form() -> None:
    """Short tables on a line, lists of tables and deep ones under headers, long lists over lines, in file order."""
    receiver: Data = {
        "grpc": {"endpoint": "0.0.0.0:4317"},
        "output": {"traces": ["otelcol.processor.batch.default"]},
        "http": {"cors": {"allowed_origins": ["*"]}, "tls": {"a": {"b": 1}}},
    }
    process: Data = {
        "forward_to": ["loki.write.default"],
        "stage": [
            {"json": {"expressions": {"level": ""}}},
            {"match": {"selector": '{a="b"}', "stage": [{"drop": {"expression": "\\d+"}}]}},
        ],
    }
    tables = [
        (("otelcol", "receiver", "otlp", "default"), receiver),
        (("loki", "process", "p"), process),
        (("otelcol", "x", "y"), {"long": ["a" * 50, "b" * 60]}),
    ]
    assert write_toml(tables) == (
        "[otelcol.receiver.otlp.default]\n"
        'grpc = { endpoint = "0.0.0.0:4317" }\n'
        'output = { traces = ["otelcol.processor.batch.default"] }\n'
        "\n"
        "[otelcol.receiver.otlp.default.http]\n"
        'cors = { allowed_origins = ["*"] }\n'
        "tls = { a = { b = 1 } }\n"
        "\n"
        "[loki.process.p]\n"
        'forward_to = ["loki.write.default"]\n'
        "\n"
        "[[loki.process.p.stage]]\n"
        'json = { expressions = { level = "" } }\n'
        "\n"
        "[[loki.process.p.stage]]\n"
        "\n"
        "[loki.process.p.stage.match]\n"
        "selector = '{a=\"b\"}'\n"
        "\n"
        "[[loki.process.p.stage.match.stage]]\n"
        "drop = { expression = '\\d+' }\n"
        "\n"
        "[otelcol.x.y]\n"
        "long = [\n"
        f'  "{"a" * 50}",\n'
        f'  "{"b" * 60}",\n'
        "]\n"
    )


def test_where_comments_stand() -> None:
    """Above a header or key, behind it, at the end of a table, between elements, at the end of the file."""
    comments = {
        ("a",): Remarks(["about a", None, "more"], "behind a", ["end of a"]),
        ("a", "x"): Remarks(["about x"], "behind x"),
        ("a", "l"): Remarks([], "behind l"),
        ("a", "l", 0): Remarks(["about 1"], "one"),
        ("a", "t", "k"): Remarks(["about k"]),
        (): Remarks(below=["end"]),
    }
    assert write_toml([(("a",), {"x": 1, "l": [1, 2], "t": {"k": True}})], comments) == (
        "# about a\n\n# more\n[a]  # behind a\n# about x\nx = 1  # behind x\n"
        "l = [\n  # about 1\n  1,  # one\n  2,\n]  # behind l\n# end of a\n"
        "\n[a.t]\n# about k\nk = true\n\n# end\n"
    )
