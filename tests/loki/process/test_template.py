"""Templates, stage.template and stage.replace against their tables."""

import contextlib

import pytest

from alloytrio.loki.process.gotemplate import Template, TemplateError
from alloytrio.loki.process.gotemplate_functions import FUNCTIONS
from alloytrio.loki.process.stages import StageEntry
from tests.loki.process.support import entry, one


class Values:
    def __init__(self, **values: str) -> None:
        self.values = values

    def value(self, name: str) -> str | None:
        return self.values.get(name)


SCOPE = Values(Value="ERROR", level="Info", Entry="the line", user="bob", empty="", text="a-b-c")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ .Value }}", "ERROR"),
        ("{{.level}}/{{ .user }}", "Info/bob"),
        ("{{ .missing }}", "<no value>"),
        ("{{ ToLower .Value }}", "error"),
        ("{{ .Value | ToLower }}", "error"),
        ("{{ .Value | ToLower | ToUpper }}!", "ERROR!"),
        ('{{ Replace .text "-" "+" -1 }}', "a+b+c"),
        ('{{ Replace .text "-" "+" 1 }}', "a+b-c"),
        ('{{ .text | replace "-" "." }}', "a.b.c"),
        ('{{ Trim "  x " " " }}', "x"),
        ('{{ TrimLeft "xxa" "x" }}{{ TrimRight "axx" "x" }}', "aa"),
        ('{{ TrimPrefix .text "a-" }}{{ TrimSuffix .text "-c" }}', "b-ca-b"),
        ('{{ "  x " | TrimSpace }}', "x"),
        (r'{{ regexReplaceAll "([a-z])-" .text "<$1>" }}', "<a><b>c"),
        ('{{ regexReplaceAll "x*" "abc" "-" }}', "-a-b-c-"),
        ('{{ regexReplaceAllLiteral "-" .text "$1" }}', "a$1b$1c"),
        ('{{ Hash "a" "bc" }}', "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        ('{{ Sha2Hash "" "abc" }}', "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ('{{ if eq .level "Info" }}yes{{ else }}no{{ end }}', "yes"),
        ('{{ if eq .level "x" }}a{{ else if .user }}b{{ else }}c{{ end }}', "b"),
        ("{{ if .empty }}a{{ else if .missing }}b{{ else }}c{{ end }}", "c"),
        ("{{ if and .user (not .empty) }}a{{ end }}{{ if or .empty .missing }}b{{ end }}", "a"),
        ("{{ if .user }}{{ if .empty }}x{{ else }}y{{ end }}{{ end }}", "y"),
        ("a {{- .user -}} b", "abobb"),
        ("{{/* comment */}}x", "x"),
        ("{{ `raw \\n` }}", "raw \\n"),
        ('{{ "q\\"\\u00e9" }}', 'q"é'),
        ("{{ 5 }}{{ 1.5 }}{{ true }}", "51.5true"),
        ('{{ .missing | default "d" }}{{ default "d" .user }}', "dbob"),
        ("{{ coalesce .empty .missing .user }}", "bob"),
        ("{{ trunc 2 .Value }}{{ trunc -2 .Value }}", "EROR"),
        ("{{ substr 1 3 .Value }}", "RR"),
        ('{{ .text | contains "b" }}{{ hasPrefix "a" .text }}{{ hasSuffix "x" .text }}', "truetruefalse"),
        ('{{ ternary "y" "n" (eq 1 1) }}', "y"),
        ("{{ quote .user }}{{ squote .user }}", "\"bob\"'bob'"),
        ('{{ "a b" | title }}{{ nospace "a b" }}{{ repeat 2 "x" }}', "A Babxx"),
        ('{{ b64enc "x" }}{{ b64dec "eA==" }}', "eA==x"),
        ("{{ len .user }}", "3"),
        ('{{ cat "a" .user }}', "a bob"),
        ("{{ (ToLower (ToUpper .user)) }}", "bob"),
        ("{{ if ne .user .level }}x{{ end }}{{ if empty .empty }}y{{ end }}", "xy"),
        ('{{ upper "a" }}{{ lower "A" }}{{ trim " x " }}{{ trimAll "." ".x." }}', "Aaxx"),
        ('{{ trimPrefix "a" "ab" }}{{ trimSuffix "b" "ab" }}{{ sha256sum "abc" | trunc 4 }}', "baba78"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    """What is supported gives what Go gives."""
    assert Template(template).render(SCOPE) == expected


@pytest.mark.parametrize(
    "template",
    ["{{ ToLower .missing }}", '{{ trunc "x" .user }}', '{{ b64dec "?" }}', '{{ regexReplaceAll "(" "a" "b" }}',
     '{{ repeat 999999999 "x" }}', '{{ Replace .text "a" "b" "c" }}'],
)  # fmt: skip
def test_execution_errors(template: str) -> None:
    """A function that cannot take its argument is an error of that execution only."""
    with pytest.raises(TemplateError):
        Template(template).render(SCOPE)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ range .x }}{{ end }}", "range is not supported"),
        ("{{ $x := 1 }}", "not supported"),
        ("{{ nosuch .x }}", "there is no function nosuch; there are Hash"),
        ("{{ .a.b }}", "have no fields"),
        ("{{ . }}", "whole data"),
        ("{{ ToLower }}", "takes 1 arguments"),
        ("{{ .a .b }}", "a value where a function"),
        ('{{ .a | "x" }}', "a value where a function"),
        ("{{ }}", "empty action"),
        ("{{ if .a }}", "if without end"),
        ("{{ end }}", "unexpected"),
        ("{{ else }}", "unexpected"),
        ("{{ (ToLower .a }}", "without"),
        ("{{ ToLower .a) }}", "unexpected"),
        ("{{ ToLower .a", "without"),
        ("{{ 'x' }}", "unexpected"),
        ("{{ ~ }}", "cannot read"),
        ('{{ "\\q" }}', "cannot read"),
        ("{{ " + "(" * 60 + ".a" + ")" * 60 + " }}", "too deeply"),
        ("{{ if .a }}" * 60 + "{{ end }}" * 60, "too deeply"),
    ],
)
def test_refused(template: str, words: str) -> None:
    """What is not supported is refused when the configuration is read, with what would be right."""
    with pytest.raises(ValueError, match="template: ") as caught:
        Template(template)
    assert words in str(caught.value)


