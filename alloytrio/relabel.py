"""Relabel rules: what ``discovery.relabel``, ``relabel_rules`` and ``write_relabel_config`` do to a set of labels.

A pure function over label sets; rules are checked and compiled when the configuration is read.

Source: Prometheus ``model/relabel`` and Alloy ``internal/component/common/relabel``. On purpose different: a label name
is ``[a-zA-Z_][a-zA-Z0-9_]*`` everywhere (Loki refuses a whole request for one other name), and ``labelmap``,
``labeldrop`` and ``labelkeep`` look at the labels as they were before the rule.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alloytrio.regex import Regex, Spans, compile_regex, group_of

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
"""What is a label name; use with ``fullmatch``."""

_TARGET_PATTERN = re.compile(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+", re.ASCII)
_DEFAULT_REGEX, _DEFAULT_REPLACEMENT, _DEFAULT_SEPARATOR = "(.*)", "$1", ";"
_MAX_GROUP_NUMBER = 10**8  # Go reads larger numbers as names

Labels = Mapping[str, str]


class Action(StrEnum):
    """What a rule does; lower case only, as in Alloy."""

    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEPEQUAL = "keepequal"
    DROPEQUAL = "dropequal"
    HASHMOD = "hashmod"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"


_NEEDS_TARGET = {
    Action.REPLACE, Action.KEEPEQUAL, Action.DROPEQUAL, Action.HASHMOD, Action.LOWERCASE, Action.UPPERCASE,
}  # fmt: skip


class RelabelRule(BaseModel):
    """One rule. Checked when it is made, so that a running pipeline never meets a bad one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action = Field(Action.REPLACE, description="What the rule does.")
    source_labels: tuple[str, ...] = Field(
        (), description="Labels whose values are joined; a missing one counts as empty."
    )
    separator: str = Field(_DEFAULT_SEPARATOR, description="Put between the joined values.")
    regex: str = Field(
        _DEFAULT_REGEX, description="RE2 expression that must match all of the joined value; a dot matches newlines."
    )
    modulus: int = Field(0, ge=0, description="For hashmod: the hash is taken modulo this number.")
    target_label: str = Field("", description="The label that is set, or compared with for keepequal and dropequal.")
    replacement: str = Field(_DEFAULT_REPLACEMENT, description="New value; $1 or ${name} stand for groups of regex.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        compile_regex(self.regex, dot_matches_newline=True)
        action, target = self.action, self.target_label
        if action in _NEEDS_TARGET and not target:
            raise ValueError(f"{action} needs target_label")
        if action is Action.REPLACE:
            if "$" in target and not _TARGET_PATTERN.fullmatch(target):
                raise ValueError(f"target_label {target!r} cannot become a label name")
            if "$" not in target and not LABEL_NAME.fullmatch(target):
                raise ValueError(f"target_label {target!r} is not a label name")
        if action in (Action.HASHMOD, Action.LOWERCASE, Action.UPPERCASE) and not LABEL_NAME.fullmatch(target):
            raise ValueError(f"target_label {target!r} is not a label name")
        if action is Action.HASHMOD and self.modulus == 0:
            raise ValueError("hashmod needs a modulus above 0")
        if action is Action.LABELMAP and not _TARGET_PATTERN.fullmatch(self.replacement):
            raise ValueError(f"replacement {self.replacement!r} cannot become a label name")
        self._check_unused()
        return self

    def _check_unused(self) -> None:
        """Settings that an action would ignore are errors, as in Prometheus."""
        action, ignored = self.action, []
        plain_regex = self.regex == _DEFAULT_REGEX and self.separator == _DEFAULT_SEPARATOR
        if action in (Action.KEEPEQUAL, Action.DROPEQUAL) and not (plain_regex and self.modulus == 0):
            ignored.append("regex, separator and modulus")
        if action in (Action.KEEPEQUAL, Action.DROPEQUAL, Action.LOWERCASE, Action.UPPERCASE):
            ignored += ["replacement"] if self.replacement != _DEFAULT_REPLACEMENT else []
        if action in (Action.LABELDROP, Action.LABELKEEP):
            others = {"source_labels", "separator", "modulus", "target_label", "replacement"}
            ignored += sorted(
                name for name in others if getattr(self, name) != type(self).model_fields[name].get_default()
            )
        if ignored:
            raise ValueError(f"{action} does not use {', '.join(ignored)}")

    def in_words(self) -> str:
        """The rule on one line, for people: ``container = "$1" where name =~ "/(.*)"``."""
        source, action = ", ".join(self.source_labels), self.action
        where = f'{source or "nothing"} =~ "{self.regex}"'
        match action:
            case Action.REPLACE:
                value = source if self.replacement == _DEFAULT_REPLACEMENT and self.regex == _DEFAULT_REGEX else ""
                return (
                    f"{self.target_label} = {value}"
                    if value
                    else f'{self.target_label} = "{self.replacement}" where {where}'
                )
            case Action.KEEP | Action.DROP:
                return f"{action} where {where}"
            case Action.KEEPEQUAL | Action.DROPEQUAL:
                return f"{action.removesuffix('equal')} where {source} equals {self.target_label}"
            case Action.HASHMOD:
                return f"{self.target_label} = hash of {source} modulo {self.modulus}"
            case Action.LOWERCASE | Action.UPPERCASE:
                return f"{self.target_label} = {source} in {action.removesuffix('case')} case"
            case Action.LABELMAP:
                return f'labels whose name =~ "{self.regex}" are copied to "{self.replacement}"'
            case Action.LABELDROP | Action.LABELKEEP:
                return f'{action.removeprefix("label")} labels whose name =~ "{self.regex}"'


_Step = Callable[[dict[str, str]], bool]


class Relabeling:
    """Rules compiled for use. Stateless; one object serves any number of label sets.

    Args:
        rules: applied in this order.
    """

    def __init__(self, rules: Sequence[RelabelRule] = ()) -> None:
        self.rules = tuple(rules)
        self._steps: tuple[_Step, ...] = tuple(_compile(rule) for rule in rules)

    def apply(self, labels: Labels) -> dict[str, str] | None:
        """The labels after all rules, without empty ones; None if a rule dropped the set."""
        result = dict(labels)
        for step in self._steps:
            if not step(result):
                return None
        return {name: value for name, value in result.items() if value}

    def explain(self, labels: Labels) -> list[tuple[RelabelRule, dict[str, str] | None]]:
        """Each rule that was applied, with the labels behind it; None for the one that dropped the set."""
        explained: list[tuple[RelabelRule, dict[str, str] | None]] = []
        result = dict(labels)
        for rule, step in zip(self.rules, self._steps, strict=True):
            if not step(result):
                explained.append((rule, None))
                break
            explained.append((rule, {name: value for name, value in result.items() if value}))
        return explained


def _to_bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _to_text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _set(labels: dict[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _compile(rule: RelabelRule) -> _Step:
    regex = compile_regex(rule.regex, dot_matches_newline=True)
    names, separator, target = rule.source_labels, rule.separator, rule.target_label

    def joined(labels: dict[str, str]) -> str:
        if len(names) == 1:
            return labels.get(names[0], "")
        return separator.join([labels.get(name, "") for name in names])

    match rule.action:
        case Action.REPLACE:
            return _replace(rule, regex, joined)
        case Action.KEEP:
            return lambda labels: regex.fullmatch(_to_bytes(joined(labels))) is not None
        case Action.DROP:
            return lambda labels: regex.fullmatch(_to_bytes(joined(labels))) is None
        case Action.KEEPEQUAL:
            return lambda labels: joined(labels) == labels.get(target, "")
        case Action.DROPEQUAL:
            return lambda labels: joined(labels) != labels.get(target, "")
        case Action.HASHMOD | Action.LOWERCASE | Action.UPPERCASE:
            return _compute(rule, joined)
        case Action.LABELMAP:
            return _labelmap(rule, regex)
        case Action.LABELDROP:
            return _labelfilter(regex, keep=False)
        case Action.LABELKEEP:
            return _labelfilter(regex, keep=True)


def _replace(rule: RelabelRule, regex: Regex, joined: Callable[[dict[str, str]], str]) -> _Step:
    target, replacement = Expansion(rule.target_label, regex), Expansion(rule.replacement, regex)

    def step(labels: dict[str, str]) -> bool:
        data = _to_bytes(joined(labels))
        spans = regex.fullmatch(data)
        if spans is not None:
            name = target.expand(data, spans)
            if LABEL_NAME.fullmatch(name):
                _set(labels, name, replacement.expand(data, spans))
        return True

    return step


def _compute(rule: RelabelRule, joined: Callable[[dict[str, str]], str]) -> _Step:
    def value_of(text: str) -> str:
        match rule.action:
            case Action.LOWERCASE:
                return text.lower()
            case Action.UPPERCASE:
                return text.upper()
            case _:
                digest = hashlib.md5(_to_bytes(text), usedforsecurity=False).digest()
                return str(int.from_bytes(digest[8:], "big") % rule.modulus)

    def step(labels: dict[str, str]) -> bool:
        _set(labels, rule.target_label, value_of(joined(labels)))
        return True

    return step


def _labelmap(rule: RelabelRule, regex: Regex) -> _Step:
    replacement = Expansion(rule.replacement, regex)

    def step(labels: dict[str, str]) -> bool:
        for name, value in list(labels.items()):
            data = _to_bytes(name)
            spans = regex.fullmatch(data)
            if spans is not None:
                new = replacement.expand(data, spans)
                if LABEL_NAME.fullmatch(new):
                    _set(labels, new, value)
        return True

    return step


def _labelfilter(regex: Regex, *, keep: bool) -> _Step:
    def step(labels: dict[str, str]) -> bool:
        for name in list(labels):
            if (regex.fullmatch(_to_bytes(name)) is not None) is not keep:
                del labels[name]
        return True

    return step


_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


class Expansion:
    """A replacement text with references to groups, read once.

    ``$$`` is a dollar sign; ``$name`` takes the longest run of letters, digits and ``_``; a group that is unknown or
    took no part is empty; a ``$`` that begins no reference stays. Source: Go ``Regexp.Expand``.
    """

    __slots__ = ("_literal", "_parts")

    def __init__(self, template: str, regex: Regex) -> None:
        parts: list[str | int] = []
        at = 0
        for match in _REFERENCE.finditer(template):
            parts.append(template[at : match.start()])
            name = match[1] or match[2]
            parts.append("$" if name is None else _group_number(name, regex))
            at = match.end()
        parts.append(template[at:])
        self._parts = [part for part in parts if part != ""]
        self._literal = "".join(map(str, self._parts)) if all(isinstance(p, str) for p in self._parts) else None

    def expand(self, data: bytes, spans: Spans) -> str:
        """The text for one match of the expression on ``data``."""
        if self._literal is not None:
            return self._literal
        return "".join(
            [part if isinstance(part, str) else _to_text(group_of(data, spans, part)) for part in self._parts]
        )


def _group_number(name: str, regex: Regex) -> int | str:
    """The group that a reference means; the empty text if there is none."""
    if name.isascii() and name.isdecimal() and (name == "0" or name[0] != "0") and int(name) < _MAX_GROUP_NUMBER:
        return int(name) if int(name) <= regex.groups else ""
    return regex.names.get(name, "")
