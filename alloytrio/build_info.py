"""Which commit this is, if that is known: a wheel holds it in a file, a checkout asks git."""

import subprocess
from pathlib import Path

COMMIT_FILE = "commit.txt"  # written into the wheel by hatch_build.py
GIT_TIMEOUT = 5.0  # seconds
PACKAGE = Path(__file__).parent


def commit(package: Path = PACKAGE) -> str | None:
    """The commit's abbreviated hash, with ``-dirty`` behind it if files had changed; None if nobody knows.

    Args:
        package: the folder that holds the package's modules.
    """
    try:
        return (package / COMMIT_FILE).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return git_commit(package.parent)


def git_commit(checkout: Path) -> str | None:
    """What git says of a checkout; None without git, or where the folder is no checkout's root."""
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
