"""A report at a calibrated site says a probability, of whom, by which file; and a report says only what its own calibration carries."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.image.types import Obstacle
from tocsin.model_card import ModelCard, read_card
from tocsin.report.resources.check import check_bundle
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.device import card_document, device, site_resources
from tocsin.report.resources.readback import said_in
from tocsin.report.resources.selfcheck import check_reports
from tocsin.report.words import ReportWords, Wording, frequency
from tocsin.review.card_words import CardWords
from tocsin.risk.judge import judge
from tocsin.risk.types import Unassessable

from tests.builders import findings, picture
from tests.support.records import SKLESION
from tests.support.records import findings as of_model
from tests.support.site_files import SITE, at_site
from tests.unit.report.resources.test_compose import ISSUER, report, resources
from tests.unit.report.test_words import stored

ALONE = ISSUER.card
HERE = Issuer(at_site(ALONE), ISSUER.source)
OLDER = Issuer(at_site(ALONE, version=2, limits=(0.05, 0.2)), ISSUER.source)
ANSWER = findings(mel=0.2, bcc=0.1, nv=0.7)
MEANS = "Of 100 pictures that scored like this here (st-elsewhere), about 12 were cancer, reckoned with cancer in 3.4 % of pictures"
CLASSES = "The scores of the classes are the model's own, from 0 to 1, and are not probabilities"


def made(issuer: Issuer = HERE) -> Any:
    return report(judge(ANSWER, issuer.card), issuer)


def read(issuer: Issuer, by: ModelCard, language: str = "en") -> ReportWords:
    """What a report of this issuer's says where the model is used by that card."""
    resource, parts = stored(made(issuer))
    return Wording(by, language).of(said_in(resource, parts))


def test_its_report_says_a_probability_and_what_it_means_here() -> None:
    [diagnostic] = resources(made(), "DiagnosticReport")
    assert diagnostic["conclusion"] == (
        "Body site not stated, picture of March 1, 2026. Raised. Raised. "
        "Probability of malignancy 11.8 % (Raised from 3 %, High from 20 %). "
        f"{MEANS}. Test reader, version 3, sensitivity-95 (st-elsewhere/3). AI result, not yet reviewed by a clinician."
    )
    assert CLASSES.replace("'", "&#x27;") in diagnostic["text"]["div"]
    assert "<td>Melanoma (malignant)</td><td>0.200</td>" in diagnostic["text"]["div"]


def test_its_numbers_are_the_probability_in_per_cent_and_the_classes_own_scores() -> None:
    bundle = made()
    check_bundle(bundle.bundle)
    whole, *scores = resources(bundle, "Observation")
    assert (whole["valueQuantity"]["value"], whole["valueQuantity"]["code"]) == (pytest.approx(11.8326, abs=1e-4), "%")
    units = {each["code"]["coding"][0]["code"]: each["valueQuantity"]["code"] for each in whole["component"]}
    assert units == {"raised": "%", "high": "%", "reader-mel": "1", "reader-bcc": "1", "reader-nv": "1"}
    assert {each["valueQuantity"]["code"] for each in scores} == {"1"}
    [risk] = resources(bundle, "RiskAssessment")
    [prediction] = risk["prediction"]
    assert prediction["probabilityDecimal"] == whole["valueQuantity"]["value"]
    assert MEANS in prediction["rationale"]
    assert risk["method"] == whole["method"] == {"text": "Test reader v3, sensitivity-95 (st-elsewhere/3)"}


def test_its_site_file_is_a_device_of_its_own_that_the_provenance_names() -> None:
    own, carried = site_resources(HERE.card, HERE.source)
    [provenance] = resources(made(), "Provenance")
    assert provenance["entity"][-1] == {
        "role": "derivation",
        "what": {"reference": f"Device/{own['id']}", "display": "st-elsewhere/3"},
    }
    assert own["parent"] == provenance["agent"][0]["who"] == {"reference": f"Device/{device(ALONE, HERE.source)['id']}"}
    assert own["version"][0] == {"value": "3"}
    assert own["identifier"] == [{"system": HERE.source, "value": "st-elsewhere/3"}]
    assert "200 pictures of st-elsewhere" in own["note"][0]["text"]
    assert carried["target"] == [{"reference": f"Device/{own['id']}"}]
    assert {each["what"]["identifier"]["value"] for each in carried["entity"]} == {"a" * 64, "b" * 64}
    check_reports(HERE)


def test_a_site_file_with_other_content_is_another_device_and_without_one_there_is_none() -> None:
    ids = {site_resources(issuer.card, issuer.source)[0]["id"] for issuer in (HERE, OLDER)}
    assert len(ids) == 2
    assert site_resources(ALONE, HERE.source) == []


def test_the_models_own_device_and_card_in_the_record_stay_as_they_are() -> None:
    for of in (device, card_document):
        assert of(HERE.card, HERE.source) == of(ALONE, HERE.source)


