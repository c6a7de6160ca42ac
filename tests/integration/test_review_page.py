"""The review page in a real browser: every state accessible, by keyboard alone, at 400 %, in both schemes, and without its script.

`TOCSIN_TEST_SCREENSHOTS` names a folder for pictures of every state, for a person to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader
from tocsin.review.types import Act, State
from tocsin.sandbox.demo.lesions import lesion
from tocsin.serve.types import Role

from tests.fakes.page import COLLEAGUE, NAME, Clinic, clinic, media_of, not_assessable, put_away, reader, reference_card, verdict_on
from tests.support.accessible import violations
from tests.support.pictures import encoded, textured
from tests.support.served import served
from tests.support.site_files import at_site

PICTURE: Final = lesion(3)
EARLIER: Final = lesion(4)
SITE: Final = lesion(5)
BENIGN: Final = {"akiec": 0.001, "bcc": 0.001, "bkl": 0.1, "df": 0.01, "mel": 0.002, "nv": 0.87, "vasc": 0.016}
HIGH: Final = {"akiec": 0.05, "bcc": 0.02, "bkl": 0.1, "df": 0.01, "mel": 0.7, "nv": 0.1, "vasc": 0.02}


@dataclass(frozen=True)
class Shown:
    """One state of the page."""

    made: Callable[[], Clinic]
    says: str
    """A sentence that is on it."""
    path: str = ""
    """Behind the report's own path; with a slash in front, instead of it."""
    context: dict[str, Any] = field(default_factory=dict)
    """How the browser differs."""


def with_earlier(**more: Any) -> Clinic:
    """A flag with an earlier picture of the lesion, and one of the same body site."""
    made = clinic(PICTURE, **more)
    made.record.keep(media_of("m0", EARLIER, day="2025-06-11"), media_of("mx", SITE, lesion=None, day="2024"))
    return made


def acted(*acts: tuple[Act, str, str | None], state: State = State.RECORDED, scores: dict[str, float] | None = None) -> Clinic:
    """A flag on which these acts were done: what, by whom, and why."""
    made = clinic(PICTURE, scores=scores)
    made.desk.state = state
    for act, who, code in acts:
        made.desk.submit(verdict_on(made, act, who, code))
    return made


def overtaken() -> Clinic:
    """A flag on which a colleague acted while this reader decided."""
    made = clinic(PICTURE)
    late = verdict_on(made, Act.ACCEPT, reader().clinician, None, "9d2c9c1e-4a50-4c3f-9a83-0d5a0f4a4f00")
    made.desk.submit(verdict_on(made, Act.OVERRIDE, COLLEAGUE, "clinically-benign"))
    made.desk.submit(late)
    return made


def for_reader(made: Clinic, **changes: Any) -> Clinic:
    """The same for another reader."""
    made.sessions.now = reader(**changes)
    return made


def refused() -> Clinic:
    """A report that the reader may not read."""
    made = clinic(PICTURE)
    made.record.refused[f"DiagnosticReport/{made.report['id']}"] = 403
    return made


READER: Final = reader().clinician
REFUSED_FORM: Final = "status of 422"
"""What the browser says of a form that was sent back to be filled in again."""
DARK: Final = {"color_scheme": "dark"}
SMALL: Final = {"viewport": {"width": 320, "height": 256}}
PHONE: Final[dict[str, Any]] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
STATES: Final = {
    "raised": Shown(with_earlier, "Look at this lesion: malignancy is possible."),
    "compared": Shown(with_earlier, "Zoom and move both together", "?with=m0"),
    "below-threshold": Shown(lambda: clinic(PICTURE, scores=BENIGN), "This is no all-clear"),
    "high-calibrated": Shown(lambda: clinic(PICTURE, scores=HIGH, card=at_site(reference_card())), "about 32 were cancer"),
    "not-assessable": Shown(lambda: clinic(PICTURE, not_assessable()), "Not assessable by AI"),
    "final": Shown(lambda: acted((Act.ACCEPT, READER, None)), "Take back my verdict"),
    "amended": Shown(lambda: acted((Act.ACCEPT, READER, None), (Act.CORRECT, COLLEAGUE, "mel")), "Named another class: Melanoma"),
    "in-error": Shown(lambda: acted((Act.WITHDRAW, READER, "wrong-patient")), "This result does not count"),
    "waiting": Shown(lambda: acted((Act.ACCEPT, READER, None), state=State.WAITING), "not yet in the record"),
    "overtaken": Shown(overtaken, "had changed since you opened it", "?verdict=9d2c9c1e-4a50-4c3f-9a83-0d5a0f4a4f00"),
    "card-put-away": Shown(lambda: put_away(PICTURE), "Record my verdict: Disagree, Looks benign on examination"),
    "card-put-away-german": Shown(lambda: for_reader(put_away(PICTURE), language="de"), "Mein Urteil eintragen: ", "", SMALL),
    "first-look": Shown(lambda: clinic(PICTURE, blind=frozenset({Role.READER})), "What do you see?"),
    "not-there": Shown(refused, "There is no such report here"),
    "list": Shown(with_earlier, "AI results of this patient", "/reports"),
    "phone": Shown(with_earlier, "Your verdict", "", PHONE),
    "phone-list": Shown(with_earlier, "AI results of this patient", "/reports", PHONE),
    "german": Shown(lambda: for_reader(with_earlier(), language="de"), "Ihr Urteil", "?with=m0"),
    "dark": Shown(with_earlier, "Your verdict", "?with=m0", DARK),
    "dark-high": Shown(lambda: acted((Act.ACCEPT, READER, None), state=State.REFUSED, scores=HIGH), "refuses it", "", DARK),
    "zoomed-400": Shown(with_earlier, "Your verdict", "?with=m0", SMALL),
    "without-script": Shown(with_earlier, "Open this picture alone", "?with=m0", {"java_script_enabled": False}),
    "reduced-motion": Shown(with_earlier, "Your verdict", "", {"reduced_motion": "reduce", "forced_colors": "active"}),
}


