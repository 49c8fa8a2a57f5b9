"""The names of all metrics that the code can make, read from its calls; computed parts of a name become wildcards."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import alloytrio

PACKAGE = Path(alloytrio.__file__).parent
MAKERS = {"counter", "gauge", "histogram"}
ANY = "[a-z_]+"
NAME = re.compile(r"(otelcol|loki|prometheus|alloy|alloytrio)_[a-z_]+")
# prometheus_client's ProcessCollector, which telemetry/component.py registers
PROCESS = {
    "process_virtual_memory_bytes", "process_resident_memory_bytes", "process_start_time_seconds",
    "process_cpu_seconds_total", "process_open_fds", "process_max_fds",
}  # fmt: skip


@functools.cache
def patterns() -> frozenset[str]:
    """Regular expressions, one for each place that makes metrics."""
    found = set(PROCESS)
    for path in sorted(PACKAGE.rglob("*.py")):
        if "gen" in path.relative_to(PACKAGE).parts or path.name in {"metrics.py", "component.py"}:
            continue
        tree = ast.parse(path.read_text())
        constants = {**_imported(tree), **_constants(tree)}
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                found |= set(_names(function, {**constants, **_constants(function)}))
    component = ast.parse((PACKAGE / "telemetry" / "component.py").read_text())
    found |= {name for name in _texts(component, {}) if NAME.fullmatch(name)}
    return frozenset(found)


def _names(function: ast.FunctionDef | ast.AsyncFunctionDef, constants: dict[str, str]) -> Iterator[str]:
    for call in ast.walk(function):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args):
            continue
        if call.func.attr not in {*MAKERS, "gauge_function"}:
            continue
        name = _resolve(call.args[0], constants)
        if name is not None and (NAME.match(name) or name.startswith(ANY)):
            yield name
        elif isinstance(call.args[0], ast.Name):  # a loop over names that are spelt out in this function or module
            yield from (text for text in _texts(function, constants) if NAME.match(text))


def _resolve(node: ast.expr, constants: dict[str, str]) -> str | None:
    """The pattern that an expression stands for; None if it is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.Name(id=name):
            return constants.get(name)
        case ast.JoinedStr(values=parts):
            return "".join(
                (_resolve(part.value, constants) or ANY) if isinstance(part, ast.FormattedValue)
                else _resolve(part, constants) or ""
                for part in parts
            )  # fmt: skip
        case _:
            return None


def _texts(tree: ast.AST, constants: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            text = _resolve(node, constants)
            if text is not None:
                yield text


def _constants(tree: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _resolve(node.value, found)
            if text is not None:
                found[node.targets[0].id] = text
    return found


def _imported(tree: ast.Module) -> dict[str, str]:
    """Constants of modules that this one imports names from."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("alloytrio."):
            path = PACKAGE.parent.joinpath(*str(node.module).split("."))
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            constants = _constants(ast.parse(file.read_text()))
            found |= {a.asname or a.name: constants[a.name] for a in node.names if a.name in constants}
    return found