def test_every_function_checks_its_arguments() -> None:
    """No function raises anything but TemplateError for a missing value."""
    for name, (fewest, _, _) in FUNCTIONS.items():
        template = Template("{{ " + name + " .missing" * fewest + " }}")
        with contextlib.suppress(TemplateError):
            template.render(SCOPE)


def test_template_stage() -> None:
    """The result is the new value; an empty one removes it; a failed one leaves it."""
    table = {"template": {"source": "level", "template": "{{ ToLower .Value }}"}}
    assert one(table, entry(extracted={"level": "ERROR"})).extracted["level"] == "error"
    assert one(table, entry(extracted={"level": None})).extracted["level"] is None
    assert "level" not in one(table, entry()).extracted
    empty = {"template": {"source": "level", "template": "{{ if .x }}y{{ end }}"}}
    assert "level" not in one(empty, entry(extracted={"level": "ERROR"})).extracted
    made = {"template": {"source": "new", "template": "{{ .Entry }}-{{ .n }}-{{ .app }}"}}
    assert one(made, entry("line", extracted={"n": 5})).extracted["new"] == "line-5-web"


@pytest.mark.parametrize(
    ("table", "line", "expected"),
    [
        (
            {"expression": r"password=(\S+)", "replace": "****"},
            "a password=x password=y",
            "a password=**** password=****",
        ),
        ({"expression": "no groups", "replace": "x"}, "no groups", "no groups"),
        ({"expression": r"(\d+)-(\d+)", "replace": "<{{ .Value }}>"}, "1-22", "<1>-<22>"),
        ({"expression": r"((a)b)", "replace": "[{{ .Value }}]"}, "abab", "[ab][ab]"),
        ({"expression": r"(a)|(b)", "replace": "{{ .missing }}"}, "xabx", "xx"),
        ({"expression": r"(a*)", "replace": "-"}, "b", "-b-"),
        ({"expression": r"(a)", "replace": "{{ ToUpper .Value }}"}, "äa", "äA"),
        ({"expression": r"(a)"}, "xax", "xx"),
        ({"expression": "(x)", "replace": "{{ ToLower .missing }}"}, "x", "x"),
    ],
)
def test_replace(table: dict[str, object], line: str, expected: str) -> None:
    """Each group of each match is replaced."""
    assert one({"replace": table}, entry(line)).line.decode() == expected


def test_replace_names_and_source() -> None:
    """Named groups are extracted with their new text; an extracted value can be worked on."""
    table: dict[str, object] = {"replace": {"expression": "(?P<user>b.)", "replace": "X", "source": "v"}}
    result = one(table, entry("bo", extracted={"v": "is bo"}))
    assert (result.line, result.extracted["v"], result.extracted["user"]) == (b"bo", "is X", "X")
    assert one(table, entry("bo", extracted={"v": None})).extracted["v"] is None


@pytest.mark.parametrize(
    "table",
    [
        {"template": {"source": "a", "template": "{{"}},
        {"template": {"source": "a"}},
        {"replace": {"expression": "("}},
        {"replace": {"expression": "(a)", "replace": "{{ nosuch }}"}},
    ],
)
def test_refused_at_load(table: dict[str, object]) -> None:
    """Settings that cannot work are errors."""
    with pytest.raises(ValueError, match="validation error"):
        StageEntry.model_validate(table)
