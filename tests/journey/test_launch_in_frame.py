"""A launch inside the EHR's own window: a real Chromium, a frame of another site, cookies that must keep there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page
from tocsin.network import HOST, free_ports
from tocsin.sandbox.redis import Redis
from tocsin.serve.headers import ENDED_LATER_S
from tocsin.settings import IssuerSettings

from tests.support.browser import visitor
from tests.support.ehr import Ehr, Launch, ehr, public_client
from tests.support.serving import serve_settings, served
from tests.support.tls import Authority, tls_front

LAUNCHES = {"chart": Launch({"patient": "p1", "fhirContext": [{"reference": "DiagnosticReport/tocsin-1"}]})}

IDLE_S = 2


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


def test_over_tls_the_cookie_belongs_to_this_host_alone_and_a_log_off_empties_every_window(
    browser: Browser, redis_server: Redis, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    with tls_front(Authority(tmp_path / "ca").issue(), port, protocols=["http/1.1"]) as front:
        tocsin = f"https://{HOST}:{front.port}"
        with ehr([public_client(f"{tocsin}/callback")], LAUNCHES) as running:
            known = {running.fhir: IssuerSettings(client_id="tocsin")}
            with served(serve_settings(port, redis_server.url, known, public_url=tocsin)):
                window = browser.new_context(ignore_https_errors=True)  # nobody vouches for the authority of a test
                try:
                    first, second = window.new_page(), window.new_page()
                    first.goto(f"{tocsin}/launch?iss={running.fhir}&launch=chart")
                    assert first.url == f"{tocsin}/reports/tocsin-1"
                    (kept,) = [each for each in window.cookies(tocsin) if each["name"] == "__Host-tocsin"]
                    assert (kept["secure"], kept["httpOnly"], kept["path"], kept["domain"]) == (True, True, "/", HOST)
                    second.goto(f"{tocsin}/reports/tocsin-1")
                    second.get_by_role("button", name="Log off").press("Enter")
                    for page in (second, first):
                        page.wait_for_url("**/ended?by=reader**")
                        assert "You are logged off" in page.locator("main").inner_text()
                    assert [each["name"] for each in window.cookies(tocsin) if each["name"] == "__Host-tocsin"] == []
                    first.go_back()
                    assert "Log off" not in first.content(), "what was shown is not shown again"
                finally:
                    window.close()


def test_a_window_that_nobody_used_is_emptied_while_another_is_read_on(browser: Browser, redis_server: Redis, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    tocsin = f"http://{HOST}:{port}"
    with ehr([public_client(f"{tocsin}/callback")], LAUNCHES) as running:
        known = {running.fhir: IssuerSettings(client_id="tocsin")}
        with served(serve_settings(port, redis_server.url, known, session_idle_s=IDLE_S)), visitor(browser) as left:
            left.goto(f"{tocsin}/launch?iss={running.fhir}&launch=chart")
            report, read_on = left.url, left.context.new_page()
            for _ in range(IDLE_S + ENDED_LATER_S):
                read_on.goto(report)
                read_on.wait_for_timeout(1000)
            left.wait_for_url(f"{tocsin}/ended")
            read_on.goto(report)
            assert read_on.url == report, "a window that was closed for idleness took another reader's session"
            read_on.wait_for_url(f"{tocsin}/ended", timeout=(IDLE_S + 2 * ENDED_LATER_S) * 1000)
            assert "since nobody used it" in read_on.locator("main").inner_text()
            read_on.goto(report)
            assert "Log in" in read_on.locator("main").inner_text()
            assert read_on.get_by_role("button", name="Log off").count() == 0


@pytest.mark.parametrize("path", ["/", "/ended", "/ended?by=reader", "/nowhere", "/launch?iss=https://unknown.example.org"])
def test_the_pages_around_a_launch_can_be_used_by_everybody(browser: Browser, site: tuple[Ehr, str], path: str) -> None:
    with visitor(browser, width=320) as page:
        page.goto(f"{site[1]}{path}")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
