"""What a clinician made of a result stands before what the AI had said, on the list and on the page, whoever wrote it and may read it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tocsin.fhir.reference import ServiceBase
from tocsin.report.review import NOT_REVIEWED
from tocsin.review.resources import House, Read, written
from tocsin.review.types import Act
from tocsin.review.view import CONCLUSION_CHARACTERS_MAX
from tocsin.serve.types import Role

from tests.fakes.page import CLINICIAN, SOURCE, Clinic, clinic, not_assessable, reader, verdict_on
from tests.fakes.record import BASE
from tests.support.pictures import encoded, textured

PICTURE = encoded(textured(64, 48))
BENIGN = {"akiec": 0.001, "bcc": 0.001, "bkl": 0.1, "df": 0.01, "mel": 0.002, "nv": 0.87, "vasc": 0.016}
HAD_SAID = "The AI had said: Below threshold"
CARCINOMA = {"coding": [{"system": "urn:test:findings", "code": "mcc"}], "text": "Merkel cell carcinoma"}
"""None of the model's classes, so that the page names it for no other cause."""
BY_HAND = {"status": "amended", "conclusion": "Merkel cell carcinoma; excision planned.", "conclusionCode": [CARCINOMA]}
ANSWERS = [
    (Act.CORRECT, "mel", "Named another class: Melanoma"),
    (Act.OVERRIDE, "clinically-suspicious", "Disagreed: Looks suspicious on examination"),
    (Act.NOT_ASSESSABLE, "out-of-focus", "Called the picture not assessable: Out of focus"),
]


def benign(**more: Any) -> Clinic:
    """A report below threshold."""
    return clinic(PICTURE, scores=BENIGN, **more)


def answered(made: Clinic, act: Act, code: str | None = None) -> Clinic:
    """The same with this act, as Tocsin writes it into the record."""
    house = House(SOURCE, {each.code: each.display for each in made.card.output.classes}, ZoneInfo("Europe/Berlin"), "en")
    bundle = written(verdict_on(made, act, CLINICIAN, code), Read(made.report, [], ServiceBase((BASE,))), house, made.now)
    resources = (each["resource"] for each in bundle["entry"])
    made.record.keep(*(each for each in resources if each["resourceType"] in ("DiagnosticReport", "Provenance")))
    return made


def by_hand(made: Clinic, **changes: Any) -> Clinic:
    """The same after another program wrote another conclusion, as deploy/clinicians.md teaches."""
    made.changed(**BY_HAND | changes)
    return made


def page_of(made: Clinic, path: str = "") -> str:
    """The words of the report's page, or of another path, on one line."""
    page = made.app().test_client().get(path or made.path, follow_redirects=True).text
    return " ".join(unescape(re.sub(r"<[^>]*>", "", page)).split())


def listed(made: Clinic) -> str:
    """The words of the patient's list."""
    return page_of(made, "/reports")


def in_order(page: str, *words: str) -> bool:
    """Whether the page has these words, one behind the other."""
    return re.search(".*".join(map(re.escape, words)), page) is not None


class TestList:
    """A row says what a clinician made of the result, and never that below threshold was confirmed."""

    @pytest.mark.parametrize(("act", "code", "said"), ANSWERS)
    def test_a_contested_result_stands_behind_the_clinicians_word(self, act: Act, code: str, said: str) -> None:
        assert in_order(listed(answered(benign(), act, code)), said, HAD_SAID)

    def test_a_result_with_which_a_clinician_agreed_stands_as_the_ai_said_it(self) -> None:
        page = listed(answered(clinic(PICTURE), Act.ACCEPT))
        assert (in_order(page, "Agreed", "▲ Raised"), "had said" in page) == (True, False)

    def test_what_another_program_concluded_stands_before_what_the_ai_had_said(self) -> None:
        assert in_order(listed(by_hand(benign())), "Merkel cell carcinoma; excision planned.", HAD_SAID)

    def test_a_reviewed_result_of_which_the_report_tells_no_act_is_told_as_what_the_ai_had_said(self) -> None:
        made = benign()
        made.changed(status="final")
        assert in_order(listed(made), HAD_SAID, "AI result, reviewed by a clinician.")

    def test_an_unread_result_is_told_as_it_is(self) -> None:
        page = listed(benign())
        assert ("Below threshold" in page, "had said" in page) == (True, False)

    def test_it_is_said_in_german(self) -> None:
        made = answered(benign(), Act.CORRECT, "mel")
        made.sessions.now = reader(language="de")
        assert in_order(listed(made), "Hat eine andere Klasse genannt: Mel", "Die KI hatte gesagt: ")

    def test_who_looks_first_is_told_no_conclusion_of_an_unread_report(self) -> None:
        made = by_hand(benign(blind=frozenset({Role.READER})), status="preliminary")
        page = listed(made)
        assert ("Merkel cell" in page, "Below" in page, "Open it to see" in page) == (False, False, True)


