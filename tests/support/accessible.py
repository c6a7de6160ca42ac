"""Asks axe-core what it finds on a page, by the rules of WCAG 2.2 A and AA."""

from __future__ import annotations

from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What is wrong: a rule, its page element and axe's sentence each."""
    found: dict[str, Any] = Axe().run(page, options={"runOnly": RULES}).response
    return [
        f"{each['id']}: {' '.join(node['target'][0].split())}: {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