@contextmanager
def opened(browser: Browser, made: Clinic, path: str = "", **context: Any) -> Iterator[Page]:
    """The page of the clinic's report in a browser of its own; whatever the browser complains of fails the test."""
    told: list[str] = []
    with served(made.app()) as origin:
        window = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context)
        try:
            page = window.new_page()
            page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: told.append(str(error)))
            answer = page.goto(origin + (path if path.startswith("/") else made.path + path))
            yield page
            assert answer is not None
            assert [each for each in told if answer.status < 400 and REFUSED_FORM not in each] == []
        finally:
            window.close()


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_accessible(browser: Browser, name: str) -> None:
    state = STATES[name]
    with opened(browser, state.made(), state.path, **state.context) as page:
        expect(page.get_by_text(state.says).first).to_be_attached()
        if folder := os.environ.get("TOCSIN_TEST_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
        if state.context.get("java_script_enabled", True):
            assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


def test_an_override_that_a_card_made_ready_is_given_by_its_own_button(browser: Browser) -> None:
    made = put_away(PICTURE)
    with opened(browser, made) as page:
        button = page.get_by_role("button", name="Record my verdict: Disagree, Looks benign on examination")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("Your verdict is in the record.")).to_be_visible()
        expect(button).to_have_count(0)
    [(verdict, _)] = made.desk.kept.values()
    assert (verdict.act, verdict.code) == (Act.OVERRIDE, "clinically-benign")


class TestKeyboard:
    """From flag to verdict without a mouse."""

    @pytest.mark.parametrize("script", [True, False])
    def test_five_keys_lead_from_the_flag_to_the_verdict(self, browser: Browser, script: bool) -> None:
        made = with_earlier()
        with opened(browser, made, java_script_enabled=script) as page:
            for key in ("Tab", "Tab", "Enter", "Space", "Enter"):
                page.keyboard.press(key)
            expect(page.locator(".notice[role=status]")).to_contain_text("Your verdict is in the record.")
        assert made.report["status"] == "final"

    def test_two_single_keys_do_it_where_they_are_on(self, browser: Browser) -> None:
        made = clinic(PICTURE)
        with opened(browser, made) as page:
            for key in ("a", "Enter"):
                page.keyboard.press(key)
            expect(page.locator(".notice[role=status]")).to_contain_text("Your verdict is in the record.")

    def test_single_keys_can_be_switched_off_and_stay_off(self, browser: Browser) -> None:
        made = clinic(PICTURE)
        with opened(browser, made) as page:
            page.get_by_label("Single keys act on this page").uncheck()
            page.reload()
            for key in ("a", "Enter"):
                page.keyboard.press(key)
            assert not page.get_by_label("Single keys act on this page").is_checked()
            assert page.locator("#act-first").is_checked() is False
        assert made.report["status"] == "preliminary"

    def test_a_reason_is_chosen_and_a_wrong_form_keeps_what_was_chosen(self, browser: Browser) -> None:
        made = clinic(PICTURE)
        with opened(browser, made) as page:
            page.keyboard.press("v")
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert").first).to_contain_text("Choose a reason.")
            expect(page.get_by_label("Disagree", exact=True)).to_be_checked()
            page.get_by_label("Disagree", exact=True).focus()
            page.keyboard.press("Tab")
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            expect(page.locator(".notice[role=status]")).to_contain_text("Your verdict is in the record.")

    def test_every_stop_of_the_tab_key_is_seen_and_not_hidden(self, browser: Browser) -> None:
        with opened(browser, with_earlier(), "?with=m0", viewport={"width": 800, "height": 600}) as page:
            stops = 0
            for _ in range(60):
                page.keyboard.press("Tab")
                seen = page.evaluate(SEEN)
                if seen is None:
                    break
                stops += 1
                assert seen["outlined"], seen
                assert seen["on_top"], seen
                assert min(seen["size"]) >= 24 or seen["inline"], seen
            assert stops > 25


