"""What a report says of a clinician's act, in its own language, in conclusion and narrative alike; and an undo says what stood before."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B.bundle import Bundle
from tocsin.bootstrap.review import house
from tocsin.fhir.datatypes import reference_to
from tocsin.fhir.reference import RELATIVE
from tocsin.model_card import read_card
from tocsin.report.resources.status import DOCUMENT
from tocsin.report.review import NOT_REVIEWED
from tocsin.review.acted import acted, before, extension
from tocsin.review.resources import House, Read, written
from tocsin.review.rules import Before
from tocsin.review.sentences import place, resaid
from tocsin.review.types import Act, Verdict
from tocsin.settings import Settings
from tocsin.words.catalogue import LANGUAGES, catalogue

from tests.support.records import SKLESION, of_kind, report
from tests.support.reviewing import CLASSES, NOW, verdict

HOUSE = House("urn:tocsin:test", CLASSES, ZoneInfo("Europe/Berlin"), "en")
GERMAN = catalogue("de").say(NOT_REVIEWED)
ACTS = [act for act in Act if act is not Act.UNDO]


def standing(conclusion: str = f"Raised. {NOT_REVIEWED}", **more: Any) -> dict[str, Any]:
    made = of_kind(report("x"), "DiagnosticReport")
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{html.escape(conclusion, quote=False)}</p></div>'
    return made | {"conclusion": conclusion, "text": {"status": "generated", "div": div}, "meta": {"versionId": "1"}} | more


def after(decided: Verdict, stands: dict[str, Any]) -> dict[str, Any]:
    bundle = written(decided, Read(stands, [], RELATIVE), HOUSE, NOW)
    resource: dict[str, Any] = bundle["entry"][0]["resource"]
    return resource


@pytest.mark.parametrize("conclusion", [f"Raised. {NOT_REVIEWED}", f"Erhöht. {GERMAN}", "Somebody's own words.", ""], ids=str)
@pytest.mark.parametrize("act", ACTS)
def test_an_undo_gives_conclusion_and_narrative_back_whatever_language_they_are_in(act: Act, conclusion: str) -> None:
    stands = standing(conclusion)
    if not conclusion:
        del stands["conclusion"]
    first = verdict(act)
    said = after(first, stands)
    assert said["conclusion"] != conclusion
    assert "not yet reviewed" not in said["conclusion"] + said["text"]["div"]
    assert GERMAN not in said["conclusion"] + said["text"]["div"]
    assert after(verdict(Act.UNDO, undoes=first.id), said) == stands


@pytest.mark.parametrize("act", ACTS)
def test_two_acts_of_one_clinician_are_taken_back_together(act: Act) -> None:
    stands = standing()
    first, second = verdict(Act.CORRECT), verdict(act)
    said = after(second, after(first, stands))
    assert said["conclusion"].count("AI result") == 1
    assert [each["identifier"]["value"] for each in said["resultsInterpreter"]] == ["Practitioner/d1"]
    assert after(verdict(Act.UNDO, undoes=second.id), said) == stands


@pytest.mark.parametrize("act", ACTS)
def test_a_document_that_no_longer_says_what_the_record_does_leaves_with_the_act(act: Act) -> None:
    theirs, ours = {"id": "theirs", "url": "Binary/letter"}, {"id": DOCUMENT, "url": "Binary/printed"}
    first = verdict(act)
    said = after(first, standing(presentedForm=[theirs, ours]))
    assert said["presentedForm"] == [theirs]
    assert "presentedForm" not in after(first, standing(presentedForm=[ours]))
    undone = after(verdict(Act.UNDO, undoes=first.id), said | {"presentedForm": [ours, theirs]})
    assert undone["presentedForm"] == [theirs]


def test_a_german_report_is_answered_in_german_at_the_sites_time() -> None:
    said = after(verdict(Act.OVERRIDE), standing(f"Erhöht. {GERMAN}"))["conclusion"]
    assert said.startswith("Erhöht. KI-Ergebnis. Ärztlich widersprochen am 2. März 2026, 09:15 MEZ: Wirkt bei der Untersuchung gutartig.")


def test_every_sentence_on_an_act_is_there_in_every_language() -> None:
    for language in LANGUAGES[1:]:
        for act in ACTS:
            english = after(verdict(act), standing())["conclusion"]
            own = after(verdict(act), standing(f"Raised. {catalogue(language).say(NOT_REVIEWED)}"))["conclusion"]
            assert own != english


def test_the_act_on_a_report_is_read_back_as_it_was_written_and_a_spoilt_one_is_none() -> None:
    said = after(decided := verdict(Act.WITHDRAW), standing())
    last = acted(said)
    assert last is not None
    assert (last.verdict, last.act, last.code, last.clinician, last.at) == (
        *(decided.id, Act.WITHDRAW, "wrong-lesion", "Practitioner/d1"),
        decided.decided_at,
    )
    own = extension(last)
    for part in ("act", "at", "shared"):
        spoilt = own | {"extension": [each for each in own["extension"] if each["url"] != part]}
        assert acted(said | {"extension": [spoilt]}) is None
    assert acted(said | {"extension": [own, own]}) is None


def test_a_report_whose_sentence_another_program_changed_is_in_other_words() -> None:
    said = after(verdict(), standing())
    assert before(said, RELATIVE).verbatim
    assert not before(said | {"conclusion": "Naevus."}, RELATIVE).verbatim


def test_another_programs_words_around_the_sentence_stay() -> None:
    first = verdict()
    said = after(first, standing())
    said["conclusion"] += " Seen in clinic."
    assert after(verdict(Act.UNDO, undoes=first.id), said)["conclusion"] == f"Raised. {NOT_REVIEWED} Seen in clinic."


@pytest.mark.parametrize("act", list(Act))
def test_what_is_written_is_fhir(act: Act) -> None:
    stands = standing()
    first = verdict()
    decided = verdict(act, undoes=first.id if act is Act.UNDO else None)
    bundle = written(decided, Read(after(first, stands) if act is Act.UNDO else stands, [], RELATIVE), HOUSE, NOW)
    Bundle.model_validate(bundle)
    assert len({reference_to(each["resource"]) for each in bundle["entry"]}) == len(bundle["entry"]) == 3


def test_where_nothing_tells_the_language_the_house_does() -> None:
    assert place("Words.", None, "de").words.language == "de"
    assert resaid({"resourceType": "Observation"}, "a", "b") == {"resourceType": "Observation"}
    assert Before("preliminary").verbatim


def test_a_corrected_class_is_named_in_the_reports_own_language() -> None:
    named = house(Settings(), read_card(SKLESION)).named("de")
    own = replace(HOUSE, classes={"mel": "Melanoma", "nv": "Melanocytic naevus"}, translated={"de": named})
    for conclusion, name in ((f"Erhöht. {GERMAN}", "Melanozytärer Nävus"), (f"Raised. {NOT_REVIEWED}", "Melanocytic naevus")):
        bundle = written(verdict(Act.CORRECT, code="nv"), Read(standing(conclusion), [], RELATIVE), own, NOW)
        assert f": {name}." in bundle["entry"][0]["resource"]["conclusion"]