def test_a_report_read_back_says_what_it_said() -> None:
    composed = HERE.wording.of(HERE.saying.of(judge(ANSWER, HERE.card), picture()))
    assert read(HERE, HERE.card) == composed
    assert (composed.scale, composed.class_scale, composed.column) == (MEANS, CLASSES, "Score")
    assert composed.limits.startswith("This was measured before the model was calibrated here")


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            "Its probability was calibrated on 200 pictures of st-elsewhere, 48 of them malignant, labelled until April 30, 2026; it is in "
            "use since May 4, 2026, after 300 later ones bore it out, 61 of them malignant (site file 3)",
        ),
        (
            "de",
            "Seine Wahrscheinlichkeit wurde an 200 Bildern von st-elsewhere kalibriert, davon 48 bösartig, befundet bis 30. April 2026; "
            "verwendet wird sie seit 4. Mai 2026, nachdem 300 spätere sie bestätigt haben, davon 61 bösartig (Standortdatei 3)",
        ),
    ],
)
def test_it_says_on_which_labels_it_was_calibrated_and_since_when(language: str, told: str) -> None:
    assert read(HERE, HERE.card, language).calibrated == told


@pytest.mark.parametrize(("by", "here"), [(OLDER, HERE), (ISSUER, HERE), (HERE, ISSUER), (ISSUER, ISSUER)])
def test_of_another_calibration_than_that_in_use_nothing_is_told(by: Issuer, here: Issuer) -> None:
    assert read(by, here.card).calibrated == ""


def test_labels_whose_days_were_not_noted_are_told_without_one() -> None:
    labels = {"n": 200, "malignant": 48, "scores_sha256": "c" * 64}
    fitted = {"kind": "intercept-and-slope", "intercept": -1.5, "slope": 0.6, "fitted_on": labels}
    undated = Issuer(at_site(ALONE, calibration=fitted, evaluation=None), ISSUER.source)
    assert read(undated, undated.card).calibrated == (
        "Its probability was calibrated on 200 pictures of st-elsewhere, 48 of them malignant"
    )


def test_a_report_by_an_older_site_file_is_not_told_by_the_newer_ones_prevalence() -> None:
    words = read(OLDER, HERE.card)
    assert (words.score, words.thresholds) == ("Probability of malignancy 11.8 %", "Raised from 5 %, High from 20 %")
    assert words.scale == "This probability holds for sensitivity-95 (st-elsewhere/2), which is not what is used here now"
    assert words.model == "Test reader, version 3, sensitivity-95 (st-elsewhere/2)"


def test_a_report_from_before_the_calibration_stays_a_score_whose_meaning_is_not_known() -> None:
    words = read(ISSUER, HERE.card)
    assert (words.score, words.thresholds) == ("Malignancy score 0.300", "Raised from 0.1, High from 0.5")
    assert words.scale == "It is not known here how often such a score means cancer: it goes from 0 to 1 and is not a probability"
    assert (words.class_scale, words.limits) == ("", "")


def test_a_report_from_when_there_was_a_calibration_stays_a_probability() -> None:
    words = read(HERE, ALONE)
    assert words.score == "Probability of malignancy 11.8 %"
    assert words.scale == "This probability holds for sensitivity-95 (st-elsewhere/3), which is not what is used here now"


def test_without_a_site_file_it_is_said_that_the_meaning_is_not_known_here() -> None:
    assert read(ISSUER, ALONE).scale.startswith("It is not known here how often such a score means cancer")


def test_a_picture_that_is_not_assessable_has_no_number_at_a_site_either() -> None:
    dark = report(Unassessable(Obstacle("too-dark", "The image is too dark.")), HERE)
    resource, parts = stored(dark)
    words = HERE.wording.of(said_in(resource, parts))
    assert (words.score, words.scale, words.class_scale, words.limits) == ("", "", "", "")


def test_a_card_in_an_ehr_says_the_same() -> None:
    resource, parts = stored(made())
    detail = CardWords(HERE.wording).detail(said_in(resource, parts))
    assert r"Probability of malignancy 11\.8 \%" in detail
    assert "about 12 were cancer" in detail


def test_it_is_said_in_german_too() -> None:
    reference = read_card(SKLESION)
    issuer = Issuer(at_site(reference), "urn:test", "de")
    said = issuer.wording.of(issuer.saying.of(judge(of_model(reference, 0.211), issuer.card), picture()))
    assert said.score == "Wahrscheinlichkeit für Malignität 9,1 %"
    assert said.scale == (
        f"Von 100 Bildern, die hier ({SITE}) so eingeschätzt wurden, zeigten etwa 9 Krebs; gerechnet ist mit Krebs auf 3,4 % der Bilder"
    )
    assert said.class_scale == "Die Scores der Klassen sind die des Modells selbst, von 0 bis 1, und keine Wahrscheinlichkeiten"


@pytest.mark.parametrize(
    ("probability", "told"),
    [(0.118, (12, 100)), (0.006, (1, 100)), (0.004, (4, 1000)), (0.00004, (1, 10_000)), (0.996, (996, 1000)), (0.999999, (9_999, 10_000))],
)
def test_a_probability_is_told_as_some_of_so_many_and_never_none_or_all(probability: float, told: tuple[int, int]) -> None:
    assert frequency(probability) == told
