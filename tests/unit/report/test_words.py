"""A person reads the same of a report wherever it stands: composed, in the record, in the other language, by an older Tocsin."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from tocsin.fhir.canonical import BODY_STRUCTURE, SNOMED
from tocsin.fhir.datatypes import Json
from tocsin.image.taken import Days, Taken
from tocsin.model_card import read_card
from tocsin.report.lesion import lesion_at
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.readback import said_in
from tocsin.report.resources.status import with_status
from tocsin.report.said import rounded
from tocsin.report.types import Report
from tocsin.report.words import ReportWords, Wording, picture_of
from tocsin.risk.judge import judge
from tocsin.words.catalogue import catalogue

from schemas.reports import calibrated, examples
from tests.builders import card, findings, picture
from tests.support.records import BODY_SITE, SKLESION
from tests.unit.report.resources.test_compose import BELOW, CALIBRATED, DARK, HIGH, ISSUER, report, resources

REFERENCE = read_card(SKLESION)
ENGLISH, GERMAN = Wording(REFERENCE, "en"), Wording(REFERENCE, "de")


def stored(made: Report) -> tuple[Json, list[Json]]:
    """The report and its Observations as a server gives them."""
    resource, *parts = (orjson.loads(orjson.dumps(entry["resource"])) for entry in made.bundle["entry"])
    return resource, parts


def read(made: Report, wording: Wording, body_site: Any = None) -> ReportWords:
    resource, parts = stored(made)
    return wording.of(said_in(resource, parts, {"bodySite": body_site}))


@pytest.mark.parametrize("issuer", [ISSUER, CALIBRATED], ids=["score", "calibrated"])
@pytest.mark.parametrize("judged", ["high", "below-threshold", "not-assessable"])
def test_a_report_read_back_says_what_it_said_when_it_was_composed(judged: str, issuer: Issuer) -> None:
    judgement = {"high": HIGH, "below-threshold": BELOW, "not-assessable": DARK}[judged]
    composed = issuer.wording.of(issuer.saying.of(judgement, picture(body_site=BODY_SITE)))
    made = report(judgement, issuer, body_site=BODY_SITE)
    assert read(made, issuer.wording, BODY_SITE) == composed
    assert stored(made)[0]["conclusion"] == composed.conclusion


@pytest.mark.parametrize("name", examples())
def test_a_narrative_says_the_words_of_the_conclusion_and_that_it_is_ai(name: str) -> None:
    for entry in examples()[name]["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Provenance":
            continue
        root = ElementTree.fromstring(resource["text"]["div"])
        words = " ".join(" ".join(root.itertext()).split())
        language = catalogue(resource["language"])
        assert resource["text"]["status"] == "generated"
        assert language.say("AI result, not yet reviewed by a clinician.") in words
        if resource["resourceType"] == "DiagnosticReport":
            place, *sentences = resource["conclusion"].split(". ")
            assert [each for each in (place, *sentences) if each.rstrip(".") not in words and "1" not in each] == []


def test_whatever_stands_in_a_card_or_a_record_is_escaped_in_a_narrative() -> None:
    spoilt = Issuer(card(title="<script>alert('x')</script> & Co"), ISSUER.source)
    site = {"coding": [{"system": SNOMED, "code": "1", "display": "<b>Back</b>"}]}
    for resource in (entry["resource"] for entry in report(HIGH, spoilt, body_site=site).bundle["entry"]):
        if "text" in resource:
            root = ElementTree.fromstring(resource["text"]["div"])
            assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {"div", "p", "b", "table", "tr", "th", "td"}
            assert "<b>Back</b>" in "".join(root.itertext())


def test_a_score_below_a_threshold_never_reads_as_if_it_reached_it() -> None:
    near = judge(findings(mel=0.0999, bcc=0.0, nv=0.9001), ISSUER.card)
    words = ISSUER.wording.of(ISSUER.saying.of(near, picture()))
    assert (words.result, words.score, words.thresholds) == ("Below threshold", "Malignancy score 0.099", "Raised from 0.1, High from 0.5")
    assert ISSUER.wording.number(0.3, calibrated=False) == "0.300"
    assert all(ISSUER.wording.number(n / 1000, calibrated=False) == f"{n / 1000:.3f}" for n in range(1001))
    assert all(CALIBRATED.wording.number(rounded(n / 1000), calibrated=True) == f"{n / 10:.1f} %" for n in range(1001))


@pytest.mark.parametrize(
    ("site", "said"),
    [
        (None, "Body site not stated"),
        ({"text": "left arm of Mrs Jones"}, "Body site not stated"),
        ({"coding": [{"system": SNOMED, "code": "22943007", "display": "Trunk structure"}]}, "Trunk"),
        ({"coding": [{"system": SNOMED, "code": "7771000"}, {"system": SNOMED, "code": "53120007"}]}, "Arm, left"),
        ({"coding": [{"system": SNOMED, "code": "368208006", "display": "Left upper arm structure"}]}, "Left upper arm structure"),
        ({"coding": [{"system": "urn:site", "code": "a7"}]}, "a7"),
        (
            {
                "coding": [{"system": SNOMED, "code": "77568009"}],
                "extension": [{"url": BODY_STRUCTURE, "valueReference": {"reference": "BodyStructure/naevus-2"}}],
            },
            "Back, lesion naevus-2",
        ),
        ({"extension": [{"url": BODY_STRUCTURE, "valueReference": {"identifier": {"value": "two words"}}}]}, "Body site not stated"),
    ],
    ids=["none", "words-alone", "known", "side", "precoordinated", "local", "lesion", "no-identifier"],
)
def test_the_conclusion_names_the_lesion_as_far_as_codes_do(site: dict[str, Any] | None, said: str) -> None:
    assert lesion_at(site).words(catalogue("en")) == said
    [diagnostic] = resources(report(HIGH, body_site=site), "DiagnosticReport")
    assert diagnostic["conclusion"].startswith(f"{said}, picture of March 1, 2026. ")
    assert read(report(HIGH, body_site=site), ENGLISH, site).where == said


@pytest.mark.parametrize(
    ("effective", "english", "german"),
    [
        ({"DateTime": "2026-03-01T23:30:00-05:00"}, "picture of March 1, 2026", "Bild vom 1. März 2026"),
        ({"DateTime": "2026-03"}, "picture of March 2026", "Bild von März 2026"),
        ({"DateTime": "2026"}, "picture of 2026", "Bild von 2026"),
        (
            {"Period": {"start": "2026-02", "end": "2026-03-01"}},
            "picture taken from February 2026 to March 1, 2026",
            "Bild aus der Zeit von Februar 2026 bis 1. März 2026",
        ),
        ({"Period": {"start": "2026"}}, "picture taken on or after 2026", "Bild frühestens von 2026"),
        ({"Period": {"end": "2026"}}, "picture taken on or before 2026", "Bild spätestens von 2026"),
        ({}, "picture of unknown date", "Bild ohne Datum"),
    ],
)
def test_a_picture_is_dated_by_the_calendar_of_its_place_as_exactly_as_the_record_does(
    effective: dict[str, Any], english: str, german: str
) -> None:
    assert (picture_of(effective, catalogue("en")), picture_of(effective, catalogue("de"))) == (english, german)
    assert read(report(HIGH, taken=Taken(Days(None, None), effective)), ENGLISH).when == english


def test_a_stored_report_is_read_in_the_readers_language() -> None:
    german, english = Issuer(REFERENCE, ISSUER.source, "de"), Issuer(REFERENCE, ISSUER.source)
    made = examples()["raised"]
    resource, *parts = (entry["resource"] for entry in made["entry"])
    words = german.wording.of(said_in(resource, parts))
    assert (words.result, words.score, words.classes[0].name) == ("Erhöht", "Malignitätsscore 0,017", "Melanozytärer Nävus")
    assert words.conclusion == examples()["german-raised"]["entry"][0]["resource"]["conclusion"]
    back = english.wording.of(said_in(*_of("german-raised")))
    assert back.conclusion == resource["conclusion"]


def _of(name: str) -> tuple[Json, list[Json]]:
    resource, *parts = (entry["resource"] for entry in examples()[name]["entry"])
    return resource, parts


def test_of_another_models_report_the_records_own_words_are_said() -> None:
    other = Wording(card(version="9"), "en")
    resource, parts = stored(report(HIGH))
    words = other.of(said_in(resource, parts))
    assert (words.result, words.meaning, words.thresholds) == ("High", "", "Raised from 0.1, High from 0.5")
    assert words.classes[0] == ("reader-mel", "Melanoma", "Melanoma", "0.600", None)


def test_a_report_of_before_there_were_narratives_is_read_by_its_mark() -> None:
    """As Tocsin wrote it until then: no language, no Observation of the score, a class's number with the unit `probability`."""
    resource, parts = stored(report(HIGH))
    old = {name: value for name, value in resource.items() if name not in ("language", "text")}
    then = [
        {name: value for name, value in each.items() if name != "text"} | {"valueQuantity": each["valueQuantity"] | {"unit": "probability"}}
        for each in parts[1:]
        if each["resourceType"] == "Observation"
    ]
    words = ISSUER.wording.of(said_in(old, then))
    assert (words.result, words.score, words.thresholds) == ("High", "Malignancy score 0.700", "")
    assert [each.code for each in words.classes] == ["mel", "bcc"]


