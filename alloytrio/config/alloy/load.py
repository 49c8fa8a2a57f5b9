"""An Alloy file as a `Document`: from here on it goes the way of a TOML file.

Errors that are found later (by the models, by the edges) are shown with their place in the Alloy text.
"""

import os
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import alloytrio
from alloytrio.config.alloy.convert import Converted, convert
from alloytrio.config.alloy.diagnostics import AlloyError, AlloySyntaxError, Diagnostic
from alloytrio.config.alloy.evaluator import Surroundings
from alloytrio.config.alloy.files import SUFFIX
from alloytrio.config.alloy.parser import Document as Parsed
from alloytrio.config.alloy.parser import parse, parse_source
from alloytrio.config.alloy.source import JoinedSource, Source, Span
from alloytrio.config.alloy.values import Template, Variable
from alloytrio.config.document import Document
from alloytrio.config.positions import Position
from alloytrio.config.problems import InvalidConfigError, Problem

_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ConvertedDocument(Document):
    """A converted file.

    Args:
        converted: with the report.
    """

    converted: Converted = field(repr=False)

    @property
    def warnings(self) -> Sequence[Problem]:
        """What was left out, and what is worth knowing."""
        return [each.problem for each in self.converted.report]

    def error(self, problems: Sequence[Problem]) -> InvalidConfigError:
        """Problems of the converted tables, shown in the Alloy text."""
        spans = {self.positions[path]: span for path, span in self.converted.spans.items()}
        return AlloyError([_diagnostic(self.converted.source, problem, spans) for problem in problems])


def _diagnostic(source: Source, problem: Problem, spans: Mapping[Position, Span]) -> Diagnostic:
    message = f"{problem.path}: {problem.message}" if problem.path else problem.message
    span = spans.get(Position(problem.line, problem.column))
    if problem.variable:
        return Diagnostic(Source("", f"environment variable {problem.variable}"), Span(0, 0), message, problem.hint)
    if span is None:
        return Diagnostic(Source("", problem.file), Span(0, 0), message, problem.hint)
    return Diagnostic(*source.within(span), message, problem.hint)


def read_alloy(path: Path, environ: Mapping[str, str], *, bypass_errors: bool = False) -> ConvertedDocument:
    """The document in an Alloy file, or in all of a folder, to be run on this machine.

    Args:
        path: the file; or a folder, whose Alloy files count as one, as in Alloy.
        environ: what ``sys.env`` reads. Where possible it is only referred to.
        bypass_errors: go on without what is not supported.

    Raises:
        InvalidConfigError: it cannot be read.
        AlloyError: a syntax error, or something that is not supported.
    """
    converted = convert(parse_path(path), Surroundings(environ, this_machine()), unset_is_empty=True)
    converted.check(bypass_errors=bypass_errors)
    return as_document(converted, Path())


def parse_path(path: Path) -> Parsed:
    """The syntax tree of a file, or of the Alloy files directly in a folder, by name.

    Raises:
        InvalidConfigError: one cannot be read, or the folder has none.
        AlloySyntaxError: with the errors of all files.
    """
    if not path.is_dir():
        return parse(_read(path), str(path))
    sources: list[Source] = []
    problems: list[Diagnostic] = []
    for each in sorted(path.glob(f"*{SUFFIX}")):
        try:
            sources.append(parse(_read(each), str(each)).source)
        except AlloySyntaxError as error:
            problems += error.diagnostics
    if problems:
        raise AlloySyntaxError(problems)
    if not sources:
        raise InvalidConfigError([Problem(str(path), 0, 0, "", f"there are no files *{SUFFIX} in this folder")])
    return parse_source(JoinedSource(sources, str(path)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        message = f"cannot be read: {exc.strerror or type(exc).__name__}"
        raise InvalidConfigError([Problem(str(path), 0, 0, "", message)]) from exc


def as_document(converted: Converted, folder: Path) -> ConvertedDocument:
    """A converted file in the shape of one that was read from TOML.

    Args:
        converted: its tables.
        folder: where relative names of files start; for Alloy that is the folder in which the process runs.
    """
    source = converted.source
    places = {path: source.position(span.start) for path, span in converted.spans.items()}
    positions = {path: Position(place.line, place.column) for path, place in places.items()}
    return ConvertedDocument(source.name, folder, source.text, converted.data, positions, converted)


def this_machine() -> dict[str, str | Template]:
    """The values of ``constants`` where a file is run."""
    arch = _GO_NAMES.get(platform.machine(), platform.machine())
    system = platform.system().lower() or os.name
    return {"hostname": socket.gethostname(), "os": system, "arch": arch, "version": alloytrio.__version__}


def any_machine() -> dict[str, str | Template]:
    """The values of ``constants`` in a file that is converted for later."""
    return {**this_machine(), "hostname": Template((Variable("HOSTNAME"),))}
