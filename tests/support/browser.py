"""A real browser: Debian's Chromium without a window, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.absent import absent

ANSWER_WITHIN_MS = 30_000
"""How long a page or an element is waited for."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser while the block lasts."""
    program = shutil.which("chromium")
    if program is None:
        absent("Chromium is not on PATH: on Debian `apt install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(browser: Browser, *, width: int = 1280, height: int = 800, script: bool = True) -> Iterator[Page]:
    """A page of somebody whom the browser has never met."""
    context = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=script)
    context.set_default_timeout(ANSWER_WITHIN_MS)
    try:
        yield context.new_page()
    finally:
        context.close()
