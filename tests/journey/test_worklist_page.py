"""The worklist in a real browser: by keyboard alone, without script, in both schemes, in German, on a phone, and accessible."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tocsin.review.types import Act
from tocsin.serve.types import Role
from waitress.server import create_server

from tests.fakes.sessions import a_session
from tests.support.browser import visitor
from tests.support.flags import HOUR, NOW, flag, standing, verdict
from tests.support.worklists import Ward, ward

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
NAMES = ("Brown, Ann", "Okonkwo, Chidi", "Nguyễn, Thị Minh Khai", "Müller-Lüdenscheidt, Karl-Heinz", "Smith, Eve", "Rossi, Giulia")


@contextmanager
def served(of: Ward) -> Iterator[str]:
    """The ward's pages on a free port, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = create_server(of.app, sockets=[listener], threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close()
        thread.join(5)


@pytest.fixture(scope="module")
def clinic() -> Iterator[tuple[Ward, str]]:
    with ward(a_session(roles=frozenset({Role.LEAD})), page_rows=12) as made:
        for number in range(1, 31):
            band = ("high", "raised", None, "below-threshold")[number % 4]
            made.admit(
                number, band, name=NAMES[number % 6], at=NOW - number * number * HOUR / 3, source=f"urn:tocsin:site:{'ns'[number % 2]}"
            )
        for number, act in ((4, Act.ACCEPT), (5, Act.CORRECT), (6, Act.WITHDRAW)):
            made.worklist.verdict(verdict(number, act, id=number))
            made.worklist.standing(standing(number, verdict=number))
        with served(made) as origin:
            yield made, origin


@pytest.fixture
def english(clinic: tuple[Ward, str]) -> Iterator[tuple[Ward, str]]:
    """The ward as each test finds it."""
    made, _ = clinic
    before = (made.sessions.session, made.being.behind_s, made.record.status)
    yield clinic
    made.sessions.session, made.being.behind_s, made.record.status = before


def keep(page: Page, name: str) -> None:
    """A picture of the page for a person to look at, where TOCSIN_TEST_SCREENSHOTS names a folder."""
    folder = os.environ.get("TOCSIN_TEST_SCREENSHOTS")
    if folder:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(folder) / f"worklist-{name}.png", full_page=True)


def is_accessible(page: Page) -> None:
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    assert found.violations_count == 0, found.generate_report()


STATES = ("full", "filtered", "empty", "stale", "away", "answered", "numbers", "german", "dark", "narrow")


@pytest.mark.parametrize("state", STATES)
def test_each_state_of_the_page_is_accessible(english: tuple[Ward, str], browser: Browser, state: str) -> None:
    made, origin = english
    paths = {
        "filtered": "/worklist?band=raised&age=1d",
        "empty": "/worklist?site=urn:tocsin:site:nowhere",
        "answered": "/worklist?show=read",
        "numbers": "/worklist/numbers",
    }
    session = made.sessions.session
    assert session is not None
    match state:
        case "stale":
            made.being.behind_s = 500.0
        case "away":
            made.record.status = 503
        case "german":
            made.sessions.session = replace(session, language="de")
    with visitor(browser, width=320 if state == "narrow" else 1280) as page:
        if state == "dark":
            page.emulate_media(color_scheme="dark")
        page.goto(origin + paths.get(state, "/worklist"))
        keep(page, state)
        is_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "nothing scrolls sideways"


def test_the_keyboard_alone_moves_through_rows_filters_and_opens_a_report(english: tuple[Ward, str], browser: Browser) -> None:
    _, origin = english
    with visitor(browser) as page:
        page.goto(origin + "/worklist")
        first = page.locator(".who a").first
        first.focus()
        focused = "document.activeElement.getAttribute('href')"
        there = page.evaluate("Array.from(document.querySelectorAll('.who a')).map(a => a.getAttribute('href'))")
        page.keyboard.press("ArrowDown")
        assert page.evaluate(focused) == there[1]
        page.keyboard.press("End")
        assert page.evaluate(focused) == there[-1]
        page.keyboard.press("ArrowUp")
        assert page.evaluate(focused) == there[-2]
        page.keyboard.press("Home")
        assert page.evaluate(focused) == there[0]
        page.keyboard.press("Enter")
        page.wait_for_url("**" + there[0])


@pytest.mark.parametrize("script", [True, False])
def test_filters_work_by_keyboard_with_and_without_script(english: tuple[Ward, str], browser: Browser, script: bool) -> None:
    _, origin = english
    with visitor(browser, script=script) as page:
        page.goto(origin + "/worklist")
        page.get_by_label("Result").select_option("high")
        page.get_by_role("button", name="Show the list").press("Enter")
        page.wait_for_url("**band=high**")
        bands = page.locator(".band").all_inner_texts()
        assert bands
        assert all("High" in each for each in bands)


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script_of_its_own_text(english: tuple[Ward, str], browser: Browser) -> None:
    _, origin = english
    with visitor(browser) as page:
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(origin + "/worklist", wait_until="networkidle")
        assert [url for url in asked if not url.startswith(origin + "/")] == []
        assert said == [], "no rule of the page's own policy is broken"
        assert page.locator(".row img").first.evaluate("image => image.naturalWidth") == 144


def test_ten_thousand_rows_are_shown_without_a_wait(browser: Browser) -> None:
    with ward(page_rows=40) as made, served(made) as origin, visitor(browser) as page:
        for number in range(10_000):
            made.worklist.flag(flag(number, "high", at=NOW - number * HOUR))
        for number in range(50):
            made.admit(number, at=NOW - number * HOUR)
        page.goto(origin + "/worklist", wait_until="domcontentloaded")
        page.goto(origin + "/worklist", wait_until="domcontentloaded")
        timing = page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")
        assert page.locator(".row").count() == 40
        assert timing < 1000, "milliseconds; far less where nothing else runs"
