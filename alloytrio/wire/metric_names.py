"""Names of metrics and labels, from OpenTelemetry's to Prometheus'.

A *word* character is a Unicode letter or decimal digit, so ``ü`` survives; ``_``, ``:``, ``.`` and ``-`` do not.

Source: ``translator/prometheus`` of the collector's contrib repository as Alloy uses it, with its tables of units.
"""

from typing import Final

GAUGE: Final = 2
COUNTER: Final = 1
OTHER: Final = 0

_UNITS: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
    "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER_UNITS: Final = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip


def metric_name(name: str, unit: str, kind: int, add_suffixes: bool) -> str:
    """The Prometheus name of a metric; empty if nothing of its name is left.

    Args:
        name: OpenTelemetry's name.
        unit: OpenTelemetry's unit, UCUM.
        kind: GAUGE, COUNTER (a monotonic sum) or OTHER: they differ in their suffix.
        add_suffixes: unit and type become part of the name.
    """
    if not add_suffixes:
        return _not_digit_first(_squeeze(name, "_:"))
    tokens = _words(name)
    if not tokens:
        return ""
    main, per = _unit_words(unit)
    if main and main not in tokens:
        tokens.append(main)
    if per and per not in tokens:
        tokens += ["per", per]
    if kind == COUNTER:
        tokens = [token for token in tokens if token != "total"] + ["total"]
    elif kind == GAUGE and unit == "1":
        tokens = [token for token in tokens if token != "ratio"] + ["ratio"]
    return _not_digit_first("_".join(tokens))


def unit_name(unit: str) -> str:
    """The unit as Prometheus spells it in metadata: ``By/s`` → ``bytes_per_second``."""
    main, per = _unit_words(unit)
    if not per:
        return main
    return f"{main}_per_{per}" if main else f"per_{per}"


def label_name(key: str) -> str:
    """The Prometheus label for an attribute's key; empty stays empty.

    Characters are replaced one for one, so ``a..b`` is ``a__b``; a name may begin with two underscores but not with
    one, which gets ``key`` in front.
    """
    name = "".join([char if _is_word(char) else "_" for char in key])
    if "0" <= name[:1] <= "9":
        return "key_" + name
    if name[:1] == "_" and name[1:2] != "_":
        return "key" + name
    return name


def _is_word(char: str) -> bool:
    return char.isalpha() or char.isdecimal()


def _words(text: str) -> list[str]:
    return "".join([char if _is_word(char) else " " for char in text]).split()


def _squeeze(text: str, allowed: str) -> str:
    """Runs of characters that are neither word characters nor ``allowed`` become one underscore, none at the ends."""
    kept = [char if _is_word(char) or char in allowed else " " for char in text]
    return "_".join("".join(kept).split())


def _unit_words(unit: str) -> tuple[str, str]:
    """The words for what stands before and after the first slash of a unit."""
    main, _, per = unit.partition("/")
    return _unit_word(main, _UNITS), _unit_word(per, _PER_UNITS)


def _unit_word(part: str, table: dict[str, str]) -> str:
    part = part.strip()
    if "{" in part or "}" in part:
        return ""
    return _squeeze(table.get(part, part), "")


def _not_digit_first(name: str) -> str:
    return "_" + name if "0" <= name[:1] <= "9" else name
