"""A launch inside the EHR's own window: a real Chromium, a frame of another site, cookies that must keep there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page
from tocsin.network import HOST, free_ports
from tocsin.sandbox.redis import Redis
from tocsin.settings import IssuerSettings

from tests.support.browser import visitor
from tests.support.ehr import Ehr, Launch, ehr, public_client
from tests.support.serving import serve_settings, served

LAUNCHES = {"chart": Launch({"patient": "p1", "fhirContext": [{"reference": "DiagnosticReport/tocsin-1"}]})}


@pytest.fixture(scope="module")
def site(redis_server: Redis) -> Iterator[tuple[Ehr, str]]:
    """An EHR at localhost and a Tocsin at 127.0.0.1, which are two sites to a browser."""
    (port,) = free_ports(1)
    tocsin = f"http://{HOST}:{port}"
    with ehr([public_client(f"{tocsin}/callback")], LAUNCHES) as running:
        framing = IssuerSettings(client_id="tocsin", frame_origins=(running.origin,))
        with served(serve_settings(port, redis_server.url, {running.fhir: framing})):
            yield running, tocsin


def framed(page: Page, origin: str, address: str) -> Frame:
    """The frame in which a page of this origin shows the address."""
    page.goto(f"{origin}/chart?app={quote(address, safe='')}")
    frame = page.frame("app") or page.frames[-1]
    frame.wait_for_load_state()
    return frame


def test_the_launch_lasts_in_the_frame_of_the_ehr(browser: Browser, site: tuple[Ehr, str]) -> None:
    ehr_, tocsin = site
    with visitor(browser) as page:
        frame = framed(page, ehr_.origin, f"{tocsin}/launch?iss={ehr_.fhir}&launch=chart")
        frame.wait_for_url(f"{tocsin}/reports/tocsin-1")
        frame.goto(f"{tocsin}/")  # who has a session is led on to the report again
        assert frame.url == f"{tocsin}/reports/tocsin-1"
        kept = {each["name"]: each for each in page.context.cookies(tocsin)}
        assert kept["tocsin"]["httpOnly"]
        assert kept["tocsin"]["secure"]
        assert frame.evaluate("document.cookie") == ""


def test_a_page_of_another_origin_than_the_ehrs_shows_nothing_of_it(browser: Browser, site: tuple[Ehr, str]) -> None:
    ehr_, tocsin = site
    with visitor(browser) as page:
        assert "log in here to" in framed(page, ehr_.origin, f"{tocsin}/").content()
    with visitor(browser) as page:
        said: list[str] = []
        page.on("console", lambda line: said.append(line.text))
        frame = framed(page, ehr_.origin.replace("localhost", HOST), f"{tocsin}/")
        assert frame.url.startswith("chrome-error:")
        assert any("frame-ancestors" in each for each in said)


def test_a_launch_in_a_window_of_its_own_lasts_too(browser: Browser, site: tuple[Ehr, str]) -> None:
    ehr_, tocsin = site
    with visitor(browser, script=False) as page:
        page.goto(f"{tocsin}/launch?iss={ehr_.fhir}&launch=chart")
        assert page.url == f"{tocsin}/reports/tocsin-1"
        page.goto(tocsin)
        assert page.url == f"{tocsin}/reports/tocsin-1"


@pytest.mark.parametrize("path", ["/", "/ended", "/ended?by=reader", "/nowhere", "/launch?iss=https://unknown.example.org"])
def test_the_pages_around_a_launch_can_be_used_by_everybody(browser: Browser, site: tuple[Ehr, str], path: str) -> None:
    with visitor(browser, width=320) as page:
        page.goto(f"{site[1]}{path}")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
