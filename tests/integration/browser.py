"""Debian's Chromium, driven by Playwright, and axe-core, which npm fetches into ``build/peers``.

The browser downloads nothing and talks to the loopback alone.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, sync_playwright

from tests.integration.test_other_sdks import BUILD, PEERS, build

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
PATIENCE_MS = 30_000.0  # for anything that the page shows; usual is a second
PHONE, DESK = (390, 844), (1440, 900)
LIGHT, DARK = "light", "dark"

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="needs npm")


@dataclass
class Complaints:
    """What a browser said that it should not have said: errors of scripts, refused or failed loads, dialogs."""

    said: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Note what this page says from now on."""
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("console", self._hear)
        page.on("dialog", self._dismiss)

    def _hear(self, line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            self.said.append(line.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser without windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, base: str, *, size: tuple[int, int] = DESK, scheme: str = LIGHT, zone: str = "Asia/Kolkata"
) -> Iterator[Page]:
    """A fresh profile with one page, whose addresses begin with ``base``."""
    context: BrowserContext = browser.new_context(
        base_url=base,
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of two words
        timezone_id=zone,
        locale="en-GB",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def axe_source() -> str:
    """The text of axe-core's script."""
    folder = BUILD / "axe"
    shutil.copytree(PEERS / "axe", folder, dirs_exist_ok=True)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        build(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    return script.read_text()