class TestPageWithoutProvenance:
    """The report itself tells the last act, where the reader may not read Provenance, or not now."""

    @pytest.mark.parametrize("status", [403, 503])
    @pytest.mark.parametrize(("act", "code", "said"), ANSWERS)
    def test_the_act_stands_before_what_the_ai_said(self, act: Act, code: str, said: str, status: int) -> None:
        made = answered(benign(), act, code)
        made.record.refused["Provenance"] = status
        assert in_order(page_of(made), said, CLINICIAN, "What the AI said:", "Below threshold")

    def test_a_reviewed_result_of_which_nobody_tells_an_act_is_the_ais_word_alone(self) -> None:
        made = benign()
        made.changed(status="final")
        made.record.refused["Provenance"] = 403
        assert in_order(page_of(made), "AI result, reviewed by a clinician.", "What the AI said:", "Below threshold")

    def test_of_an_unread_result_nothing_is_added(self) -> None:
        assert "What the AI said:" not in page_of(benign())


class TestPageInOtherWords:
    """Another program's conclusion is printed, and the model's result as what the AI said."""

    def test_the_conclusion_stands_first(self) -> None:
        made = benign()
        made.changed(status="amended", conclusion="Merkel cell carcinoma", conclusionCode=[CARCINOMA])
        page = page_of(made)
        assert in_order(page, "The clinician's conclusion", "Merkel cell carcinoma", "What the AI said:", "Below threshold")
        assert page.count("Merkel cell carcinoma") == 1

    def test_a_code_that_the_text_does_not_name_stands_beside_it(self) -> None:
        assert in_order(page_of(by_hand(benign(), conclusion="Excision planned.")), "Merkel cell carcinoma", "Excision planned.")

    def test_another_band_is_another_conclusion(self) -> None:
        band = {"coding": [{"system": "urn:tocsin:band", "code": "high", "display": "High"}]}
        page = page_of(by_hand(benign(), conclusion="", conclusionCode=[band]))
        assert in_order(page, "The clinician's conclusion High What the AI said:", "Below threshold")

    def test_an_act_from_before_does_not_stand_above_it(self) -> None:
        page = page_of(by_hand(answered(benign(), Act.ACCEPT)))
        assert in_order(page, "The clinician's conclusion", "What was done", "Agreed")
        assert page.count("Agreed") == 1

    def test_a_correction_whose_sentence_was_rewritten_is_printed_with_its_class(self) -> None:
        made = answered(benign(), Act.CORRECT, "mel")
        made.changed(conclusion="To be excised.")
        page = page_of(made)
        assert in_order(page, "The clinician's conclusion", "Melanoma", "To be excised.", "What the AI said:")
        assert not in_order(page, "The clinician's conclusion", "Below threshold", "What the AI said:")

    def test_it_is_shown_as_text_and_no_longer_than_a_page_bears(self) -> None:
        made = by_hand(benign(), conclusion=f"<script>alert(1)</script> {'x' * 9_000}")
        page = made.app().test_client().get(made.path).text
        assert ("<script>alert" in page, "<bdi>&lt;script&gt;" in page) == (False, True)
        assert 0 < page.count("x" * 100) < CONCLUSION_CHARACTERS_MAX / 100

    def test_the_models_reason_is_never_the_clinicians_word(self) -> None:
        page = page_of(by_hand(clinic(PICTURE, not_assessable()), conclusion="Merkel cell carcinoma"))
        assert in_order(page, "What the AI said:", "Not assessable by AI")
        assert page.count("Merkel cell carcinoma") == 1

    def test_a_withdrawn_result_shows_none(self) -> None:
        assert "Merkel cell" not in page_of(by_hand(benign(), status="entered-in-error"))

    def test_who_looks_first_sees_it_after_the_look_alone(self) -> None:
        made = by_hand(benign(blind=frozenset({Role.READER})), status="preliminary")
        assert ("What do you see?" in (first := page_of(made)), "Merkel cell" in first) == (True, False)
        form = {"csrf": reader().csrf, "impression": "benign"}
        made.app().test_client().post(f"{made.path}/first-look", data=form)
        assert "Merkel cell carcinoma; excision planned." in page_of(made)

    def test_an_own_report_is_in_no_other_words(self) -> None:
        made = answered(benign(), Act.CORRECT, "mel")
        assert NOT_REVIEWED not in made.report["conclusion"]
        assert "The clinician's conclusion" not in page_of(made)