SEEN: Final = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect(), style = getComputedStyle(at);
  const within = (value, end) => Math.min(Math.max(value, 1), end - 1);
  const x = within(box.left + box.width / 2, innerWidth), y = within(box.top + box.height / 2, innerHeight);
  const top = document.elementFromPoint(x, y);
  return {
    what: at.outerHTML.slice(0, 120),
    size: [box.width, box.height],
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    on_top: top !== null && (at.contains(top) || top.contains(at)),
    inline: at.tagName === "SUMMARY",
  };
}"""


class TestPicture:
    """Zoom, move and compare."""

    def test_zooms_to_its_own_points_and_back_by_buttons(self, browser: Browser) -> None:
        with opened(browser, clinic(PICTURE), viewport={"width": 700, "height": 900}) as page:
            image = page.locator("#stage-this img")
            page.get_by_role("button", name="1:1").click()
            assert image.evaluate("each => [each.width, each.naturalWidth]") == [600, 600]
            for _ in range(5):
                page.get_by_role("button", name="Larger").click()
            before = page.locator("#stage-this").evaluate("each => [each.scrollLeft, each.scrollTop]")
            page.get_by_role("button", name="Right").click()
            page.get_by_role("button", name="Down").click()
            after = page.locator("#stage-this").evaluate("each => [each.scrollLeft, each.scrollTop]")
            assert after[0] > before[0]
            assert after[1] > before[1]
            page.get_by_role("button", name="Whole").click()
            assert image.evaluate("each => each.width <= each.closest('.stage').clientWidth")

    def test_is_moved_by_dragging_too(self, browser: Browser) -> None:
        with opened(browser, clinic(PICTURE)) as page:
            for _ in range(5):
                page.get_by_role("button", name="Larger").click()
            stage = page.locator("#stage-this")
            before = stage.evaluate("each => each.scrollLeft")
            box = stage.bounding_box()
            assert box is not None
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x - 80, y)
            page.mouse.up()
            assert stage.evaluate("each => each.scrollLeft") == pytest.approx(before + 80, abs=2)

    def test_both_zoom_together_until_the_reader_parts_them(self, browser: Browser) -> None:
        with opened(browser, with_earlier(), "?with=m0") as page:
            widths = "() => [...document.querySelectorAll('.stage img')].map(each => each.getBoundingClientRect().width)"
            larger = page.get_by_role("button", name="Larger").first
            larger.click()
            one, other = page.evaluate(widths)
            assert one == pytest.approx(other)
            page.get_by_label("Zoom and move both together").uncheck()
            larger.click()
            one, other = page.evaluate(widths)
            assert one > other

    def test_a_picture_that_cannot_be_shown_is_said(self, browser: Browser) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("page-m1", EARLIER))
        with served(made.app()) as origin:
            window = browser.new_context()
            page = window.new_page()
            page.goto(origin + made.path)
            expect(page.get_by_role("alert")).to_contain_text("it was changed after it was judged")
            window.close()

    def test_a_turned_photograph_stands_upright(self, browser: Browser) -> None:
        with opened(browser, clinic(turned())) as page:
            assert page.locator("#stage-this img").evaluate("each => [each.naturalWidth, each.naturalHeight]") == [48, 64]


def turned() -> bytes:
    """A photograph of 64 x 48 points whose camera says that it is to be turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(textured(64, 48), exif=exif.tobytes())


