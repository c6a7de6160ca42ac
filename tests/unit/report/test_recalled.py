"""Without its results a report is told as far as its mark and its own conclusion answer for it, and never as what it is not."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.fhir.canonical import MARK
from tocsin.model_card import ModelCard
from tocsin.report.recalled import recalled
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.readback import said_in
from tocsin.report.words import NOT_AT_HAND, NOT_KNOWN_HERE, ReportWords, Wording

from tests.unit.report.resources.test_compose import CALIBRATED, DARK, ISSUER, report
from tests.unit.report.test_at_site import ALONE, HERE, OLDER, made
from tests.unit.report.test_words import stored

Json = dict[str, Any]

HIER = Issuer(HERE.card, ISSUER.source, "de")


def without_results(issuer: Issuer) -> Json:
    resource, _ = stored(made(issuer))
    return resource


def unnamed(resource: Json) -> Json:
    """As it was before marks named a site file."""
    [mark] = [each for each in resource["extension"] if each["url"] == MARK]
    parts = [each for each in mark["extension"] if each["url"] != "site-file"]
    return resource | {"extension": [mark | {"extension": parts}]}


def told(resource: Json, card: ModelCard, language: str = "en") -> ReportWords:
    return Wording(card, language).of(recalled(said_in(resource), card))


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("issuer", [ISSUER, CALIBRATED, HERE, HIER], ids=["score", "calibrated", "site", "german"])
def test_a_report_by_the_card_in_use_is_told_as_if_its_results_were_at_hand(issuer: Issuer, language: str) -> None:
    resource, results = stored(made(issuer))
    whole = Wording(issuer.card, language).of(said_in(resource, results))
    for each in (resource, unnamed(resource)):
        found = told(each, issuer.card, language)
        for name in ("score", "number", "thresholds", "scale", "limits", "calibrated", "model", "column", "conclusion"):
            assert getattr(found, name) == getattr(whole, name), name


def test_the_site_file_that_the_mark_names_is_enough_where_a_clinician_wrote_the_conclusion() -> None:
    words = told(without_results(HERE) | {"conclusion": "Seen."}, HERE.card)
    assert words.numbers == "Probability of malignancy 11.8 % (Raised from 3 %, High from 20 %)"


@pytest.mark.parametrize("card", [HERE.card, ALONE], ids=["newer", "none"])
def test_by_another_site_file_it_is_a_probability_and_by_which_is_said(card: ModelCard) -> None:
    words = told(without_results(OLDER), card)
    assert (words.score, words.thresholds) == ("Probability of malignancy 11.8 %", "")
    assert words.scale == "This probability holds for st-elsewhere/2, which is not what is used here now"


@pytest.mark.parametrize(
    ("issuer", "card"), [(OLDER, HERE.card), (HERE, ALONE), (ISSUER, HERE.card)], ids=["newer file", "no file now", "no file then"]
)
def test_what_neither_mark_nor_conclusion_answers_for_is_not_known(issuer: Issuer, card: ModelCard) -> None:
    words = told(unnamed(without_results(issuer)), card)
    assert words.score.startswith("Malignancy score 0.")
    assert (words.thresholds, words.scale, words.limits, words.calibrated) == ("", NOT_AT_HAND, "", "")
    assert "sensitivity-95" not in words.model


def test_results_that_are_at_hand_are_what_counts() -> None:
    resource, results = stored(made(ISSUER))
    said = said_in(resource, results)
    assert recalled(said, HERE.card) == said
    assert Wording(HERE.card, "en").of(said).scale == NOT_KNOWN_HERE


def test_a_picture_that_is_not_assessable_has_no_kind_of_number() -> None:
    resource, _ = stored(report(DARK, HERE))
    words = told(resource, HERE.card)
    assert (words.score, words.scale, words.limits) == ("", "", "")
