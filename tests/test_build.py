"""Building the wheel: compiled where a C compiler works, plain Python where not, and the source tree stays clean."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="runs from the source tree"),
]


def build(target: Path, **environment: str) -> list[str]:
    """Build a wheel with the packages that are installed here; returns the names of the files in it."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target)]
    subprocess.run(
        [*command, "--disable-pip-version-check", str(ROOT)],
        env={**os.environ, **environment},
        check=True,
        timeout=300,
        capture_output=True,
    )
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def compiled_sources() -> list[str]:
    """The modules that pyproject.toml lists, as paths below the root."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["hooks"]["custom"]
    found = []
    for pattern in config["modules"]:
        paths = [path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)]
        assert paths, f"{pattern} matches no module"
        found += paths
    return sorted(found)


@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler")
def test_compiled_wheel(tmp_path: Path) -> None:
    """With a compiler, every listed module is in the wheel in both forms, and the source tree holds no new file."""
    before = sorted(ROOT.joinpath("alloytrio").rglob("*.so"))
    names = build(tmp_path)
    libraries = [name for name in names if name.endswith(".so")]
    for source in compiled_sources():
        assert source in names
        assert sum(library.startswith(source.removesuffix("py")) for library in libraries) == 1
    assert sorted(ROOT.joinpath("alloytrio").rglob("*.so")) == before == []

    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extractall(site)
    code = (
        "import alloytrio.wire as w; assert w.compiled(); assert w.count_spans(b'\\x0a\\x00') == 0; print(w.__file__)"
    )
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.startswith(str(site))


@pytest.mark.parametrize("compiler", ["/bin/false", "/does/not/exist"])
def test_plain_wheel(tmp_path: Path, compiler: str) -> None:
    """With a compiler that fails, or none, the wheel is a pure one."""
    names = build(tmp_path, CC=compiler)
    assert "alloytrio/wire/protobuf.py" in names
    assert not any(name.endswith(".so") for name in names)
    assert next(tmp_path.glob("*.whl")).name.endswith("py3-none-any.whl")


def test_a_wheel_that_must_be_compiled_fails_without_a_compiler(tmp_path: Path) -> None:
    """``ALLOYTRIO_COMPILE=always`` makes an error of what is a warning else: an image holds what it should."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        build(tmp_path, CC="/bin/false", ALLOYTRIO_COMPILE="always")
    assert b"ALLOYTRIO_COMPILE=always, but compiling failed" in failed.value.output + failed.value.stderr


def test_the_wheel_names_its_commit(tmp_path: Path) -> None:
    """What the builder says is in the wheel, for ``alloytrio --version``."""
    assert "alloytrio/commit.txt" in build(tmp_path, CC="/does/not/exist", ALLOYTRIO_COMMIT="0123456789ab")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        assert archive.read("alloytrio/commit.txt") == b"0123456789ab\n"


def test_source_tree_is_plain() -> None:
    """The source tree is not compiled, whatever was built from it."""
    code = "import alloytrio.wire as w; assert not w.compiled()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
