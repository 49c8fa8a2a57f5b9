"""What a schema is made of: the arguments and blocks of a component, and what becomes of each here."""

from dataclasses import dataclass
from enum import Enum

from alloytrio.values import Kind


class Type(Enum):
    """The type of an argument; the value is how messages call it."""

    STRING = "string"
    SECRET = "secret"
    DURATION = 'duration, such as "5s"'
    SIZE = 'size, such as "4MiB"'
    NUMBER = "number"
    BOOL = "bool"
    STRINGS = "list of strings"
    DURATIONS = "list of durations"
    NUMBERS = "list of numbers"
    MAP = "object of strings"
    SECRET_MAP = "object of secrets"
    LISTS_MAP = "object of lists of secrets"
    OTLP = "list of OpenTelemetry consumers"
    SAMPLES = "list of Prometheus receivers"
    ENTRIES = "list of log receivers"
    TARGETS = "list of targets"
    RULES = "relabel rules"
    HANDLER = "authentication handler"


EDGES = {
    Type.OTLP: Kind.OTLP,
    Type.SAMPLES: Kind.SAMPLES,
    Type.ENTRIES: Kind.ENTRIES,
    Type.TARGETS: Kind.TARGETS,
    Type.RULES: Kind.RULES,
    Type.HANDLER: Kind.AUTH,
}
"""The types of arguments that name other components."""


class Level(Enum):
    """What becomes of an argument or block."""

    SAME = "the same key in our configuration"
    UNSUPPORTED = "an error, because leaving it out changes what happens to the data"
    HARMLESS = "a warning: it is left out, and the data arrives all the same"


@dataclass(frozen=True, slots=True)
class Support:
    """What becomes of an argument or block, why, and what to do instead."""

    level: Level = Level.SAME
    why: str = ""
    instead: str = ""


SAME = Support()


def unsupported(why: str, instead: str = "") -> Support:
    """Not taken over, and it matters."""
    return Support(Level.UNSUPPORTED, why, instead)


def harmless(why: str, instead: str = "") -> Support:
    """Not taken over, and it does not matter."""
    return Support(Level.HARMLESS, why, instead)


@dataclass(frozen=True, slots=True)
class Argument:
    """An attribute of a block.

    Args:
        name: as written.
        type: of its value.
        default: Alloy's, as written in a file; None where there is none, or it cannot be written.
        required: must be there.
        support: what becomes of it.
    """

    name: str
    type: Type
    default: "str | int | float | bool | list[str] | dict[str, str] | None" = None
    required: bool = False
    support: Support = SAME


@dataclass(frozen=True, slots=True)
class BlockSchema:
    """A block: a component, or a part of one.

    Args:
        name: as written; for a component its type.
        arguments: its attributes.
        blocks: the blocks in it.
        required: must be there.
        repeated: may be there several times; becomes a list.
        ordered: the blocks in it are one ordered list under the key ``stage``, each a table with one key.
        support: what becomes of it.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    blocks: tuple["BlockSchema", ...] = ()
    required: bool = False
    repeated: bool = False
    ordered: bool = False
    support: Support = SAME

    def argument(self, name: str) -> Argument | None:
        """The attribute of a name."""
        return next((argument for argument in self.arguments if argument.name == name), None)

    def block(self, name: str) -> "BlockSchema | None":
        """The block of a name."""
        return next((block for block in self.blocks if block.name == name), None)


@dataclass(frozen=True, slots=True)
class ComponentSchema:
    """A component type: its block, what others can refer to, and how it is called here.

    Args:
        block: its arguments and blocks.
        exports: name → what it is.
    """

    block: BlockSchema
    exports: dict[str, Type]


def arg(
    name: str,
    type: Type,  # noqa: A002
    default: "str | int | float | bool | list[str] | dict[str, str] | None" = None,
    support: Support = SAME,
) -> Argument:
    """An optional argument."""
    return Argument(name, type, default, support=support)


def required(name: str, type: Type) -> Argument:  # noqa: A002
    """An argument that must be there."""
    return Argument(name, type, required=True)


def block(
    name: str,
    *parts: Argument | BlockSchema,
    required: bool = False,
    repeated: bool = False,
    ordered: bool = False,
    support: Support = SAME,
) -> BlockSchema:
    """A block of arguments and blocks."""
    arguments = tuple(part for part in parts if isinstance(part, Argument))
    blocks = tuple(part for part in parts if isinstance(part, BlockSchema))
    return BlockSchema(name, arguments, blocks, required, repeated, ordered, support)
