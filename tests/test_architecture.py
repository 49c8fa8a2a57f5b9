"""The rules that hold the source tree together: imports go one way, files and functions stay readable."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import alloytrio

PACKAGE = Path(alloytrio.__file__).parent
TESTS = Path(__file__).parent
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60  # without the docstring

# Lowest first. A module may import from its own layer only if the layer says so, and from every layer below.
# The longest matching prefix counts; a module that matches none must be given a place here.
COMPONENTS = ("alloytrio.otelcol", "alloytrio.prometheus", "alloytrio.loki", "alloytrio.discovery")
LAYERS: list[tuple[str, ...]] = [
    ("alloytrio", "alloytrio.build_info", "alloytrio.sparing"),  # the version
    ("alloytrio.errors",),
    ("alloytrio.values", "alloytrio.regex_fallback", "alloytrio.urls"),
    ("alloytrio.regex",),
    ("alloytrio.wire", "alloytrio.relabel", "alloytrio.proto", "alloytrio.inflate"),
    ("alloytrio.tls", "alloytrio.auth", "alloytrio.listeners"),
    ("alloytrio.http_client", "alloytrio.http_body"),
    ("alloytrio.telemetry",),
    ("alloytrio.handshake",),
    ("alloytrio.grpc", "alloytrio.docker", "alloytrio.outbox", "alloytrio.http"),
    ("alloytrio.http_export",),
    ("alloytrio.entry", "alloytrio.targets", "alloytrio.docker_client"),
    ("alloytrio.entry_fanout", "alloytrio.entry_seen"),
    ("alloytrio.component",),
    ("alloytrio.otlp", "alloytrio.otlp_metrics", "alloytrio.samples"),
    ("alloytrio.otlp_export", "alloytrio.recorder"),
    COMPONENTS,
    ("alloytrio.config",),
    ("alloytrio.graph",),
    ("alloytrio.service",),
    ("alloytrio.admin", "alloytrio.demo"),
    ("alloytrio.run",),
    ("alloytrio.commands",),
    ("alloytrio.cli",),
    ("alloytrio.__main__",),
]


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Every module below a package folder that a person wrote, as (dotted name, file)."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root.parent)
        if "gen" in relative.parts or "__pycache__" in relative.parts:
            continue
        parts = relative.with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def layer(module: str) -> int | None:
    """The index in LAYERS of the longest prefix of a dotted name; None: it has no place yet."""
    best: tuple[int, int] | None = None
    for index, prefixes in enumerate(LAYERS):
        for prefix in prefixes:
            below = module.startswith(prefix + ".") and prefix != "alloytrio"
            if (module == prefix or below) and (best is None or len(prefix) > best[0]):
                best = (len(prefix), index)
    return None if best is None else best[1]


def imports(module: str, path: Path) -> Iterator[tuple[int, str]]:
    """What a file imports from this project, wherever in the file: (line, dotted name)."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "alloytrio")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                ancestors = package.split(".")
                base = ".".join(ancestors[: len(ancestors) - node.level + 1] + ([base] if base else []))
            if base.split(".")[0] == "alloytrio":
                for alias in node.names:
                    full = f"{base}.{alias.name}"
                    yield node.lineno, full if is_module(full) else base


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or package of this project."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def is_component_file(module: str) -> bool:
    """Whether a module is where a component type lives: ``otelcol.receiver.otlp``, ``loki.process``."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return LAYERS[layer(module) or 0] is COMPONENTS and "component_type: ClassVar[str] = " in file.read_text()


def test_imports_go_one_way() -> None:
    """A module imports only from layers below its own, or from its own layer's same package."""
    wrong = []
    for module, path in modules(PACKAGE):
        own = layer(module)
        assert own is not None, f"{module} has no place in LAYERS: say where it belongs"
        for line, target in imports(module, path):
            other = layer(target)
            if other is None or other > own or (other == own and target.split(".")[1] != module.split(".")[1]):
                wrong.append(f"{path.relative_to(PACKAGE.parent)}:{line}: {module} imports {target}")
    assert wrong == []


def test_no_component_imports_another() -> None:
    """What two components need moves down a layer, never sideways."""
    components = {module for module, _ in modules(PACKAGE) if is_component_file(module)}
    wrong = []
    for module, path in modules(PACKAGE):
        owner = next((c for c in components if module == c or module.startswith(c + ".")), None)
        if owner is None:
            continue
        for line, target in imports(module, path):
            other = next((c for c in components if target == c or target.startswith(c + ".")), None)
            if other is not None and other != owner:
                wrong.append(f"{path.relative_to(PACKAGE.parent)}:{line}: {module} imports {target}")
    assert wrong == []


def sources() -> list[Path]:
    """Every Python file that a person wrote."""
    return [path for root in (PACKAGE, TESTS) for _, path in modules(root)]


def test_files_are_short() -> None:
    """No file is longer than what a reader keeps in mind."""
    lengths = {str(path): len(path.read_text().splitlines()) for path in sources()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its ``def`` to its end, without its docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function that a person wrote, nested ones too."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield path, node


def test_functions_are_short() -> None:
    """No function is longer than a screen."""
    lengths = {f"{path}:{function.lineno} {function.name}": function_lines(function) for path, function in functions()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("module", [module for module, _ in modules(PACKAGE)])
def test_every_module_says_what_it_is(module: str) -> None:
    """Each module begins with a docstring."""
    path = dict(modules(PACKAGE))[module]
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{path} has no docstring"


def test_every_test_says_what_must_hold() -> None:
    """Each test function has a docstring."""
    tests = ((path, function) for path, function in functions() if function.name.startswith("test_"))
    assert [f"{path}:{test.lineno} {test.name}" for path, test in tests if not ast.get_docstring(test)] == []
