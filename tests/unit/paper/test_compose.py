"""A document says what the report says, whether a clinician has reviewed it, and never makes a result of a lack of one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tocsin import paper
from tocsin.fhir.canonical import VERDICT
from tocsin.paper.text import to_text
from tocsin.paper.types import Document, Facts, Notice, Result, Table, Tone
from tocsin.report.resources.issuer import Issuer
from tocsin.risk.judge import judge
from tocsin.words.catalogue import catalogue

from tests.support.papers import CARD, PATIENT, acted, document, findings, kinds, stored, verified
from tests.support.site_files import at_site

KINDS = kinds()
VOID = ("withdrawn", "superseded")
OPEN = ("below-threshold", "raised", "high", "without-picture", "not-assessable", "of-another-model-version", "changed-beyond-reading")


def said(kind: str, language: str = "en", *, names_patient: bool = False) -> str:
    return " ".join(to_text(document(KINDS[kind](), language, names_patient=names_patient)).split())


def notice(kind: str) -> Notice:
    return next(each for each in document(KINDS[kind]()).blocks if isinstance(each, Notice))


def of_kind(found: Document, kind: type) -> list[object]:
    return [each for each in found.blocks if isinstance(each, kind)]


@pytest.mark.parametrize("kind", OPEN)
def test_until_a_clinician_signs_each_page_says_that_nobody_has_reviewed_it(kind: str) -> None:
    found = document(KINDS[kind]())
    sentence = "AI result, not yet reviewed by a clinician."
    assert notice(kind).sentences[0] == found.foot[0] == sentence
    assert notice(kind).tone is Tone.OPEN


@pytest.mark.parametrize("kind", ["accepted", "overridden", "corrected", "found-not-assessable", "rewritten"])
def test_once_signed_it_says_by_whom_and_when_in_the_sites_zone(kind: str) -> None:
    assert notice(kind).tone is Tone.SIGNED
    assert notice(kind).sentences[0] == "AI result, reviewed by a clinician."
    assert any("By Dr. B. Müller-Ångström, March 2, 2026, 09:15" in each for each in notice(kind).sentences)
    assert "not yet reviewed" not in said(kind)


def test_a_reason_that_a_clinician_gave_is_printed() -> None:
    assert "Reason: Looks benign on examination" in notice("overridden").sentences


def test_a_signature_that_the_record_does_not_explain_is_not_made_up() -> None:
    assert "The record does not say who did this, or when." in notice("signed-by-nobody-known").sentences


def test_of_several_acts_the_latest_one_signs() -> None:
    first = acted(KINDS["high"](), "final", verified("accept", "2026-03-02T08:15:00Z", "earlier"))
    both = acted(first, "final", verified("accept", "2026-03-03T08:15:00Z", "later"))
    later = document(type(both)(both.report, both.results, both.media, both.patient, (*both.acts, *first.acts)))
    assert "Reason: later" in to_text(later)
    assert "Reason: earlier" not in to_text(later)


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_picture_that_is_not_assessable_has_no_score_no_band_and_says_nothing_about_risk(language: str) -> None:
    found = document(KINDS["not-assessable"](), language)
    assert not of_kind(found, Table)
    whole = to_text(found)
    assert not any(CARD.say(band.display, language) in whole for band in CARD.operating_point.bands)
    assert "says nothing about the patient's risk" in said("not-assessable")
    assert "This says" not in said("not-assessable", "de")


@pytest.mark.parametrize("kind", VOID)
def test_what_is_withdrawn_shows_neither_result_nor_picture(kind: str) -> None:
    found = document(KINDS[kind]())
    assert not of_kind(found, Result)
    assert not of_kind(found, Table)
    assert notice(kind).tone is Tone.VOID
    assert "do not use" in notice(kind).sentences[0]
    assert "Malignancy score" not in to_text(found)


def test_a_result_that_gave_way_names_the_newer_one() -> None:
    assert "A newer report took its place: DiagnosticReport/newer." in notice("superseded").sentences


@pytest.mark.parametrize("kind", ["below-threshold", "raised", "high"])
def test_a_score_is_printed_with_its_thresholds_every_class_and_what_kind_of_number_it_is(kind: str) -> None:
    whole = said(kind)
    assert "(Raised from 0.011, High from 0.5)" in whole
    assert "is not a probability" in whole
    assert all(each.display in whole for each in CARD.output.classes)


def test_a_class_that_the_record_lacks_is_named_as_not_recorded() -> None:
    whole = KINDS["high"]()
    less = document(type(whole)(whole.report, (), whole.media))
    [table] = of_kind(less, Table)
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == ["not recorded"] * len(CARD.output.classes)


def test_a_conclusion_that_another_program_wrote_stands_in_the_place_of_the_models() -> None:
    whole = said("rewritten")
    assert "The clinician's conclusion Seborrhoische Keratose" in whole
    assert "The AI had scored the picture 0.830 for malignancy." in whole
    assert "A clinician has changed the report since the AI wrote it." in whole
    assert "Look at this lesion" not in whole


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("overridden", "The clinician disagrees with the AI."),
        ("corrected", "The clinician names another class: Melanocytic naevus."),
        ("found-not-assessable", "The clinician finds that the picture allows no judgement."),
    ],
)
def test_what_a_clinician_does_not_agree_with_is_never_printed_as_advice(kind: str, sentence: str) -> None:
    whole = said(kind)
    assert sentence in whole
    assert "The AI had said: " in whole
    assert "Look at this lesion" not in whole


def test_what_a_clinician_agrees_with_is_printed_as_it_was_with_their_agreement() -> None:
    assert "The clinician agrees with the AI." in said("accepted")
    assert "Look at this lesion" in said("accepted")


def test_a_class_that_a_clinician_names_is_named_in_the_documents_language() -> None:
    assert "nennt eine andere Klasse: Melanozytärer Nävus." in said("corrected", "de")


def test_without_its_provenance_the_report_itself_tells_the_act() -> None:
    whole = KINDS["overridden"]()
    told = {"url": VERDICT, "extension": [{"url": "act", "valueCode": "override"}, {"url": "at", "valueInstant": "2026-03-02T08:15:00Z"}]}
    report = {**whole.report, "extension": [*whole.report["extension"], told], "resultsInterpreter": [{"reference": "Practitioner/dr-1"}]}
    text = " ".join(to_text(document(type(whole)(report, whole.results, whole.media))).split())
    assert "The clinician disagrees with the AI. ! By Practitioner/dr-1, March 2, 2026, 09:15" in text


def test_of_another_models_report_no_limits_are_made_up() -> None:
    assert "what it is bad at cannot be told" in said("of-another-model-version")
    assert "known to be bad at" not in said("of-another-model-version")


UNCALIBRATED = "Its score is not calibrated: it is no probability of cancer."


def test_a_site_that_calibrates_prints_by_which_labels_in_place_of_the_limit_that_this_answers() -> None:
    here = at_site(CARD)
    text = " ".join(to_text(document(stored(judge(findings(0.83), here), issuer=Issuer(here, "urn:test:site")), card=here)).split())
    assert UNCALIBRATED not in text
    assert "It misses melanomas" in text
    assert (
        "This was measured before the model was calibrated here: of its own score, and at the thresholds of its card, not at those used "
        "here. Its probability was calibrated on 200 pictures of st-elsewhere, 48 of them malignant, labelled until April 30, 2026; it "
        "is in use since May 4, 2026, after 300 later ones bore it out, 61 of them malignant (site file 3)."
    ) in text


def test_a_report_from_before_the_calibration_keeps_the_limit_and_is_told_nothing_of_it() -> None:
    text = " ".join(to_text(document(KINDS["high"](), card=at_site(CARD))).split())
    assert UNCALIBRATED in text
    assert "calibrated on" not in text


def test_without_a_calibration_the_limit_is_printed() -> None:
    assert UNCALIBRATED in said("high")
    assert "Sein Score ist nicht kalibriert" in said("high", "de")


def test_a_report_that_another_program_changed_is_printed_in_its_own_words() -> None:
    assert "another program changed it" in said("changed-beyond-reading")
    assert "Malignancy score 0.830" in said("changed-beyond-reading")


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in VOID])
def test_without_a_sites_calibration_it_says_that_it_is_not_for_clinical_use(kind: str) -> None:
    assert "Not for clinical use without local validation." in said(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_it_names_the_patient_only_where_that_is_asked_for(kind: str) -> None:
    name, number = PATIENT["name"][0]["family"], PATIENT["identifier"][0]["value"]
    quiet, named = document(KINDS[kind]()), document(KINDS[kind](), names_patient=True)
    assert name not in repr(quiet)
    assert number not in repr(quiet)
    assert name in named.foot[-1]
    assert name not in named.title
    assert name not in named.key


def test_it_says_which_report_version_model_picture_and_trace_it_is() -> None:
    facts = dict(row for each in of_kind(document(KINDS["high"]()), Facts) if isinstance(each, Facts) for row in each.rows)
    assert facts["Model"].endswith("version 1, reference-1 (sklesion/1)")
    assert facts["Report"].endswith(", version 1")
    assert facts["Picture"] == "Media/m1"
    assert facts["SHA-256"] == "ab" * 32
    assert facts["Trace"] == "0af7651916cd43dd8448eb211c80319c"
    assert facts["Picture taken"].startswith("March 1, 2026, 10:30")


def sentences() -> Iterator[str]:
    for file in Path(paper.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("say", "_say"):
                yield from (str(each.value) for each in node.args[:1] if isinstance(each, ast.Constant))


def test_everything_that_it_says_is_said_in_german_too() -> None:
    known = catalogue("de").translations
    asked = set(sentences())
    assert len(asked) > 20
    assert {each for each in asked if known.gettext(each) == each} == set()
