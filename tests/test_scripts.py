"""The shell functions that set a machine up: use what is there, say what is installed, never start a service."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("bash", "cat", "chmod", "mktemp", "rm", "tail", "cksum", "dirname")


class Machine:
    """A PATH of its own, with stand-ins that write down how they were called.

    Args:
        folder: where the stand-ins live.
    """

    def __init__(self, folder: Path) -> None:
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.calls = folder / "calls"
        for tool in TOOLS:
            real = next(Path(place, tool) for place in ("/bin", "/usr/bin") if Path(place, tool).exists())
            (self._bin / tool).symlink_to(real)
        self.be("root")

    def be(self, user: str) -> None:
        """Become root or an ordinary user, as ``id -u`` tells it."""
        self.provide("id", f"echo {0 if user == 'root' else 1000}")

    def provide(self, command: str, script: str = ":") -> None:
        """Put a stand-in on the PATH."""
        path = self._bin / command
        path.write_text(f'#!/bin/bash\necho "{command} $*" >>"{self.calls}"\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell after the functions were read."""
        # The stand-ins come first and nothing else: need() adds the usual places itself, so give it an empty one.
        return subprocess.run(
            [str(self._bin / "bash"), "-c", f'set -eu; source "{ROOT}/scripts/prepare.bash"; {line}'],
            env={"PATH": str(self._bin), "SYSTEM_FOLDERS": str(self._bin)},
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self, command: str) -> list[str]:
        """The argument lines with which a stand-in was called."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line.removeprefix(command + " ") for line in lines if line.startswith(command + " ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a shell and apt-get."""
    made = Machine(tmp_path)
    made.provide("apt-get")
    return made


def test_what_is_there_is_used(machine: Machine) -> None:
    """A dockerd of whatever origin is used; nothing is installed over it."""
    machine.provide("dockerd")
    done = machine.run('need "dockerd" docker.io "tests with a real dockerd"')
    assert done.returncode == 0
    assert machine.called("apt-get") == []
    assert done.stderr == ""


def test_what_is_missing_is_installed_and_said(machine: Machine) -> None:
    """As root a missing package is installed by name, without recommended ones, and the user reads which."""
    done = machine.run('need "chromium" "chromium chromium-driver" "tests in a browser"')
    assert done.returncode == 0
    update, install = machine.called("apt-get")
    assert "update" in update
    assert install.endswith("install -y --no-install-recommends chromium chromium-driver")
    assert "installing Debian packages: chromium chromium-driver" in done.stderr


def test_no_service_is_started_by_an_installation(machine: Machine, tmp_path: Path) -> None:
    """While apt-get runs a policy forbids starting services; afterwards it is gone again."""
    policy = tmp_path / "policy-rc.d"
    machine.provide("apt-get", f'"{policy}"; echo "policy says $?" >>"{machine.calls}"')
    done = machine.run(f'POLICY="{policy}" need "prometheus" prometheus "tests with a real Prometheus"')
    assert done.returncode == 0
    assert machine.called("policy says") == ["101", "101"]
    assert not policy.exists()


def test_a_policy_of_the_machine_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    """A policy that was there before stays as it was."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    machine.run(f'POLICY="{policy}" need "prometheus" prometheus "tests"')
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_without_root_it_says_what_is_left_out(machine: Machine) -> None:
    """An ordinary user reads which tests are left out and why; the run goes on."""
    machine.be("reader")
    done = machine.run('need "dockerd" docker.io "tests with a real dockerd"; echo went on')
    assert machine.called("apt-get") == []
    assert "not root, so not installed: docker.io" in done.stderr
    assert "left out: tests with a real dockerd (needs one of: dockerd)" in done.stderr
    assert done.stdout == "went on\n"


def test_a_failed_installation_is_told_and_survived(machine: Machine, tmp_path: Path) -> None:
    """When a package cannot be had, apt-get's last words are shown, the policy is removed, and the run goes on."""
    machine.provide("apt-get", 'echo "E: no such package"; exit 100')
    policy = tmp_path / "policy-rc.d"
    done = machine.run(f'POLICY="{policy}" need "dockerd" docker.io "tests with a real dockerd"; echo went on')
    assert "E: no such package" in done.stderr
    assert "left out: tests with a real dockerd" in done.stderr
    assert done.stdout == "went on\n"
    assert not policy.exists()


@pytest.mark.parametrize(("minor", "found"), [(10, False), (11, True), (14, True)])
def test_only_a_recent_python_will_do(machine: Machine, minor: int, found: bool) -> None:
    """Python older than 3.11 is passed over."""
    machine.provide("python3", f"exit {int(minor < 11)}")  # stands for the version check that it is asked to run
    assert (machine.run("find_python").returncode == 0) is found


def test_scripts_are_executable_and_parse() -> None:
    """Each script can be run by its name and is valid shell."""
    for path in [ROOT / ".ci" / "run", *(ROOT / "scripts").iterdir()]:
        if path.is_file() and path.read_text().startswith("#!"):
            assert os.access(path, os.X_OK), path
        if path.is_file() and path.suffix != ".py":
            assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0, path
