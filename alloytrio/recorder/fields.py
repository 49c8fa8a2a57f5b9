"""Fields of messages that ``wire/otlp_read.py`` decoded, with protobuf's defaults for those that are not set."""

from collections.abc import Mapping, Sequence

UNKNOWN_SERVICE = "unknown_service"  # the SDK specification's name for it


def service_of(resource: Mapping[str, object]) -> str:
    """``service.name``, or what the specification says when there is none."""
    return str(resource.get("service.name") or UNKNOWN_SERVICE)


def text(message: Mapping[str, object], key: str) -> str:
    """A text field; empty when it is not set."""
    value = message.get(key)
    return value if isinstance(value, str) else ""


def number(message: Mapping[str, object], key: str) -> int:
    """An integer field; 0 when it is not set."""
    value = message.get(key)
    return value if isinstance(value, int) else 0


def mapping(message: Mapping[str, object], key: str) -> Mapping[str, object]:
    """A message or a set of attributes; empty when it is not set."""
    value = message.get(key)
    return value if isinstance(value, dict) else {}


def messages(message: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    """A repeated message; empty when it is not set."""
    value = message.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def named(names: Sequence[str], value: int) -> str:
    """The name of an enum's value, or its number."""
    return names[value] if 0 <= value < len(names) else str(value)
