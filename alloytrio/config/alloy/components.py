"""Which components and blocks an Alloy file has, how they are called here, and what can be referred to."""

import re
from dataclasses import dataclass, field

from alloytrio.config.alloy.blocks import Taken
from alloytrio.config.alloy.diagnostics import Severity, nearest
from alloytrio.config.alloy.parser import Document
from alloytrio.config.alloy.schema import COMPONENTS
from alloytrio.config.alloy.schema.kinds import SAME, BlockSchema, Level, Support
from alloytrio.config.alloy.schema.others import OTHER_COMPONENTS
from alloytrio.config.alloy.schema.service import BLOCKS, LOCAL_FILE, REFUSED, RULES_ONLY
from alloytrio.config.alloy.tree import Array, Attribute, Block
from alloytrio.config.alloy.values import Reference, Value

_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_EXPORTS = ("input", "receiver", "targets", "output", "rules", "handler", "content", "exports")
_TABLES = {"logging": ("logging",), "http": ("admin",)}


@dataclass(frozen=True, slots=True)
class Place:
    """A component or block at the top of a file.

    Args:
        block: as written.
        schema: what may be in it; of what is left out, what is known of it.
        path: of its table here; None: it is left out.
        support: why it is left out.
    """

    block: Block
    schema: BlockSchema
    path: tuple[str, ...] | None
    support: Support = SAME


@dataclass(slots=True)
class Outline:
    """The top of a file.

    Args:
        places: in the order of the file.
        files: the ``local.file`` components.
        scope: exports of every component by the id that the file uses.
        left_out: components without a table, by id.
    """

    places: list[Place] = field(default_factory=list)
    files: list[Block] = field(default_factory=list)
    scope: dict[str, dict[str, Value]] = field(default_factory=dict)
    left_out: dict[str, Block] = field(default_factory=dict)


def outline(document: Document, taken: Taken) -> Outline:
    """Sorts the statements of a file; what has no place goes to the report."""
    found = Outline()
    declared = _declared(document)
    first: dict[str, Block] = {}
    for statement in document.body.statements:
        if isinstance(statement, Attribute):
            message = f'unrecognized attribute name "{statement.name}"'
            taken.say(statement.span, message, "only blocks stand outside of blocks")
            continue
        if statement.id in first:
            place = taken.source.place(first[statement.id].span.start)
            taken.say(statement.name_span, f'block "{statement.id}" already declared', f"first in {place}")
            continue
        first[statement.id] = statement
        if statement.name in declared:
            support = Support(Level.UNSUPPORTED, "custom components are not supported", "write its components out")
            _leave_out(found, statement, support)
        elif statement.name in BLOCKS:
            _block(found, statement, taken)
        elif statement.name in COMPONENTS:
            _component(found, statement, taken)
        elif statement.name == RULES_ONLY.name and _gives_only_rules(statement):
            _rules(found, statement, taken)
        elif statement.name == LOCAL_FILE.name:
            found.files.append(statement)
        else:
            _other(found, statement, taken)
    return found


def _declared(document: Document) -> set[str]:
    """Names that ``declare`` and the modules of ``import`` define."""
    blocks = [each for each in document.body.statements if isinstance(each, Block)]
    names = {each.label for each in blocks if each.name == "declare"}
    modules = tuple(f"{each.label}." for each in blocks if each.name.startswith("import."))
    return names | {each.name for each in blocks if modules and each.name.startswith(modules)}


def _leave_out(found: Outline, block: Block, support: Support, schema: BlockSchema | None = None) -> None:
    found.places.append(Place(block, schema or BlockSchema(block.name), None, support))
    if block.label:
        found.left_out[block.id] = block
        found.scope[block.id] = {export: Reference(block.id, export) for export in _EXPORTS}


def _block(found: Outline, block: Block, taken: Taken) -> None:
    schema = BLOCKS[block.name]
    if block.label:
        taken.say(block.name_span, f'block "{block.name}" takes no label', f"write {block.name} {{")
    if schema.support is not SAME:
        _leave_out(found, block, schema.support, schema)
    else:
        found.places.append(Place(block, schema, _TABLES[block.name]))


def _component(found: Outline, block: Block, taken: Taken) -> None:
    schema = COMPONENTS[block.name]
    label = _label(block, taken)
    path = (*block.name.split("."), label)
    if any(place.path == path for place in found.places):
        taken.say(block.name_span, f'two labels are "{label}" here', "labels differ in more than case and underlines")
        return
    component_id = f"{block.name}.{label}"
    found.scope[f"{block.name}.{block.label or label}"] = {
        export: Reference(component_id, export) for export in schema.exports
    }
    found.places.append(Place(block, schema.block, path))


def _gives_only_rules(block: Block) -> bool:
    """Whether a ``loki.relabel`` is used for its rules alone, which is a frequent way to write them."""
    values = [each.value for each in block.body.statements if isinstance(each, Attribute) and each.name == "forward_to"]
    return bool(values) and all(isinstance(value, Array) and not value.items for value in values)


def _rules(found: Outline, block: Block, taken: Taken) -> None:
    label = _label(block, taken)
    while any(place.path == ("discovery", "relabel", label) for place in found.places):
        label += "_loki"
    component_id = f"discovery.relabel.{label}"
    found.scope[block.id] = {"rules": Reference(component_id, "rules")}
    found.places.append(Place(block, RULES_ONLY, ("discovery", "relabel", label)))
    message = f'"{block.id}" becomes {component_id}, since only its rules are used'
    taken.say(block.name_span, message, severity=Severity.INFO)


def _label(block: Block, taken: Taken) -> str:
    """The label here: lower case, single underlines. It stays unique."""
    if not block.label:
        taken.say(block.name_span, f'component "{block.name}" must have a label', f'write {block.name} "default" {{')
        return "default"
    if _LABEL.fullmatch(block.label) and "__" not in block.label:
        return block.label
    label = re.sub("__+", "_", block.label.lower()).strip("_")
    if not _LABEL.fullmatch(label):
        taken.say(block.name_span, f'"{block.label}" is no label here', "use lower-case letters, digits and single _")
        return block.label
    message = f'the label is "{label}" here: lower case and single underlines, so that variables can name it'
    taken.say(block.name_span, message, severity=Severity.INFO)
    return label


def _other(found: Outline, block: Block, taken: Taken) -> None:
    if support := REFUSED.get(block.name) or OTHER_COMPONENTS.get(block.name):
        _leave_out(found, block, support)
        return
    known = [*COMPONENTS, *BLOCKS, *REFUSED, *OTHER_COMPONENTS, LOCAL_FILE.name]
    meant = nearest(block.name, known)
    family = block.name.partition(".")[0]
    inside = [name for name in COMPONENTS if name.startswith(f"{family}.")]
    help_ = meant or f"here are: {', '.join(inside or COMPONENTS)}"
    taken.say(block.name_span, f'there is no component "{block.name}" here', help_)
    if block.label:
        found.left_out[block.id] = block
        found.scope[block.id] = {export: Reference(block.id, export) for export in _EXPORTS}