def test_a_conclusion_that_a_clinician_wrote_is_what_stands_first() -> None:
    resource, parts = stored(report(HIGH))
    own = resource | {"status": "amended", "conclusion": "Seen: naevus.", "conclusionCode": [{"text": "Naevus"}]}
    words = ISSUER.wording.of(said_in(own, parts))
    assert (words.result, words.score, words.review) == ("Seen: naevus.", "", "AI result, reviewed by a clinician.")


@pytest.mark.parametrize("status", ["final", "amended", "entered-in-error", "cancelled", "unknown"])
@pytest.mark.parametrize("name", ["raised", "not-assessable", "german-raised"])
def test_words_follow_the_status_and_come_back_with_it(name: str, status: str) -> None:
    for entry in examples()[name]["entry"][:-1]:
        resource = entry["resource"]
        changed = with_status(resource, status)
        assert catalogue(resource["language"]).say("AI result, not yet reviewed by a clinician.") not in orjson.dumps(changed).decode()
        assert with_status(changed, "preliminary") == resource


def test_words_that_a_clinician_wrote_stay_whatever_the_status() -> None:
    assert with_status({"resourceType": "DiagnosticReport", "conclusion": "Seen."}, "final")["conclusion"] == "Seen."


def test_an_uncalibrated_card_reads_a_calibrated_report_as_what_it_was() -> None:
    words = Wording(REFERENCE, "en").of(said_in(*_of("calibrated")))
    assert words == Wording(calibrated(REFERENCE), "en").of(said_in(*_of("calibrated")))
    assert (words.score, words.thresholds, words.scale) == ("Probability of malignancy 17.5 %", "Raised from 1.1 %, High from 50 %", "")
