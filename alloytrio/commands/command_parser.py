"""A parser of command lines whose errors name the nearest command, option or value."""

import argparse
import re
from collections.abc import Iterator
from typing import NoReturn

_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)
_UNKNOWN = re.compile(r"unrecognized arguments: (--?[\w.-]+)")


class CommandParser(argparse.ArgumentParser):
    """argparse's parser with a hint below its errors. The parsers of commands are of this class too."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage, the error and what was probably meant; exit code 2."""
        hint = nearest_word(message, sorted(set(_option_names(self))))
        super().error(f"{message}\ndid you mean {hint}?" if hint else message)


def nearest_word(message: str, options: list[str]) -> str:
    """What was meant by the word that a message of argparse complains of; empty if nothing is near.

    Args:
        message: argparse's.
        options: every option that there is.
    """
    from alloytrio.config.problems import nearest

    if choice := _CHOICE.search(message):
        word, candidates = choice[1], re.findall(r"'(.*?)'", choice[2])
    elif unknown := _UNKNOWN.search(message):
        word, candidates = unknown[1], options
    else:
        return ""
    return nearest(word, candidates) or ""


def _option_names(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _option_names(inner)
        elif action.help != argparse.SUPPRESS or "." in action.dest:
            yield from action.option_strings
