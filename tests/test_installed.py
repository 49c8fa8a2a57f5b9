"""What is under test is what the run says it is: the source tree plain, an installed wheel compiled."""

import shutil
import sysconfig
from pathlib import Path

import alloytrio
from alloytrio import wire

SOURCE = Path(__file__).resolve().parents[1]
PACKAGE = Path(alloytrio.__file__).resolve().parent


def test_an_installed_wheel_is_compiled_and_the_source_tree_is_not() -> None:
    """Where a C compiler is, the wheel's modules are compiled ones; the source tree's never are."""
    installed = PACKAGE.parent != SOURCE
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    assert wire.compiled() is (installed and shutil.which(compiler) is not None)


def test_the_source_tree_holds_no_compiled_module() -> None:
    """A stale compiled module would hide the source beside it."""
    assert list((SOURCE / "alloytrio").rglob("*.so")) == []
