"""The page tells what an EHR says of the report's card, apart from verdicts, and makes an override ready that its reader may give."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tocsin.review.answered import NOTHING, Answered, answer_of
from tocsin.review.types import Act, State
from tocsin.serve.types import Role

from tests.fakes.page import NOW, Clinic, clinic, reader
from tests.support.flags import feedback
from tests.support.pictures import encoded, textured
from tests.unit.serve.page.test_verdicts import fields, given, verdicts, visit

PICTURE = encoded(textured(64, 48))
AT = NOW - timedelta(hours=3)
READY = "Record my verdict: Disagree, Looks benign on examination"
TOLD = "What the EHR tells of its card"


def answered(*more: dict[str, Any], blind: bool = False) -> Clinic:
    """A report whose card was put away; `more` says of each answer how it differs."""
    made = clinic(PICTURE, blind=frozenset({Role.READER}) if blind else frozenset())
    for number, each in enumerate(more or ({},), 1):
        assert made.in_ehr is not None
        told = {"at": AT + timedelta(minutes=number), "report_version": made.report["meta"]["versionId"]} | each
        made.in_ehr = made.in_ehr.told(answer_of(feedback(1, id=number, **told)))
    return made


def page_of(made: Clinic) -> str:
    return visit(made).get(made.path).get_data(as_text=True)


def section(page: str) -> str:
    """What the page says of the card."""
    return page.partition(TOLD)[2].partition("</section>")[0]


def test_the_history_says_when_and_why_a_card_was_put_away_and_that_it_is_no_verdict() -> None:
    page = page_of(answered())
    assert "Card put away: Looks benign on examination" in section(page)
    assert "6:16" in section(page), "the time in the site's zone"
    assert "No verdict: it signs nothing, and does not say who answered." in section(page)
    assert "Disagreed" not in page
    assert "not yet reviewed by a clinician" in page


def test_it_says_so_in_german_too() -> None:
    made = answered()
    made.sessions.now = reader(language="de")
    page = page_of(made)
    assert "Hinweis weggelegt: " in page
    assert "Mein Urteil eintragen: " in page
    assert "card" not in re.sub(r"<[^>]*>", "", page.partition('class="prepared"')[2].partition("</form>")[0])


def test_the_override_is_one_press_away_with_its_reason_and_the_form_has_it_chosen() -> None:
    made = answered()
    browser = visit(made)
    page = browser.get(made.path).get_data(as_text=True)
    assert READY in page
    assert '<option value="clinically-benign" selected>' in page
    assert not re.search(r'name="act"[^>]* checked', page), "no act is chosen for the reader"
    assert verdicts(made) == [], "and none is given by opening"
    form = fields(page.partition('class="prepared"')[2].partition("</form>")[0])
    answer = browser.post(f"{made.path}/verdict", data=form)
    [verdict] = verdicts(made)
    assert (verdict.act, verdict.code, verdict.clinician) == (Act.OVERRIDE, "clinically-benign", reader().clinician)
    after = browser.get(answer.location).get_data(as_text=True)
    assert READY not in after
    assert "Card put away" in section(after), "it stays in the history, beside the verdict"
    assert "Disagreed: Looks benign on examination" in after


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (({"code": "no-time-now"},), "Card put away: No time now"),
        (({"code": None, "commented": True},), "with a comment that the EHR keeps"),
        (({"reason": {"system": "urn:ehr", "code": "R-17"}},), "Card put away: code R-17 of the EHR"),
        (({"code": None, "outcome": "accepted"},), "Card accepted"),
        (({"report_version": "0"},), "about another version of this result"),
        (({"report_version": None},), "Card put away: Looks benign on examination"),
        (({}, {"code": "no-time-now"}), "Card put away: Looks benign on examination"),
    ],
    ids=["about the card alone", "no code", "the EHR's code", "accepted", "another version", "no known version", "put away again"],
)
def test_what_is_no_word_on_this_version_of_the_result_is_told_and_makes_nothing_ready(answers: Any, says: str) -> None:
    page = page_of(answered(*answers))
    assert says in section(page)
    assert "Record my verdict:" not in page
    assert not re.search(r"<option [^>]*selected", page)


def test_nothing_of_it_is_told_before_a_reader_has_looked_who_is_to_look_first() -> None:
    made = answered(blind=True)
    browser = visit(made)
    first = browser.get(made.path).get_data(as_text=True)
    assert not re.search(r"EHR|put away|benign on examination", first)
    form = fields(first)
    turned_away = browser.post(f"{made.path}/verdict", data=form | {"act": "override", "code-override": "clinically-benign"})
    assert (turned_away.status_code, re.search(r"EHR|put away|benign on examination", turned_away.text)) == (422, None)
    assert verdicts(made) == []
    browser.post(f"{made.path}/first-look", data=form | {"impression": "unsure"})
    assert READY in browser.get(made.path).get_data(as_text=True)


def test_while_a_verdict_is_on_its_way_none_is_made_ready() -> None:
    made = answered()
    made.desk.state = State.WAITING
    browser = visit(made)
    given(browser, made, "accept")
    page = browser.get(made.path).get_data(as_text=True)
    assert READY not in page
    assert "Card put away" in page


def test_a_report_without_answered_cards_says_nothing_of_them_and_what_is_not_known_yet_is_said() -> None:
    made = clinic(PICTURE)
    made.in_ehr = NOTHING
    assert TOLD not in page_of(made)
    made.in_ehr = None
    page = page_of(made)
    assert TOLD not in page
    assert "Whether its card was answered in the EHR is not known yet" in page


def test_of_many_answers_the_newest_are_shown_and_that_there_are_more() -> None:
    made = answered(*({"code": "other"} for _ in range(7)))
    assert isinstance(made.in_ehr, Answered)
    assert section(page_of(made)).count("Card put away") == 5
    assert "Only the newest are shown." in page_of(made)
