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
class Option:
    """An option of a command.

    Args:
        names: long and short.
        summary: its help.
        takes_value: a word follows it.
        words: what that word may be, if it is a choice.
    """

    names: tuple[str, ...]
    summary: str
    takes_value: bool
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """A command and what can follow it.

    Args:
        name: of the command.
        summary: in one line.
        options: those that the help shows.
        words: what a positional argument may be, if that is a choice.
    """

    name: str
    summary: str
    options: tuple[Option, ...]
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


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            words = tuple(map(str, action.choices or ()))
            yield Option(tuple(action.option_strings), action.help or "", action.nargs not in (0, "?"), words)


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not action.option_strings and action.choices is not None:
            yield from map(str, action.choices)


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of a parser for ``bash``, ``zsh`` or ``fish``."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](described(parser))


def _bash(commands: list[Described]) -> str:
    cases, values = [], []
    for each in commands:
        names = [name for option in each.options for name in option.names]
        cases.append(f"    {each.name}) words='{' '.join([*names, *each.words])}' ;;")
        for option in each.options:
            if option.words:
                keys = "|".join(f"{each.name}:{name}" for name in option.names)
                values.append(f"    {keys}) words='{' '.join(option.words)}' ;;")
    commands_and_options = " ".join([*(each.name for each in commands), "--help", "--version"])
    return f"""\
_alloytrio() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '{commands_and_options}' -- "$word")
    return
  fi
  case ${{COMP_WORDS[1]}}:$previous in
{chr(10).join(values)}
  esac
  if [ -n "$words" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    return
  fi
  case ${{COMP_WORDS[1]}} in
{chr(10).join(cases)}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"; [[ $word == -* ]] || compgen -f -- "$word")
}}
complete -o filenames -F _alloytrio alloytrio
"""


def _zsh(commands: list[Described]) -> str:
    names = "\n".join(f"    {_quoted(f'{each.name}:{each.summary}')}" for each in commands)
    cases = "\n".join(f"    {each.name}) _arguments -s {' '.join(_zsh_arguments(each))} ;;" for each in commands)
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
if [[ $funcstack[1] == _alloytrio ]]; then _alloytrio "$@"; else compdef _alloytrio alloytrio; fi
"""


def _zsh_arguments(command: Described) -> Iterator[str]:
    for option in command.options:
        help_ = f"[{option.summary.replace('[', '(').replace(']', ')')}]"
        value = f":value:({' '.join(option.words)})" if option.words else ":value:_files" if option.takes_value else ""
        for name in option.names:
            sign = "=" if value and name.startswith("--") else ""
            yield _quoted(f"{name}{sign}{help_}{value}")
    yield _quoted(f"1:word:({' '.join(command.words)})" if command.words else "*:file:_files")


def _fish(commands: list[Described]) -> str:
    lines = ["complete -c alloytrio -f -n __fish_use_subcommand -l version -d 'print the version'"]
    for each in commands:
        lines.append(f"complete -c alloytrio -f -n __fish_use_subcommand -a {each.name} -d {_quoted(each.summary)}")
        seen = f"'__fish_seen_subcommand_from {each.name}'"
        for option in each.options:
            names = " ".join(f"{'-l' if name.startswith('--') else '-s'} {name.lstrip('-')}" for name in option.names)
            value = f" -x -a {_quoted(' '.join(option.words))}" if option.words else " -r" if option.takes_value else ""
            lines.append(f"complete -c alloytrio -n {seen} {names}{value} -d {_quoted(option.summary)}")
        if each.words:
            lines.append(f"complete -c alloytrio -f -n {seen} -a {_quoted(' '.join(each.words))}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "'\\''") + "'"
