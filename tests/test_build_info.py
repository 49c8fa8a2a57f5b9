"""Which commit this is."""

import subprocess
from pathlib import Path

import pytest

from alloytrio import __version__
from alloytrio.build_info import COMMIT_FILE, commit, git_commit
from alloytrio.cli import main


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *names, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_wheel_names_its_commit(tmp_path: Path) -> None:
    """The file in the package counts, whatever is around it."""
    (tmp_path / COMMIT_FILE).write_text("0123456789ab\n")
    assert commit(tmp_path) == "0123456789ab"


def test_a_checkout_asks_git(tmp_path: Path) -> None:
    """In a checkout it is HEAD, marked when files differ from it."""
    package = tmp_path / "alloytrio"
    package.mkdir()
    (package / "a").write_text("1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit(package) == head[:12]
    (package / "a").write_text("2")
    assert commit(package) == f"{head[:12]}-dirty"


def test_nobody_knows(tmp_path: Path) -> None:
    """Without the file and without a checkout there is none; an empty or unreadable file is as good as none."""
    assert git_commit(tmp_path) is None
    for content in (b"", b"\xff"):
        (tmp_path / COMMIT_FILE).write_bytes(content)
        assert commit(tmp_path) is None


def test_version_says_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    """The version, the commit if it is known, and how the modules run."""
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    said = capsys.readouterr().out
    known = commit()
    assert said.startswith(f"alloytrio {__version__} (" + (f"commit {known}, " if known else ""))
    assert said.strip().endswith(("compiled modules)", "plain Python)"))
