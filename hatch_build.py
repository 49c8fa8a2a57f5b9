"""Build hook: compiles the hot modules with mypyc when a C compiler is there, and goes on without it on any failure.

The wheel then holds compiled modules beside their sources, or only the sources; both behave alike. The compiler works
on a copy in a temporary folder, so the source tree never holds a compiled module and no stale one gets into a wheel.
The list of modules is in pyproject.toml, ``tool.hatch.build.hooks.custom``. The wheel also gets a file that names the
commit: ``ALLOYTRIO_COMMIT``, or what git says of the checkout. With ``ALLOYTRIO_COMPILE=always`` a wheel that could not
be compiled is an error: what an image is made of must be known.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILE_TIMEOUT = 600  # seconds; a slow single-core machine takes a tenth of it
SETUP = """\
from setuptools import setup
from mypyc.build import mypycify

setup(name="alloytrio", packages=[], ext_modules=mypycify(
    {modules!r} + ["--ignore-missing-imports", "--follow-imports=silent"],
    group_name="alloytrio", opt_level="3", debug_level="0",
))
"""


def find_compiler() -> str | None:
    """The C compiler that setuptools would call, if it exists; ``CC`` overrides it."""
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return shutil.which(shlex.split(command)[0])


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before and after it builds a wheel."""

    _work: "tempfile.TemporaryDirectory[str] | None" = None

    def dependencies(self) -> list[str]:
        """What the build environment must hold: the compiler's packages only where they are of use."""
        return list(self.config["dependencies"]) if find_compiler() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add what came out to the wheel; editable installs stay plain."""
        if self.target_name != "wheel" or version == "editable":
            return
        self._work = tempfile.TemporaryDirectory(prefix="alloytrio-build-")
        self._name_commit(Path(self._work.name), build_data)
        if find_compiler() is None:
            self._stay_plain("no C compiler found")
            return
        try:
            libraries = self._compile(Path(self._work.name))
        except (OSError, subprocess.SubprocessError) as problem:
            output = getattr(problem, "output", None) or ""
            self._stay_plain(f"compiling failed: {problem}\n{output}")
            return
        for library in libraries:
            build_data["force_include"][str(library)] = str(library.relative_to(self._work.name))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        if self._work is not None:
            self._work.cleanup()

    def _name_commit(self, work: Path, build_data: dict[str, Any]) -> None:
        """Add the file that names the commit, if it is known."""
        # The package itself, without installing it: build_info imports only the standard library.
        spec = importlib.util.spec_from_file_location("build_info", Path(self.root) / "alloytrio" / "build_info.py")
        assert spec is not None
        assert spec.loader is not None
        build_info = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(build_info)
        commit = os.environ.get("ALLOYTRIO_COMMIT") or build_info.git_commit(Path(self.root))
        if commit:
            file = work / build_info.COMMIT_FILE
            file.write_text(f"{commit}\n")
            build_data["force_include"][str(file)] = f"alloytrio/{build_info.COMMIT_FILE}"

    def _stay_plain(self, reason: str) -> None:
        """Go on with a wheel of plain Python, unless that was forbidden.

        Raises:
            RuntimeError: it was.
        """
        if os.environ.get("ALLOYTRIO_COMPILE") == "always":
            raise RuntimeError(f"alloytrio: ALLOYTRIO_COMPILE=always, but {reason}")
        self.app.display_warning(f"alloytrio: the wheel is plain Python: {reason}")

    def _compile(self, work: Path) -> list[Path]:
        """Compile a copy of the sources below ``work``.

        Returns:
            The compiled modules, placed below ``work`` as they belong below site-packages.

        Raises:
            SubprocessError: mypyc or the C compiler failed; holds what they printed.
        """
        root = Path(self.root)
        shutil.copytree(root / "alloytrio", work / "alloytrio", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        modules = sorted(
            path.relative_to(work).as_posix() for pattern in self.config["modules"] for path in work.glob(pattern)
        )
        (work / "setup.py").write_text(SETUP.format(modules=modules))
        subprocess.run(
            [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
            cwd=work,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMPILE_TIMEOUT,
        )
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        libraries = [*work.glob(f"*{suffix}"), *(work / "alloytrio").rglob(f"*{suffix}")]
        if len(libraries) != len(modules) + 1:
            raise FileNotFoundError(f"{len(modules)} modules compiled to {len(libraries)} files")
        return libraries
