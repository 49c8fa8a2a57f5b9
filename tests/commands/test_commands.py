"""Each command: what it prints, what it writes, how it ends."""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alloytrio.commands import EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, add_command, commands
from alloytrio.commands.probe import Finding
from alloytrio.commands.validate import as_text, verdict
from alloytrio.config.alloy.diagnostics import AlloySyntaxError
from alloytrio.config.problems import InvalidConfigError, Problem

UGLY = '// c\nlogging{level="debug"}\n'
PRETTY = '// c\nlogging {\n\tlevel = "debug"\n}\n'


def parser() -> argparse.ArgumentParser:
    """All commands of the package."""
    root = argparse.ArgumentParser(prog="alloytrio")
    root.add_argument("--version", action="store_true", help="print the version")
    subparsers = root.add_subparsers()
    for command in commands():
        add_command(root, subparsers, command)
    return root


def call(*arguments: object) -> int:
    """Runs one command."""
    options = parser().parse_args([str(each) for each in arguments])
    result = options.command(options)
    assert isinstance(result, int)
    return result


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    """A file that is not formatted."""
    path = tmp_path / "config.alloy"
    path.write_text(UGLY)
    return path


def test_fmt_prints(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without options the canonical form is printed and the file left alone."""
    assert call("fmt", ugly) == EXIT_OK
    assert capsys.readouterr().out == PRETTY
    assert ugly.read_text() == UGLY


def test_fmt_writes(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--write changes the file, then --test has nothing to say."""
    assert call("fmt", "--test", ugly) == EXIT_FAILURE
    assert capsys.readouterr().err == f"file {ugly} is not formatted correctly\n"
    assert call("fmt", "-w", ugly) == EXIT_OK
    assert ugly.read_text() == PRETTY
    assert call("fmt", "-t", ugly) == EXIT_OK
    assert capsys.readouterr() == ("", "")


def test_fmt_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """- reads standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(UGLY.encode())))
    assert call("fmt", "-") == EXIT_OK
    assert capsys.readouterr().out == PRETTY


def test_fmt_errors(tmp_path: Path) -> None:
    """What is not Alloy, and what cannot be read, are errors."""
    path = tmp_path / "bad.alloy"
    path.write_text("a = ")
    with pytest.raises(AlloySyntaxError):
        call("fmt", path)
    with pytest.raises(InvalidConfigError, match="cannot be read: No such file or directory"):
        call("fmt", tmp_path / "nope.alloy")


def test_convert_prints(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The TOML goes to standard output; with nothing to report, nothing is."""
    assert call("convert", ugly) == EXIT_OK
    assert capsys.readouterr() == ('# c\n[logging]\nlevel = "debug"\n', "")


def test_convert_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TOML and report go to files; errors keep the TOML from being written, unless they are bypassed."""
    path, out, report = tmp_path / "c.alloy", tmp_path / "o.toml", tmp_path / "r.txt"
    path.write_text('loki.enrich "x" { }\nlogging { }\n')
    assert call("convert", path, "-o", out, "-r", report) == EXIT_CONFIG
    assert not out.exists()
    assert report.read_text().startswith(f'Error: {path}:1:1: "loki.enrich" is not supported')
    assert call("convert", path, "-o", out, "-r", report, "--bypass-errors") == EXIT_OK
    assert (
        out.read_text()
        == f'# {path}:1: "loki.enrich" is not supported: lines are changed by loki.process alone\n\n[logging]\n'
    )
    assert capsys.readouterr() == ("", "")


def test_convert_checks_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What our models refuse is reported at its place in the file; the report has three forms."""
    path = tmp_path / "c.alloy"
    path.write_text('logging { level = "loud" }\n')
    assert call("convert", path, "--format", "json") == EXIT_CONFIG
    [problem] = json.loads(capsys.readouterr().err)
    assert (problem["line"], problem["column"]) == (1, 11)
    assert call("convert", path, "--format", "github") == EXIT_CONFIG
    assert capsys.readouterr().err.startswith(f"::error file={path},line=1,col=11::logging.level: ")


def test_convert_cannot_judge_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A value that comes from the environment of another machine is taken as it is."""
    path = tmp_path / "c.alloy"
    path.write_text('logging { level = sys.env("LEVEL") }\n')
    assert call("convert", path) == EXIT_OK
    assert capsys.readouterr() == ('[logging]\nlevel = "${env:LEVEL}"\n', "")


@pytest.mark.parametrize(
    ("tool", "text", "toml"),
    [
        ("promtail", "server: {log_level: warn}\nclients: []\n", ""),
        ("otelcol", "service: {telemetry: {logs: {level: warn}}}\n", ""),
    ],
)
def test_convert_other_tools(tmp_path: Path, tool: str, text: str, toml: str) -> None:
    """--from names the language."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert call("convert", "--from", tool, "-b", "-o", tmp_path / "o.toml", "-r", tmp_path / "r", path) == EXIT_OK
    assert (tmp_path / "o.toml").read_text() == '[logging]\nlevel = "warn"\n'


def test_validate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file is said to be so; warnings of an Alloy file are shown."""
    path = tmp_path / "c.toml"
    path.write_text('[logging]\nlevel = "debug"\n')
    assert call("validate", path) == EXIT_OK
    assert capsys.readouterr() == (f"{path}: valid\n", "")
    path = tmp_path / "c.alloy"
    path.write_text("livedebugging { enabled = true }\n")
    assert call("validate", path) == EXIT_OK
    assert capsys.readouterr().out.splitlines() == [
        f'Warning: {path}:1:1: "livedebugging" is left out: the live view is always there and costs nothing unwatched',
        f"{path}: valid",
    ]


@pytest.mark.parametrize(
    ("name", "text"), [("c.toml", "[logging]\nlevel = 5\n"), ("c.alloy", "logging {\n level = []\n}")]
)
@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_validate_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, form: str) -> None:
    """A wrong file is exit code 78, in every form with the line."""
    path = tmp_path / name
    path.write_text(text)
    assert call("validate", path, "--format", form) == EXIT_CONFIG
    out, err = capsys.readouterr()
    match form:
        case "text":
            assert f"{name}:2:" in err
            assert "^" in err
        case "json":
            assert json.loads(out)[0]["line"] == 2
        case _:
            assert out.startswith(f"::error file={path},line=2,col=")


def test_validate_bypasses(tmp_path: Path) -> None:
    """What is not supported is an error, and left out on demand."""
    path = tmp_path / "c.alloy"
    path.write_text('loki.enrich "x" { }\n')
    assert call("validate", path) == EXIT_CONFIG
    assert call("validate", "--bypass-errors", path) == EXIT_OK


def test_problems_as_text() -> None:
    """Variables, paths and odd characters in all three forms."""
    problem = Problem("a,b:c.toml", 3, 4, "x.y", "100 %\nwrong", "try z")
    variable = Problem("", 0, 0, "x.y", "wrong", "", "ALLOYTRIO_X")
    assert as_text([("error", problem), ("warning", variable)], "github") == (
        "::error file=a%2Cb%3Ac.toml,line=3,col=4::x.y: 100 %25%0Awrong (try z)\n"
        "::warning::environment variable ALLOYTRIO_X: x.y: wrong"
    )
    assert json.loads(as_text([("warning", variable)], "json"))[0] == {
        "severity": "warning", "file": "", "line": 0, "column": 0, "path": "x.y", "variable": "ALLOYTRIO_X",
        "message": "wrong", "help": "",
    }  # fmt: skip


def test_verdict_with_findings() -> None:
    """Probes are listed, those that failed are errors for programs."""
    findings = [Finding("a", True, "answers"), Finding("b", False, "refused")]
    assert verdict("c.toml", [], findings, "text") == "ok      a: answers\nFAILED  b: refused\nc.toml: valid"
    assert json.loads(verdict("c.toml", [], findings, "json"))[0]["message"] == "refused"


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is JSON and knows the service's tables."""
    assert call("schema") == EXIT_OK
    assert "logging" in json.loads(capsys.readouterr().out)["properties"]


def test_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A configuration without components is an empty picture."""
    path = tmp_path / "c.toml"
    path.write_text("")
    assert call("graph", "--format", "mermaid", path) == EXIT_OK
    assert capsys.readouterr().out == "flowchart LR\n"


@pytest.mark.parametrize("command", [command.NAME for command in commands()])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help of each command shows how it is used."""
    with pytest.raises(SystemExit):
        call(command, "--help")
    out = capsys.readouterr().out
    assert "examples:" in out
    assert f"alloytrio {command}" in out.split("examples:")[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script names every command and option."""
    assert call("completion", shell) == EXIT_OK
    script = capsys.readouterr().out
    for word in ["validate", "convert", "bypass-errors", "probe", "from"]:
        assert word in script


def test_completion_in_bash(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """bash completes commands, options and words, and files otherwise."""
    call("completion", "bash")
    script = capsys.readouterr().out

    def complete(*words: str) -> list[str]:
        count = len(words) - 1
        ask = f'COMP_WORDS=({" ".join(words)}); COMP_CWORD={count}; _alloytrio; echo "${{COMPREPLY[@]}}"'
        done = subprocess.run(
            ["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return done.stdout.split()

    (tmp_path / "config.alloy").touch()
    assert complete("alloytrio", "va") == ["validate"]
    assert complete("alloytrio", "convert", "--by") == ["--bypass-errors"]
    assert complete("alloytrio", "completion", "z") == ["zsh"]
    assert complete("alloytrio", "validate", "--format", "") == ["text", "json", "github"]
    assert complete("alloytrio", "convert", "-f", "p") == ["promtail"]
    assert complete("alloytrio", "run", "conf") == ["config.alloy"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_completion_in_fish(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """fish completes commands, options, their values, and words."""
    call("completion", "fish")
    script = capsys.readouterr().out

    def complete(line: str) -> list[str]:
        command = f"{script}\ncomplete -C '{line}'"
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(["fish", "-c", command], capture_output=True, text=True, check=True, env=environment)
        return [each.partition("\t")[0] for each in done.stdout.splitlines()]

    assert complete("alloytrio conv") == ["convert"]
    assert complete("alloytrio convert --fr") == ["--from"]
    assert complete("alloytrio validate --format ") == ["github", "json", "text"]
    assert complete("alloytrio completion z") == ["zsh"]


ZSH = """
compdef() {{ :; }}
_describe() {{ print -l describe $commands; }}
_arguments() {{ print -rl arguments "$@"; }}
source {script}
words=({words}); CURRENT={current}
_alloytrio
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_completion_in_zsh(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """zsh's completion system is told of commands, and of options with their values; its words are from its manual."""
    call("completion", "zsh")
    script = tmp_path / "_alloytrio"
    script.write_text(capsys.readouterr().out)

    def complete(*words: str) -> list[str]:
        text = ZSH.format(script=script, words=" ".join(words), current=len(words))
        return subprocess.run(["zsh", "-f", "-c", text], capture_output=True, text=True, check=True).stdout.splitlines()

    assert "validate:check a configuration without running it" in complete("alloytrio", "va")
    told = complete("alloytrio", "validate", "--f")
    assert "--format=[(default: text)]:value:(text json github)" in told
    assert "--probe[also try the backends, Docker and the data directory]" in told
    assert told[-1] == "*:file:_files"
    assert complete("alloytrio", "completion", "")[-1] == "1:word:(bash zsh fish)"


PIPELINE = """
[storage]
path = "{folder}/data"
[otelcol.receiver.otlp.default]
grpc = {{ endpoint = "127.0.0.1:0" }}
output = {{ traces = ["otelcol.exporter.otlp.tempo"] }}
[otelcol.exporter.otlp.tempo]
client = {{ endpoint = "127.0.0.1:1", tls = {{ insecure = true }} }}
[otelcol.exporter.otlphttp.other]
client = {{ endpoint = "https://127.0.0.1:1" }}
"""


def test_validate_probes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--probe tries the data directory and every backend; one that does not answer is exit code 1."""
    path = tmp_path / "c.toml"
    path.write_text(PIPELINE.format(folder=tmp_path))
    assert call("validate", path) == EXIT_OK
    capsys.readouterr()
    assert call("validate", "--probe", path) == EXIT_FAILURE
    assert capsys.readouterr().out.splitlines() == [
        f"ok      storage.path: {tmp_path}/data can be made in {tmp_path}",
        "FAILED  otelcol.exporter.otlp.tempo.client.endpoint: 127.0.0.1:1: Connection refused",
        "FAILED  otelcol.exporter.otlphttp.other.client.endpoint: 127.0.0.1:1: Connection refused",
        f"{path}: valid",
    ]


def test_tests_of_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The test command says which tests passed, shows why one failed, and ends with 1 if one did."""
    (tmp_path / "c.toml").write_text(PIPELINE.format(folder=tmp_path))
    good = '[[test]]\nname = "good"\nsignal = "traces"\nexpect = ["otelcol.exporter.otlp.tempo"]\n'
    tests = tmp_path / "t.toml"
    tests.write_text('config = "c.toml"\n' + good)
    assert call("test", tests) == EXIT_OK
    assert capsys.readouterr().out == f"ok      {tests}: good\n1 passed, 0 failed\n"
    tests.write_text(tests.read_text() + good.replace("good", "bad").replace("tempo", "other"))
    assert call("test", "--quiet", tests) == EXIT_FAILURE
    assert capsys.readouterr().out == (
        f"FAILED  {tests}: bad\n"
        '          expected ["otelcol.exporter.otlp.other"]\n'
        '          got      ["otelcol.exporter.otlp.tempo"]\n'
        "1 passed, 1 failed\n"
    )
