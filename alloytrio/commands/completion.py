"""``alloytrio completion``: lets a shell complete commands, options and files."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from alloytrio.commands import EXIT_OK

NAME = "completion"
SUMMARY = "print a script that lets a shell complete commands and options"
EXAMPLES = """\
examples:
  source <(alloytrio completion bash)
  alloytrio completion zsh > "${fpath[1]}/_alloytrio"
  alloytrio completion fish > ~/.config/fish/completions/alloytrio.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def run(options: argparse.Namespace) -> int:
    """Prints the script."""
    sys.stdout.write(script(options.root, options.shell))
    return EXIT_OK


@dataclass(frozen=True, slots=True)
class Described:
    """A command and what can follow it.

    Args:
        name: of the command.
        summary: in one line.
        options: long and short ones, each with its help.
        words: what a positional argument may be, if that is a choice.
    """

    name: str
    summary: str
    options: tuple[tuple[str, str], ...]
    words: tuple[str, ...]


def described(parser: argparse.ArgumentParser) -> list[Described]:
    """The commands of a parser."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                options, words = tuple(_options(inner)), tuple(_words(inner))
                found.append(Described(name, summaries.get(name, ""), options, words))
    return found


def _options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.help != argparse.SUPPRESS:
            yield from ((option, action.help or "") for option in action.option_strings)


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not action.option_strings and action.choices is not None:
            yield from map(str, action.choices)


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of a parser for ``bash``, ``zsh`` or ``fish``."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](described(parser))


def _bash(commands: list[Described]) -> str:
    cases = "\n".join(
        f"    {each.name}) words='{' '.join([*(option for option, _ in each.options), *each.words])}' ;;"
        for each in commands
    )
    names = " ".join(each.name for each in commands)
    return f"""\
_alloytrio() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '{names} --help --version' -- "$word")
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}
    *) words='' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"; [[ $word == -* ]] || compgen -f -- "$word")
}}
complete -o filenames -F _alloytrio alloytrio
"""


def _zsh(commands: list[Described]) -> str:
    names = "\n".join(f"    {_quoted(f'{each.name}:{each.summary}')}" for each in commands)
    cases = "\n".join(
        f"    {each.name}) _arguments -s {' '.join(_zsh_arguments(each))} '*:file:_files' ;;" for each in commands
    )
    return f"""\
#compdef alloytrio
_alloytrio() {{
  local -a commands
  commands=(
{names}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{cases}
  esac
}}
_alloytrio "$@"
"""


def _zsh_arguments(command: Described) -> Iterator[str]:
    for option, summary in command.options:
        yield _quoted(f"{option}[{summary.replace('[', '(').replace(']', ')')}]")
    if command.words:
        yield _quoted(f"1:word:({' '.join(command.words)})")


def _fish(commands: list[Described]) -> str:
    lines = ["complete -c alloytrio -f -n __fish_use_subcommand -l version -d 'print the version'"]
    for each in commands:
        lines.append(f"complete -c alloytrio -f -n __fish_use_subcommand -a {each.name} -d {_quoted(each.summary)}")
        seen = f"'__fish_seen_subcommand_from {each.name}'"
        for option, summary in each.options:
            kind = "-l" if option.startswith("--") else "-s"
            lines.append(f"complete -c alloytrio -n {seen} {kind} {option.lstrip('-')} -d {_quoted(summary)}")
        if each.words:
            lines.append(f"complete -c alloytrio -f -n {seen} -a {_quoted(' '.join(each.words))}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "'\\''") + "'"