def test_withdrawing_is_confirmed_and_can_be_taken_back(browser: Browser) -> None:
    made = clinic(PICTURE)
    with opened(browser, made) as page:
        page.get_by_label("Withdraw: wrong patient").check()
        page.locator("#code-withdraw").select_option("wrong-picture")
        page.get_by_role("button", name="Record my verdict").click()
        assert violations(page) == []
        page.get_by_role("button", name="Withdraw it").click()
        expect(page.get_by_role("heading", name="This result does not count")).to_be_visible()
        page.get_by_role("button", name="Take back my verdict").click()
        expect(page.get_by_role("heading", name="Raised")).to_be_visible()
    assert made.report["status"] == "preliminary"


def test_the_first_look_comes_before_the_result(browser: Browser) -> None:
    made = clinic(PICTURE, blind=frozenset({Role.READER}))
    with opened(browser, made, java_script_enabled=False) as page:
        expect(page.get_by_text("Raised")).to_have_count(0)
        page.get_by_label("Benign").check()
        page.get_by_role("button", name="Keep it and show").click()
        expect(page.get_by_role("heading", name="Raised")).to_be_visible()
        expect(page.get_by_text("Your first look, before this result was shown: Benign")).to_be_visible()


def test_nothing_is_asked_of_another_origin(browser: Browser) -> None:
    asked: list[str] = []
    made = with_earlier()
    with served(made.app()) as origin:
        window = browser.new_context()
        page = window.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{origin}{made.path}?with=m0")
        window.close()
    assert len(asked) > 4
    assert [each for each in asked if not each.startswith(f"{origin}/")] == []


class TestPlaces:
    """What a reader sees first, on a desk, on a phone and on paper."""

    @pytest.mark.parametrize("made", [with_earlier, STATES["high-calibrated"].made, STATES["not-assessable"].made])
    def test_a_verdict_is_given_without_scrolling_on_a_desk(self, browser: Browser, made: Callable[[], Clinic]) -> None:
        with opened(browser, made(), viewport={"width": 1280, "height": 900}) as page:
            for each in (page.get_by_role("button", name="Record my verdict"), page.locator("#result-title"), page.locator("#stage-this")):
                box = each.bounding_box()
                assert box is not None
                assert box["y"] + box["height"] <= 900

    def test_on_a_phone_result_picture_and_acts_come_before_limits_and_table(self, browser: Browser) -> None:
        with opened(browser, with_earlier(), **PHONE) as page:
            marks = ("#result-title", "#stage-this", "#act-first", "#limits-title", "#classes-title")
            boxes = [page.locator(each).bounding_box() for each in marks]
            tops = [each["y"] for each in boxes if each is not None]
            assert len(tops) == len(marks)
            assert tops == sorted(tops)
            read = page.evaluate("marks => [...document.querySelectorAll(marks.join())].map(each => '#' + each.id)", list(marks))
            assert read == list(marks), "it is read in another order than it is seen"

    def test_on_paper_stand_patient_result_picture_maker_and_acts_and_nothing_to_press(self, browser: Browser) -> None:
        made = acted((Act.ACCEPT, READER, None))
        with opened(browser, made, color_scheme="dark") as page:
            page.get_by_role("button", name="Larger").click(click_count=4)
            page.emulate_media(media="print", color_scheme="dark")
            said = page.locator("body").inner_text()
            for each in (NAME, "Raised", "Malignancy score", "The picture that was judged", "Who made it", "Agreed", "Dr. Ada Muster"):
                assert each in said
            assert page.locator("button:visible, input:visible, select:visible, a.skip:visible").count() == 0
            assert "To save or print" not in said
            ground = "each => getComputedStyle(each).backgroundColor"
            assert page.locator("body").evaluate(ground) == "rgb(255, 255, 255)"
            assert page.locator(".sign").evaluate(ground) == "rgb(255, 241, 214)", "paper is dark"
            image = page.locator("#stage-this img").bounding_box()
            assert image is not None
            assert image["height"] < 400
            if folder := os.environ.get("TOCSIN_TEST_SCREENSHOTS"):
                page.pdf(path=Path(folder) / "print.pdf", format="A4")
                page.screenshot(path=Path(folder) / "print.png", full_page=True)
            assert len(PdfReader(BytesIO(page.pdf(format="A4"))).pages) <= 2


def test_two_results_of_one_minute_are_told_apart_in_the_patients_list(browser: Browser) -> None:
    made = clinic(PICTURE)
    first = made.report
    again = first | {"id": "page-r2", "issued": first["issued"].replace(":00.000", ":07.000")}
    made.record.keep(again)
    with opened(browser, made, "/reports") as page:
        rows = page.locator("tbody tr").all_inner_texts()
        assert len(rows) == len(set(rows)) == 2
        assert all("Trunk" in each and "March 1, 2026" in each for each in rows)
        assert "09:15:07" in "".join(rows)
