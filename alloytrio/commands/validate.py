"""``alloytrio validate``: is a configuration right, and, on demand, are the things there that it needs?"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alloytrio.commands import EXIT_CONFIG, EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from alloytrio.commands.probe import Finding
    from alloytrio.config.problems import InvalidConfigError, Problem

NAME = "validate"
SUMMARY = "check a configuration without running it"
EXAMPLES = """\
examples:
  alloytrio validate alloytrio.toml                    offline: syntax, keys, values, edges, environment
  alloytrio validate --probe alloytrio.toml            also: do the backends answer, can we read Docker, can we write
  alloytrio validate --format github config.alloy      annotations in a GitHub workflow

Exit codes: 0 valid, 1 a probe failed, 78 not valid.
"""

Format = Literal["text", "json", "github"]
Level = Literal["error", "warning"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("path", type=Path, metavar="PATH", help="TOML or Alloy file, or a folder of Alloy files")
    parser.add_argument("--probe", action="store_true", help="also try the backends, Docker and the data directory")
    parser.add_argument("--format", choices=("text", "json", "github"), default="text", help="(default: text)")
    bypass = "--config.bypass-conversion-errors"  # Alloy's word
    parser.add_argument(
        "-b", "--bypass-errors", bypass, action="store_true", help="leave out what is not supported of Alloy"
    )
    parser.add_argument("--stability.level", help=argparse.SUPPRESS)  # Alloy's; there is nothing experimental here


def run(options: argparse.Namespace) -> int:
    """Prints what is wrong, and returns the exit code."""
    from alloytrio.config.load import load
    from alloytrio.config.problems import InvalidConfigError

    try:
        loaded = load(options.path, os.environ, bypass_errors=options.bypass_errors)
    except InvalidConfigError as error:
        print(refusal(error, options.format), file=sys.stderr if options.format == "text" else sys.stdout)
        return EXIT_CONFIG
    findings: Sequence[Finding] = []
    if options.probe:
        import trio

        from alloytrio.commands.probe import probe

        findings = trio.run(probe, loaded)
    text = verdict(str(options.path), loaded.warnings, findings, options.format)
    if text:
        print(text)
    return EXIT_OK if all(each.answered for each in findings) else EXIT_FAILURE


def refusal(error: "InvalidConfigError", form: Format) -> str:
    """Everything that is wrong with a configuration, for people, programs or a workflow's log."""
    from alloytrio.config.render import render_error

    if form == "text":
        return render_error(error)
    return as_text([("error", problem) for problem in error.problems], form)


def as_text(problems: "Sequence[tuple[Level, Problem]]", form: Format) -> str:
    """Problems for programs or a workflow's log; for people one line each."""
    if form == "json":
        return json.dumps([_as_json(level, problem) for level, problem in problems], indent=2, ensure_ascii=False)
    if form == "github":
        return "\n".join(_as_github(level, problem) for level, problem in problems)
    return "\n".join(f"{level.capitalize()}: {problem}" for level, problem in problems)


def _as_json(level: Level, problem: "Problem") -> dict[str, str | int]:
    return {
        "severity": level,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "variable": problem.variable,
        "message": problem.message,
        "help": problem.hint,
    }


def _as_github(level: Level, problem: "Problem") -> str:
    from alloytrio.config.problems import workflow_command

    what = f"environment variable {problem.variable}: " if problem.variable else ""
    what += f"{problem.path}: " if problem.path else ""
    message = f"{what}{problem.message}" + (f" ({problem.hint})" if problem.hint else "")
    return workflow_command(level, problem.file, problem.line, problem.column, message)


def verdict(path: str, warnings: "Sequence[Problem]", findings: "Sequence[Finding]", form: Format) -> str:
    """What is said of a configuration that can be run."""
    from alloytrio.config.problems import Problem

    failed = [each for each in findings if not each.answered]
    problems: list[tuple[Level, Problem]] = [("warning", warning) for warning in warnings]
    problems += [("error", Problem(path, 0, 0, each.what, each.message)) for each in failed]
    if form != "text":
        return as_text(problems, form)
    lines = [as_text([problem], form) for problem in problems if problem[0] == "warning"]
    lines += [f"{'ok    ' if each.answered else 'FAILED'}  {each.what}: {each.message}" for each in findings]
    return "\n".join([*lines, f"{path}: valid"])
