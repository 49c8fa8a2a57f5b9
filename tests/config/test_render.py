"""Excerpts with carets, in which no value shows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloytrio.config.positions import scan
from alloytrio.config.problems import InvalidConfigError, Problem
from alloytrio.config.render import render_error, render_text
from tests.config.samples import CANARY, read
from tests.config.test_positions import documents


def rendered(text: str, environ: dict[str, str] | None = None) -> str:
    """What a person sees for a wrong text."""
    with pytest.raises(InvalidConfigError) as caught:
        read(text, environ)
    shown = render_error(caught.value)
    assert CANARY not in shown
    return shown


def test_key() -> None:
    """The key is underlined, the value hidden, the comment left out."""
    assert rendered(f'[admin]\n  listen_adr = "{CANARY}"  # {CANARY}') == (
        "c.toml:2:3: admin.listen_adr: unknown key\n"
        " 2 |   listen_adr = …\n"
        "   |   ^^^^^^^^^^\n"
        '     did you mean "listen_addr"? allowed: listen_addr, allowed_hosts, ui_path_prefix, '
        "basic_auth, bearer_token, tls"
    )


def test_key_behind_values() -> None:
    """Carets are right behind values that were hidden in the same line."""
    assert rendered(f'[otelcol.exporter.otlp.t]\nclient = {{ endpoint = "{CANARY}", compresion = "{CANARY}" }}') == (
        "c.toml:2:47: otelcol.exporter.otlp.t.client.compresion: unknown key\n"
        " 2 | client = { endpoint = …, compresion = … }\n"
        "   |                          ^^^^^^^^^^\n"
        '     did you mean "compression"? allowed: endpoint, compression, headers, tls'
    )


def test_header_and_list_element() -> None:
    """The wrong part of a header is underlined; of a list, the hidden element."""
    shown = rendered(f"[loki.process.P]\nforward_to = ['{CANARY}', '{CANARY}']")
    assert " 1 | [loki.process.P]\n   |               ^\n" in shown
    assert " 2 | forward_to = […, …]\n   |               ^\n" in shown
    assert " 2 | forward_to = […, …]\n   |                  ^\n" in shown


def test_multi_line_values() -> None:
    """Of a text over several lines nothing shows in any of them."""
    text = f'[loki.write.w]\nexternal_labels = {{ a = """x\n{CANARY}""", b = 1 }}'
    assert rendered(text) == ("c.toml:3:26: loki.write.w.external_labels.b: must be a text\n 3 | …, b = … }\n   |    ^")


def test_environment_and_whole_file() -> None:
    """Where there is no line there is no excerpt."""
    assert rendered("", {"ALLOYTRIO_STORAGE__MODE": CANARY}) == (
        'environment variable ALLOYTRIO_STORAGE__MODE: storage.mode: must be one of "disk", "memory"'
    )
    assert render_text(Problem("c.toml", 0, 0, "", "wrong", "right"), "a = 1") == "c.toml: wrong\n  right"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'a = "{CANARY}"\nb = {CANARY}', " 2 | b = …\n   |     ^"),
        (f'a = "{CANARY}"\n[b]\n[c] {CANARY}', " 3 | [c]\n"),
        (f'a = "{CANARY}"\n[b\n', None),
        (f'a = """\nb = {CANARY} \\q"""', " 2 | …\n"),
        (f"a = [\n{CANARY},", None),
    ],
)
def test_syntax_errors(text: str, expected: str | None) -> None:
    """In a text that is not TOML only keys at the beginning of a statement show."""
    shown = rendered(text)
    assert (expected in shown) if expected else (" | " not in shown)


@settings(max_examples=100, deadline=None)
@given(documents(), st.data())
def test_carets_are_under_the_key(text: str, data: st.DataObject) -> None:
    """For every key of any document: the carets stand under its text, or under what hides a value."""
    toml_map = scan(text)
    if not toml_map.spans:
        return
    path = data.draw(st.sampled_from(sorted(toml_map.spans, key=repr)))
    span = toml_map.spans[path]
    place = toml_map.place(span.start)
    shown = render_text(Problem("c", place.line, place.column, "", "wrong"), toml_map.text).split("\n")
    line, carets = shown[1], shown[2]
    written = toml_map.text[span.start : span.end].split("\n")[0].replace("\t", " ")
    start, end = carets.index("^"), len(carets)
    assert line[start:end] in (written, "…", written[: end - start])


@settings(max_examples=100, deadline=None)
@given(documents(), st.text(alphabet="abcdef\"'\n\\", max_size=3))
def test_no_value_shows(text: str, cut: str) -> None:
    """Whatever the document, also a broken one, no text value shows in any line's excerpt."""
    marked = text.replace("quote", CANARY).replace("text", CANARY).replace("folded", CANARY) + cut
    for line in range(1, min(marked.count("\n") + 2, 12)):
        assert CANARY not in render_text(Problem("c", line, 1, "", "wrong"), marked)
