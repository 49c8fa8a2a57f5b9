"""What the Dockerfile makes. Run by scripts/check-image alone: it needs a Debian root file system to build on."""

import re

from tests.integration.dockerd import needs_dockerd
from tests.integration.image import COMMIT, PYTHON_IMAGE, Image

MAX_ADDED_BYTES = 60_000_000
pytestmark = needs_dockerd


def test_it_is_compiled_and_says_so(image: Image) -> None:
    """``alloytrio --version`` names the version, the commit and the compiled modules."""
    said = image.dockerd.docker("run", "--rm", "--network=none", "--read-only", image.tag, "--version")
    assert re.fullmatch(rf"alloytrio \d+\.\d+\.\d+ \(commit {COMMIT}, compiled modules\)", said)


def test_it_adds_little(image: Image) -> None:
    """What comes on top of the Python image is below 60 MB."""
    sizes = [int(image.dockerd.docker("inspect", "--format={{.Size}}", tag)) for tag in (image.tag, PYTHON_IMAGE)]
    added = sizes[0] - sizes[1]
    print(f"the Dockerfile adds {added / 1e6:.1f} MB to the Python image")
    assert added < MAX_ADDED_BYTES


def test_it_checks_its_health(image: Image) -> None:
    """Docker itself asks ``alloytrio healthcheck``."""
    check = image.dockerd.docker("inspect", "--format={{json .Config.Healthcheck.Test}}", image.tag)
    assert check == '["CMD","alloytrio","healthcheck"]'
