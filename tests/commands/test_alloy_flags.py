"""Alloy's command line goes on working."""

import os
import re
from pathlib import Path

import pytest

from alloytrio import cli, run
from alloytrio.cli import build_parser
from alloytrio.commands import commands
from alloytrio.commands.alloy_flags import STORAGE_PATH, AlloyFlags, alloy_flags, with_switch_values
from alloytrio.commands.run import first_there, with_data_of_alloy
from alloytrio.config.load import is_in_container
from alloytrio.errors import ConfigError


def flags(*arguments: str) -> tuple[Path, AlloyFlags]:
    """The path and what Alloy's options mean."""
    options = build_parser().parse_args(with_switch_values(["run", *arguments]))
    [path] = options.path
    return path, alloy_flags(options)


@pytest.mark.parametrize(
    "arguments",
    [
        ["/etc/alloy/config.alloy", "--storage.path=/d", "--server.http.listen-addr=0.0.0.0:1", "--disable-reporting"],
        [
            "--disable-reporting",
            "--storage.path",
            "/d",
            "/etc/alloy/config.alloy",
            "--server.http.listen-addr",
            "0.0.0.0:1",
        ],
        [
            "--server.http.listen-addr=0.0.0.0:1",
            "--storage.path=/d",
            "--disable-reporting=false",
            "/etc/alloy/config.alloy",
        ],
    ],
)
def test_usual_options(arguments: list[str]) -> None:
    """In any order, with = or a blank: data directory and address become variables, nothing is warned of."""
    path, meaning = flags(*arguments, "--stability.level=experimental")
    assert path == Path("/etc/alloy/config.alloy")
    environment = {"ALLOYTRIO_STORAGE__PATH": "/d", "ALLOYTRIO_ADMIN__LISTEN_ADDR": "0.0.0.0:1"}
    assert meaning == AlloyFlags(environment)


def test_other_options() -> None:
    """What has no effect is named with the reason; switches that are off are not."""
    _, meaning = flags("c.alloy", "--cluster.enabled", "--server.http.enable-pprof=false", "--cluster.node-name=a")
    assert [warning.partition(":")[0] for warning in meaning.warnings] == [
        "--cluster.enabled has no effect",
        "--cluster.node-name has no effect",
    ]


@pytest.mark.parametrize(
    ("argument", "bypass"),
    [
        ("-b", True),
        ("--bypass-errors", True),
        ("--config.bypass-conversion-errors", True),
        ("--config.bypass-conversion-errors=false", False),
        ("", False),
    ],
)
def test_bypass(argument: str, bypass: bool) -> None:
    """Every spelling lets the service run without what is not supported, before the path and behind it."""
    given = [argument] if argument else []
    for arguments in (["c.alloy", *given], [*given, "c.alloy"]):
        path, meaning = flags(*arguments)
        assert path == Path("c.alloy")
        assert meaning.bypass_errors is bypass


@pytest.mark.parametrize("command", ["validate", "convert", "graph"])
def test_other_commands_keep_their_switches(command: str) -> None:
    """-b and --bypass-errors of the other commands take no value either."""
    for switch in ("-b", "--bypass-errors"):
        options = build_parser().parse_args(with_switch_values([command, switch, "c.alloy"]))
        assert (str(options.path), options.bypass_errors) == ("c.alloy", True)


def test_other_languages_are_converted_first() -> None:
    """--config.format of another tool says what to do."""
    with pytest.raises(ConfigError, match="alloytrio convert --from promtail"):
        flags("c.yaml", "--config.format=promtail")
    assert flags("c.alloy", "--config.format=alloy")[1] == AlloyFlags()


def test_unknown_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt option is an error."""
    with pytest.raises(SystemExit):
        flags("c.alloy", "--storage.pth=/d")
    assert "--storage.pth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["valdate", "x"], "did you mean validate?"),
        (["graph", "--format", "mermade"], "did you mean mermaid?"),
        (["run", "--storage.pth=/d"], "did you mean --storage.path?"),
        (["run", "--cluster.enabld"], "did you mean --cluster.enabled?"),
        (["validate", "--prob", "x", "--nothing-like-it"], ""),
    ],
)
def test_errors_name_what_was_meant(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command, option or value is exit code 2, with the nearest that there is."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert (last if hint else "") == hint
    assert hint or not last.startswith("did you mean")


def test_run_gets_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command hands the variables to the service, over those of the process."""
    got: list[object] = []

    def instead(path: Path | None, environ: dict[str, str], *, bypass_errors: bool) -> None:
        got.extend([path, environ, bypass_errors])

    monkeypatch.setattr(run, "run", instead)
    monkeypatch.setenv("ALLOYTRIO_STORAGE__PATH", "/other")
    arguments = ["run", "c.alloy", "--storage.path=/d", "--config.bypass-conversion-errors", "--cluster.enabled"]
    assert cli.main(arguments) == 0
    assert got == [Path("c.alloy"), {**os.environ, "ALLOYTRIO_STORAGE__PATH": "/d"}, True]
    assert capsys.readouterr().err.startswith("Warning: --cluster.enabled has no effect: ")


def test_first_path_that_is_there(tmp_path: Path) -> None:
    """Of several paths the first at which something is; if there is nothing the last, for the error to name."""
    there, folder, missing = tmp_path / "c.toml", tmp_path / "alloy", tmp_path / "c.alloy"
    there.touch()
    folder.mkdir()
    assert first_there([]) is None
    assert first_there([missing, there, folder]) == there
    assert first_there([missing, folder, there]) == folder
    assert first_there([tmp_path / "x", missing]) == missing


@pytest.mark.parametrize(
    ("name", "environ", "found"),
    [
        ("c.alloy", {"container": "docker"}, True),
        ("c.alloy", {}, is_in_container({})),
        ("c.toml", {"container": "docker"}, False),
        ("c.alloy", {"container": "docker", STORAGE_PATH: "/mine"}, False),
    ],
)
def test_data_of_alloy(tmp_path: Path, name: str, environ: dict[str, str], found: bool) -> None:
    """In a container an Alloy file has its data where Alloy's image has it, unless somebody says otherwise."""
    path = tmp_path / name
    wanted = {**environ, STORAGE_PATH: str(tmp_path)} if found else environ
    assert with_data_of_alloy(path, environ, tmp_path) == wanted
    assert with_data_of_alloy(path, environ, tmp_path / "missing") == environ


def test_every_command_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists run and every command of the package; without a command it is printed."""
    assert cli.main([]) == 0
    listed = capsys.readouterr().out
    for name in ["run", *(command.NAME for command in commands())]:
        assert re.search(rf"^ +{name}\s+\w", listed, re.MULTILINE)


def test_errors_of_alloy_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An Alloy file that cannot be run is exit code 78, with the line and a caret."""
    path = tmp_path / "c.alloy"
    path.write_text('logging {\n\tlevl = "debug"\n}\n')
    assert cli.main(["run", str(path)]) == 78
    assert capsys.readouterr().err == (
        f'Error: {path}:2:2: unrecognized attribute name "levl"\n\n'
        '1 | logging {\n2 |     levl = "…"\n  |     ^^^^^^^^^^\n3 | }\n  = help: did you mean "level"?\n'
    )
