"""How long does a clinician wait for the review page?

A real FHIR server (HAPI) that validates, one report with its picture and two earlier ones, Tocsin's page in this process, and Chromium.
Says for each visit, in ms: until the page's HTML is answered, and until the browser's first contentful paint. Prints figures and asserts
none: they change with what else the machine does.

    python -m tests.benchmarks.page [visits]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser
from tocsin.sandbox import fhir
from tocsin.sandbox.demo.lesions import lesion

from tests.benchmarks.processes import this_machine
from tests.fakes.page import clinic, media_of
from tests.support.browser import chromium, visitor
from tests.support.page_on_fhir import page_on
from tests.support.served import served
from tests.support.stack import cached_jars

_PAINT = """() => [
  performance.getEntriesByType("navigation")[0].responseEnd,
  performance.getEntriesByName("first-contentful-paint")[0].startTime,
]"""


def main(visits: int) -> None:
    """Print a line for each visit, and the medians of all but the first."""
    made = clinic(lesion(3))
    made.record.keep(media_of("m0", lesion(4), day="2025-06-11"), media_of("mx", lesion(5), lesion=None, day="2024"))
    with tempfile.TemporaryDirectory() as folder:
        server = fhir.start(cached_jars("fhir"), Path(folder))
        try:
            app = page_on(server.base_url, made)
            with served(app) as origin, chromium() as browser:
                found = [_visit(browser, origin + made.path) for _ in range(visits)]
        finally:
            server.stop()
    print(this_machine())
    for answered, painted in found:
        print(f"answered {answered:7.1f} ms   first paint {painted:7.1f} ms")
    later = found[1:] or found
    print(f"median of {len(later)}: answered {median(a for a, _ in later):.1f} ms, first paint {median(p for _, p in later):.1f} ms")


def _visit(browser: Browser, address: str) -> tuple[float, float]:
    with visitor(browser) as page:
        page.goto(address)
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        answered, painted = page.evaluate(_PAINT)
        return float(answered), float(painted)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
