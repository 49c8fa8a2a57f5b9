"""YAML with places: what is read, what is refused, what is hidden."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.config.alloy.diagnostics import render
from alloytrio.config.convert.yaml_tree import MAX_NODES, Node, YamlError, comments_above, read_yaml

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc#: ", max_size=3), inner, max_size=3),
    max_leaves=8,
)


def unwrapped(node: Node) -> object:
    """The values without places."""
    if isinstance(node.value, dict):
        return {key: unwrapped(each) for key, each in node.value.items()}
    if isinstance(node.value, list):
        return [unwrapped(each) for each in node.value]
    return node.value


@settings(max_examples=150, deadline=None)
@given(values)
def test_as_pyyaml_reads_it(value: object) -> None:
    """The values are those of PyYAML."""
    text = yaml.safe_dump({"root": value}, allow_unicode=True)
    assert unwrapped(read_yaml(text, "f")[1]) == yaml.safe_load(text)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("ab:-#&*?|>!%@`{}[],'\"\n <\t0")) | st.characters(codec="utf-8"), max_size=40))
def test_any_text(text: str) -> None:
    """Whatever is read, nothing but a YAML error comes out, and it can be shown."""
    try:
        read_yaml(text, "f")
    except YamlError as error:
        assert render(error.diagnostics)  # noqa: PT017  both ways are fine, a third is not


def test_places() -> None:
    """Keys and values are where they stand; merged and aliased ones where they were written."""
    text = "a: &x\n  b: 1\nc:\n  <<: *x\n  d: [2, three]\n"
    _, root = read_yaml(text, "f")
    assert unwrapped(root) == {"a": {"b": 1}, "c": {"b": 1, "d": [2, "three"]}}
    inner = root.mapping["c"]
    spans = [inner.keys["d"], inner.mapping["d"].items[1].span, inner.keys["b"]]
    assert [(text[span.start : span.end], span.start) for span in spans] == [("d", 27), ("three", 34), ("b", 8)]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: [", "f:1:5", "not YAML: expected the node content, but found '<stream end>'"),
        ("a: b: c", "f:1:5", "not YAML: mapping values are not allowed here"),
        ("a: 1\na: 2", "f:2:1", "this key is there twice"),
        ("? [1]\n: 2", "f:1:3", "a key must be a word"),
        ("a: &x [*x]", "f:1:4", "a value that contains itself"),
        ("a: 1\n---\nb: 2", "f:2:1", "not YAML: but found another document"),
        ("a: !foo 1", "f:1:4", "not YAML: could not determine a constructor for the tag '…'"),
        ("a: \x00", "f:1:4", "not YAML: special characters are not allowed"),
        ("[" * 5000, "f:1:1", "not YAML that can be read: nested too deeply, or a bad value"),
        ("a: 2024-99-99", "f:1:1", "not YAML that can be read: nested too deeply, or a bad value"),
    ],
)
def test_errors(text: str, place: str, message: str) -> None:
    """What cannot be read is named with its place."""
    with pytest.raises(YamlError) as caught:
        read_yaml(text, "f")
    [problem] = caught.value.diagnostics
    assert (problem.place, problem.message) == (place, message)


def test_aliases_are_bounded() -> None:
    """A file that would grow to billions of values is refused."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(YamlError, match=f"more than {MAX_NODES} values"):
        read_yaml("\n".join(lines), "f")


def test_values_are_hidden() -> None:
    """Excerpts show keys, numbers and booleans, but no strings and no comments."""
    text = "password: s1\nb: |\n  s2\n  s3\nc: ['s4', 5] # s6\nd: 'a # b'\n"
    source, _ = read_yaml(text, "f")
    shown = "\n".join(
        "".join("" if any(s.start <= at < s.end for s in source.hidden) else text[at] for at in (start,))
        for start in range(len(text))
    ).replace("\n", "")
    assert shown == "password: b: c: [, 5] #d: "


def test_comments() -> None:
    """Comments on lines of their own belong to the line that follows; those in scalars are none."""
    text = "# one\n#two\n\na: 1 # behind\n# three\nb: |\n  # no\nc: 'x # no'\n# end\n"
    source, root = read_yaml(text, "f")
    assert comments_above(source, root) == {4: ["one", "two"], 6: ["three"], 10: ["end"]}


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: 'hunter2\n",
        "password: *hunter2\n",
        "password: hunter2: hunter3\n",
        "a: !hunter2 x\n",
        'a: "hunt\\qer2"\n',
        "a: 1\na: hunter2\n",
        "hunter2 hunter3\nb: 1\n",
        "password: hunter2 @x\n  q: hunter3\n",
        "a: |\n  hunter2\n b\n",
        "a: @hunter2",
        "a: [hunter2\nb: 1\n",
        "a: &hunter2 1\nb: &hunter2 2\n",
    ],
)
def test_errors_show_no_values(text: str) -> None:
    """A text that cannot be read is shown without what may be a value, its error without what it quotes of the text."""
    with pytest.raises(YamlError) as caught:
        read_yaml(text, "f")
    for form in ("text", "json", "github"):
        assert "hunt" not in render(caught.value.diagnostics, form)
    assert "hunt" not in str(caught.value)
