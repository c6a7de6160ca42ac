"""The go-live report in a real browser: accessible in both schemes, without script, on a phone and on paper; nothing is fetched."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader
from tocsin.image.printed import for_print
from tocsin.paper.go_live import Missed, written

from tests.support.accessible import violations
from tests.support.browser import visitor
from tests.support.evaluations import evaluations
from tests.support.pictures import encoded, textured


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photograph = for_print(encoded(textured()), side_px_max=320, pixels_max=1_000_000, reference="a")
    missed = [Missed("folder/one.jpg", 0.0123, photograph)]
    return written(evaluations()["whole"], tmp_path_factory.mktemp("report"), "en", missed=missed).html


def test_it_is_accessible_needs_no_script_and_fetches_nothing(browser: Browser, page_file: Path) -> None:
    asked: list[str] = []
    with visitor(browser, script=False) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri())
        assert page.locator("svg[role=img]").count() == 5
        assert page.locator(".pictures img").evaluate_all("all => all.every(each => each.naturalWidth > 0)")
    assert [each for each in asked if not each.startswith("data:")] == [page_file.as_uri()]
    with visitor(browser) as page:
        page.goto(page_file.as_uri())
        assert violations(page) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page) == []


def test_a_phone_scrolls_tables_and_no_page(browser: Browser, page_file: Path) -> None:
    with visitor(browser, width=360) as page:
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_answer_is_the_first_printed_page(browser: Browser, page_file: Path) -> None:
    with visitor(browser) as page:
        page.goto(page_file.as_uri())
        printed = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True)))
    first = " ".join(printed.pages[0].extract_text().split())
    assert "What could not be shown yet" in first
    assert "At the operating point" not in first
    assert "Flags per 100 pictures" in first


def test_no_word_of_a_plot_is_cut_off_in_the_language_with_the_longest(browser: Browser, tmp_path: Path) -> None:
    """In whatever letters this browser has: the page names its own, and asks no other place for them."""
    page_file = written(evaluations()["whole"], tmp_path, "de").html
    with visitor(browser) as page:
        page.goto(page_file.as_uri())
        assert page.locator("html").get_attribute("lang") == "de"
        cut = page.evaluate(
            "[...document.querySelectorAll('svg.plot text')].filter(each => { const box = each.getBBox();"
            " return box.x < 0 || box.x + box.width > 640 }).map(each => each.textContent)"
        )
    assert cut == []
