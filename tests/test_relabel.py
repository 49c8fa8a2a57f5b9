"""Relabel rules against tables of all actions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alloytrio.regex import compile_regex
from alloytrio.relabel import LABEL_NAME, Expansion, Relabeling, RelabelRule


def relabel(labels: dict[str, str], *rules: dict[str, object]) -> dict[str, str] | None:
    return Relabeling([RelabelRule.model_validate(rule) for rule in rules]).apply(labels)


ABC = {"a": "foo", "b": "bar", "c": "baz"}
TABLE: list[tuple[str, dict[str, str], list[dict[str, object]], dict[str, str] | None]] = [
    ("no rule", ABC, [], ABC),
    (
        "replace with groups",
        ABC,
        [{"source_labels": ["a"], "regex": "f(.*)", "target_label": "d", "replacement": "ch${1}-ch${1}"}],
        ABC | {"d": "choo-choo"},
    ),
    (
        "replace over two labels",
        ABC,
        [
            {"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a", "replacement": "b${1}${2}m"},
            {"source_labels": ["c", "a"], "regex": "(b).*b(.*)ba(.*)", "target_label": "d", "replacement": "$1$2$2$3"},
        ],
        {"a": "boobam", "b": "bar", "c": "baz", "d": "boooom"},
    ),
    (
        "replace without match",
        ABC,
        [{"source_labels": ["a"], "regex": "o", "target_label": "d", "replacement": "x"}],
        ABC,
    ),
    ("replace sets a constant", ABC, [{"target_label": "d", "replacement": "x"}], ABC | {"d": "x"}),
    (
        "replace with nothing deletes",
        ABC,
        [{"source_labels": ["a"], "target_label": "b", "replacement": ""}],
        {"a": "foo", "c": "baz"},
    ),
    ("empty regex matches only the empty value", ABC, [{"source_labels": ["zz"], "regex": "", "action": "drop"}], None),
    ("empty regex leaves other values", ABC, [{"source_labels": ["a"], "regex": "", "action": "drop"}], ABC),
    (
        "replace into a computed label",
        {"a": "some-name-value"},
        [
            {
                "source_labels": ["a"],
                "regex": "some-([^-]+)-([^,]+)",
                "target_label": "${1}",
                "replacement": "${2}",
            }
        ],
        {"a": "some-name-value", "name": "value"},
    ),
    (
        "computed label that is no label name",
        {"a": "some-1-value"},
        [{"source_labels": ["a"], "regex": "some-([^-]+)-([^,]+)", "target_label": "${1}", "replacement": "${2}"}],
        {"a": "some-1-value"},
    ),
    ("a dot matches a newline", {"a": "x\ny"}, [{"source_labels": ["a"], "regex": "x.y", "action": "drop"}], None),
    (
        "anchored at both ends",
        {"a": "xfoo"},
        [{"source_labels": ["a"], "regex": "foo|xfo", "action": "keep"}],
        None,
    ),
    ("keep", ABC, [{"source_labels": ["a"], "regex": "fo+", "action": "keep"}], ABC),
    ("keep without match", ABC, [{"source_labels": ["a"], "regex": "no-match", "action": "keep"}], None),
    ("drop", ABC, [{"source_labels": ["a"], "regex": ".*o.*", "action": "drop"}], None),
    ("drop without match", ABC, [{"source_labels": ["a"], "regex": "f|o", "action": "drop"}], ABC),
    (
        "a drop ends processing",
        ABC,
        [{"source_labels": ["a"], "regex": "foo", "action": "drop"}, {"target_label": "d", "replacement": "x"}],
        None,
    ),
    (
        "separator",
        ABC,
        [{"source_labels": ["a", "b"], "separator": "||", "regex": r"foo\|\|bar", "action": "drop"}],
        None,
    ),
    (
        "keepequal",
        {"p": "80", "q": "80"},
        [{"source_labels": ["p"], "target_label": "q", "action": "keepequal"}],
        {"p": "80", "q": "80"},
    ),
    (
        "keepequal, different",
        {"p": "80", "q": "81"},
        [{"source_labels": ["p"], "target_label": "q", "action": "keepequal"}],
        None,
    ),
    (
        "dropequal",
        {"p": "80", "q": "80"},
        [{"source_labels": ["p"], "target_label": "q", "action": "dropequal"}],
        None,
    ),
    ("dropequal, both missing", ABC, [{"source_labels": ["p"], "target_label": "q", "action": "dropequal"}], None),
    (
        "hashmod",
        ABC,
        [{"source_labels": ["c"], "target_label": "d", "modulus": 1000, "action": "hashmod"}],
        ABC | {"d": "976"},
    ),
    (
        "hashmod of a value with a newline",
        {"a": "foo\nbar"},
        [{"source_labels": ["a"], "target_label": "b", "modulus": 1000, "action": "hashmod"}],
        {"a": "foo\nbar", "b": "734"},
    ),
    (
        "lowercase and uppercase",
        {"a": "FooÉ"},
        [
            {"source_labels": ["a"], "target_label": "low", "action": "lowercase"},
            {"source_labels": ["a"], "target_label": "up", "action": "uppercase"},
        ],
        {"a": "FooÉ", "low": "fooé", "up": "FOOÉ"},
    ),
    (
        "lowercase of nothing deletes",
        ABC,
        [{"source_labels": ["zz"], "target_label": "a", "action": "lowercase"}],
        {"b": "bar", "c": "baz"},
    ),
    (
        "labelmap",
        {"a": "1", "b1": "2", "b2": "3"},
        [{"regex": "(b.*)", "replacement": "bar_${1}", "action": "labelmap"}],
        {"a": "1", "b1": "2", "b2": "3", "bar_b1": "2", "bar_b2": "3"},
    ),
    (
        "labelmap looks at the labels before it",
        {"a": "1"},
        [{"regex": "(a+)", "replacement": "a${1}", "action": "labelmap"}],
        {"a": "1", "aa": "1"},
    ),
    ("labeldrop", {"a": "1", "b1": "2", "b2": "3"}, [{"regex": "(b.*)", "action": "labeldrop"}], {"a": "1"}),
    (
        "labelkeep",
        {"a": "1", "b1": "2", "b2": "3"},
        [{"regex": "(b.*)", "action": "labelkeep"}],
        {"b1": "2", "b2": "3"},
    ),
    ("empty labels are absent", {"a": "", "b": "x"}, [], {"b": "x"}),
]


@pytest.mark.parametrize(("name", "labels", "rules", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_relabel(
    name: str, labels: dict[str, str], rules: list[dict[str, object]], expected: dict[str, str] | None
) -> None:
    """Each action gives what Prometheus gives."""
    before = dict(labels)
    assert relabel(labels, *rules) == expected
    assert labels == before


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "Replace", "target_label": "a"},
        {"action": "replace"},
        {"target_label": "a-b"},
        {"target_label": "${1}-x"},
        {"target_label": "a", "regex": "("},
        {"target_label": "a", "regex": "(?=x)"},
        {"action": "hashmod", "target_label": "a"},
        {"action": "hashmod", "modulus": 3},
        {"action": "hashmod", "modulus": -1, "target_label": "a"},
        {"action": "lowercase", "source_labels": ["a"]},
        {"action": "lowercase", "source_labels": ["a"], "target_label": "${1}"},
        {"action": "lowercase", "source_labels": ["a"], "target_label": "b", "replacement": "x"},
        {"action": "keepequal", "source_labels": ["a"]},
        {"action": "keepequal", "source_labels": ["a"], "target_label": "b", "regex": "x"},
        {"action": "labelmap", "replacement": "a-b"},
        {"action": "labeldrop", "source_labels": ["a"]},
        {"action": "labelkeep", "replacement": "x"},
        {"target_label": "a", "unknown": "x"},
    ],
)
def test_rule_refused_at_load(rule: dict[str, object]) -> None:
    """A rule that cannot work is an error when the configuration is read."""
    with pytest.raises(ValidationError):
        RelabelRule.model_validate(rule)


@pytest.mark.parametrize(
    ("regex", "template", "value", "expected"),
    [
        ("f(.)(.)", "$1x-${2}y-$$-$9", "foo", "-oy-$-"),
        ("f(.)(.)", "$0", "foo", "foo"),
        ("f(?P<first>.)(.)", "${first}$first", "fab", "aa"),
        ("f(.)(.)", "$", "foo", "$"),
        ("f(.)(.)", "${", "foo", "${"),
        ("f(.)(.)", "${1", "fab", "${1"),
        ("f(.)(.)", "a$-b", "fab", "a$-b"),
        ("f(.)(.)", "$01", "fab", ""),
        ("(a)|(b)", "[$1][$2]", "b", "[][b]"),
        ("(.*)", "$$$1", "x", "$x"),
        ("(.*)", "${unknown}", "x", ""),
    ],
)
def test_expansion(regex: str, template: str, value: str, expected: str) -> None:
    """References to groups are expanded as Go expands them."""
    compiled = compile_regex(regex, dot_matches_newline=True)
    data = value.encode()
    spans = compiled.fullmatch(data)
    assert spans is not None
    assert Expansion(template, compiled).expand(data, spans) == expected


_names = st.sampled_from(["a", "b", "c", "__meta_x", "a_b"])
_labels = st.dictionaries(_names, st.text(max_size=5), max_size=5)
_rules = st.lists(
    st.one_of(
        st.builds(lambda s, r, t, x: {"source_labels": s, "regex": r, "target_label": t, "replacement": x},
                  st.lists(_names, max_size=2), st.sampled_from(["(.*)", "a(.*)", "(.)(.*)"]),
                  st.sampled_from(["a", "x_$1", "${2}"]), st.text(max_size=6)),
        st.builds(lambda r, x: {"action": "labelmap", "regex": r, "replacement": x},
                  st.sampled_from(["(a.*)", "(.)"]), st.sampled_from(["$1", "y_${1}"])),
    ),
    max_size=4,
)  # fmt: skip


@given(_labels, _rules)
def test_names_stay_legal_and_values_non_empty(labels: dict[str, str], rules: list[dict[str, object]]) -> None:
    """Whatever the rules and values, all names are label names and no value is empty."""
    result = relabel(labels, *rules)
    assert result is not None
    assert all(LABEL_NAME.fullmatch(name) and value for name, value in result.items())


WORDS = [
    ({"source_labels": ["a"], "target_label": "b"}, "b = a"),
    ({"target_label": "b", "replacement": "x"}, 'b = "x" where nothing =~ "(.*)"'),
    (
        {"source_labels": ["a", "c"], "regex": "/(.*)", "target_label": "b"},
        'b = "$1" where a, c =~ "/(.*)"',
    ),
    ({"source_labels": ["a"], "regex": "x", "action": "drop"}, 'drop where a =~ "x"'),
    ({"source_labels": ["a"], "target_label": "b", "action": "keepequal"}, "keep where a equals b"),
    (
        {"source_labels": ["a"], "target_label": "b", "modulus": 8, "action": "hashmod"},
        "b = hash of a modulo 8",
    ),
    ({"source_labels": ["a"], "target_label": "b", "action": "lowercase"}, "b = a in lower case"),
    ({"regex": "x_(.+)", "action": "labelmap"}, 'labels whose name =~ "x_(.+)" are copied to "$1"'),
    ({"regex": "x_.*", "action": "labeldrop"}, 'drop labels whose name =~ "x_.*"'),
]


@pytest.mark.parametrize(("rule", "words"), WORDS)
def test_rules_in_words(rule: dict[str, object], words: str) -> None:
    """Each action on one line, for people."""
    assert RelabelRule.model_validate(rule).in_words() == words


@pytest.mark.parametrize(("name", "labels", "rules", "result"), TABLE, ids=[row[0] for row in TABLE])
def test_explaining_ends_where_applying_does(
    name: str, labels: dict[str, str], rules: list[dict[str, object]], result: dict[str, str] | None
) -> None:
    """Rule by rule, the labels behind the last one are the result; the rule that drops is the last."""
    relabeling = Relabeling([RelabelRule.model_validate(rule) for rule in rules])
    explained = relabeling.explain(labels)
    assert (explained[-1][1] if explained else relabeling.apply(labels)) == result
    assert all(step is not None for _, step in explained[:-1])
    assert len(explained) == len(rules) or result is None
