"""A report says what was seen, by what, on which picture, in words read in five seconds; and it is FHIR."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tocsin.errors import ConfigurationError, ReportInvalid
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import BANDS, REPORT_RISK
from tocsin.fhir.datatypes import reference_to
from tocsin.image.taken import Days, Taken
from tocsin.image.types import Obstacle
from tocsin.model_card import ModelVersion
from tocsin.report.flag import Flag, flag_of
from tocsin.report.resources.bundle import transaction
from tocsin.report.resources.check import check_bundle
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.device import as_markdown, card_document, device
from tocsin.report.resources.identity import report_id
from tocsin.report.resources.mark import stored_report
from tocsin.report.resources.selfcheck import check_reports
from tocsin.report.types import Report
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement, Unassessable

from tests.builders import card, event_json, findings, grounds_on, picture

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
ISSUER = Issuer(card(), "urn:tocsin:site:test")
EVENT = ImagingEvent.model_validate(event_json(study="ImagingStudy/s1"))
HIGH = judge(findings(), ISSUER.card)
BELOW = judge(findings(mel=0.01, bcc=0.01, nv=0.98), ISSUER.card)
GROUNDS = grounds_on("cd")
DARK = Unassessable(Obstacle("too-dark", "The image is too dark."))


CALIBRATED = Issuer(card(calibration="probability", calibrated_on="1,000 pictures."), ISSUER.source)


def report(judgement: Judgement, issuer: Issuer = ISSUER, **changes: Any) -> Report:
    return compose(EVENT, picture(**changes), GROUNDS, judgement, issuer, NOW)


def resources(made: Report, kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in made.bundle["entry"] if entry["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("judgement", [HIGH, BELOW, DARK], ids=["high", "below-threshold", "not-assessable"])
def test_every_report_is_a_preliminary_labelled_fhir_transaction(judgement: Judgement) -> None:
    made = report(judgement, body_site={"coding": [{"system": "http://snomed.info/sct", "code": "22943007"}]})
    check_bundle(made.bundle)
    for entry in made.bundle["entry"]:
        resource = entry["resource"]
        assert [label["code"] for label in resource["meta"]["security"]] == ["AIAST"]
        assert resource.get("status", "preliminary") == "preliminary"


@pytest.mark.parametrize(
    "effective", [{"DateTime": "2019-05"}, {"Period": {"start": "2019", "end": "2020-02"}}, {}], ids=["month", "period", "unknown"]
)
def test_a_report_says_when_the_picture_was_taken_as_exactly_as_the_record_does(effective: dict[str, Any]) -> None:
    made = report(HIGH, taken=Taken(Days(None, None), effective))
    check_bundle(made.bundle)
    for kind, element in (("DiagnosticReport", "effective"), ("Observation", "effective"), ("RiskAssessment", "occurrence")):
        for resource in resources(made, kind):
            assert {name.removeprefix(element): resource[name] for name in resource if name.startswith(element)} == effective


def test_the_conclusion_says_what_it_means_the_score_and_that_no_clinician_saw_it() -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    assert diagnostic["conclusion"] == (
        "Body site not stated, picture of March 1, 2026. High. High. Malignancy score 0.700 (Raised from 0.1, High from 0.5). "
        "It is not known here how often such a score means cancer: it goes from 0 to 1 and is not a probability. "
        "Test reader, version 3, test-point. "
        "AI result, not yet reviewed by a clinician."
    )
    assert diagnostic["media"][0]["link"]["reference"] == "Media/m1"
    assert diagnostic["imagingStudy"] == [{"reference": "ImagingStudy/s1"}]


def test_a_picture_that_could_not_be_judged_never_looks_like_low_risk() -> None:
    made = report(DARK)
    [diagnostic] = resources(made, "DiagnosticReport")
    assert diagnostic["conclusion"] == (
        "Body site not stated, picture of March 1, 2026. Not assessable by AI. The image is too dark. This says nothing about the "
        "patient's risk: examine the lesion as if there were no AI. Test reader, version 3. AI result, not yet reviewed by a clinician."
    )
    [coding] = diagnostic["conclusionCode"][0]["coding"]
    assert (coding["code"], coding["display"]) == ("too-dark", "Image too dark")
    assert diagnostic["media"][0]["comment"] == "The image that could not be judged"
    assert not resources(made, "RiskAssessment")
    assert not resources(made, "Observation")


def test_a_score_that_nobody_calibrated_is_never_called_a_probability() -> None:
    made = report(HIGH)
    [risk] = resources(made, "RiskAssessment")
    [prediction] = risk["prediction"]
    assert "probabilityDecimal" not in prediction
    assert {each["system"] for each in prediction["qualitativeRisk"]["coding"]} == {BANDS}
    said = orjson.dumps(made.bundle).decode().lower().replace("is not a probability", "")
    assert "probability" not in said
    assert '"unit":"score"' in said


def test_a_probability_in_a_risk_assessment_is_a_percentage_as_fhir_r4_has_it() -> None:
    """ "Decimal values are expressed as percentages as well (max = 100)": 0.7 would read as 0.7 %."""
    made = report(judge(findings(), CALIBRATED.card), CALIBRATED)
    [risk] = resources(made, "RiskAssessment")
    assert [each["probabilityDecimal"] for each in risk["prediction"]] == [70.0, 60.0, 10.0]
    assert risk["prediction"][0]["qualitativeRisk"]["coding"][0]["code"] == "high"
    assert risk["prediction"][1]["outcome"]["coding"][0]["code"] == "93655004"


def test_one_report_has_one_scale_wherever_a_person_reads_it() -> None:
    made = report(judge(findings(), CALIBRATED.card), CALIBRATED)
    [diagnostic], observations = resources(made, "DiagnosticReport"), resources(made, "Observation")
    assert [(each["valueQuantity"]["value"], each["valueQuantity"]["code"]) for each in observations] == [(70, "%"), (60, "%"), (10, "%")]
    assert "Probability of malignancy 70.0 % (Raised from 10 %, High from 50 %)" in diagnostic["conclusion"]
    assert "score" not in diagnostic["conclusion"].lower()


def test_a_score_below_the_threshold_is_never_called_a_low_risk() -> None:
    made = report(BELOW)
    [risk] = resources(made, "RiskAssessment")
    total, *_ = resources(made, "Observation")
    assert {each["system"] for each in risk["prediction"][0]["qualitativeRisk"]["coding"]} == {BANDS}
    assert {each["system"] for each in total["interpretation"][0]["coding"]} == {BANDS}


def test_the_first_result_is_the_score_for_malignancy_with_its_thresholds_and_its_band() -> None:
    made = report(HIGH)
    [diagnostic] = resources(made, "DiagnosticReport")
    total, *_ = resources(made, "Observation")
    assert diagnostic["result"][0]["reference"] == reference_to(total)
    assert total["code"]["coding"][0]["code"] == "malignancy"
    assert total["valueQuantity"]["value"] == 0.7
    assert [each["code"] for each in total["interpretation"][0]["coding"]] == ["H", "high"]
    assert total["referenceRange"] == [{"text": "Raised from 0.1, High from 0.5; a score below is no all-clear"}]
    parts = [(each["code"]["coding"][0]["code"], each["valueQuantity"]["value"]) for each in total["component"]]
    assert parts == [("raised", 0.1), ("high", 0.5), ("reader-mel", 0.6), ("reader-bcc", 0.1), ("reader-nv", 0.3)]


def test_the_malignant_classes_and_the_likeliest_one_follow_each_with_its_score() -> None:
    made = report(BELOW)
    codes = [each["code"]["coding"][0]["code"] for each in resources(made, "Observation")]
    assert codes == ["malignancy", "reader-mel", "reader-bcc", "reader-nv"]


def test_a_report_names_its_risk_assessment_and_nothing_refers_in_a_circle() -> None:
    """A circle could be deleted by no server that holds references together, one resource at a time."""
    made = report(HIGH)
    [diagnostic], [risk] = resources(made, "DiagnosticReport"), resources(made, "RiskAssessment")
    assert {"url": REPORT_RISK, "valueReference": {"reference": reference_to(risk)}} in diagnostic["extension"]
    assert reference_to(diagnostic) not in orjson.dumps(risk).decode()


def test_reports_and_results_are_found_under_the_categories_of_the_site() -> None:
    site = Issuer(ISSUER.card, ISSUER.source, report_categories=("urn:site|derm",), result_categories=("urn:site|photo", "|plain"))
    for issuer, expected in ((ISSUER, (["LP29684-5", "RAD", "OTH"], ["imaging"])), (site, (["derm"], ["photo", "plain"]))):
        made = report(HIGH, issuer)
        check_bundle(made.bundle)
        for kind, codes in zip(("DiagnosticReport", "Observation"), expected, strict=True):
            assert [each["coding"][0]["code"] for each in resources(made, kind)[0]["category"]] == codes


def test_every_local_code_of_a_report_has_its_name_beside_it() -> None:
    for judgement in (HIGH, BELOW, DARK):
        for coding in codings_in(report(judgement).bundle):
            assert coding.get("display") or not coding["system"].startswith("urn:tocsin:"), coding


def codings_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every Coding with a system, however deep."""
    if isinstance(value, dict):
        if "system" in value and "code" in value and "value" not in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from codings_in(each)


def test_everything_a_bad_model_or_picture_touched_can_be_found_by_its_provenance() -> None:
    made = report(HIGH)
    [provenance] = resources(made, "Provenance")
    model = device(ISSUER.card, ISSUER.source)
    written = {f"{kind}/{each['id']}" for kind in ("DiagnosticReport", "Observation", "RiskAssessment") for each in resources(made, kind)}
    assert {each["reference"] for each in provenance["target"]} == written
    assert provenance["agent"][0]["who"]["reference"] == reference_to(model)
    assert [(each["role"], each["what"]["reference"].split("/")[0]) for each in provenance["entity"]] == [
        ("source", "Media"),
        ("derivation", "DocumentReference"),
    ]


def test_the_same_work_done_again_has_the_same_ids() -> None:
    first, second = report(HIGH), compose(EVENT, picture(), GROUNDS, HIGH, ISSUER, NOW.replace(hour=23))
    assert [entry["request"] for entry in first.bundle["entry"]] == [entry["request"] for entry in second.bundle["entry"]]


@pytest.mark.parametrize(
    "other",
    [
        ("urn:else", "Media/m1", "aa", ModelVersion("reader", "3")),
        ("urn:site", "Media/m2", "aa", ModelVersion("reader", "3")),
        ("urn:site", "Media/m1", "bb", ModelVersion("reader", "3")),
        ("urn:site", "Media/m1", "aa", ModelVersion("writer", "3")),
        ("urn:site", "Media/m1", "aa", ModelVersion("reader", "4")),
    ],
    ids=["installation", "media", "content", "model", "version"],
)
def test_another_installation_picture_content_model_or_version_is_another_report(other: tuple[str, str, str, ModelVersion]) -> None:
    assert report_id(*other) != report_id("urn:site", "Media/m1", "aa", ModelVersion("reader", "3"))


def _set(path: str, value: Any) -> Any:
    def change(bundle: dict[str, Any]) -> None:
        kind, element = path.split(".")
        target = next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind)
        target[element] = value

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        _set("DiagnosticReport.status", "bananas"),
        _set("DiagnosticReport.status", "final"),
        _set("DiagnosticReport.result", [{"reference": "Media/1"}]),
        _set("Observation.subject", {"reference": "Group/1"}),
        _set("RiskAssessment.prediction", "high"),
        lambda bundle: bundle["entry"][1].pop("request"),
    ],
    ids=["unknown-status", "status-of-a-clinician", "wrong-target", "subject-no-patient", "wrong-shape", "no-request"],
)
def test_what_is_not_fhir_is_caught_before_it_is_sent(spoil: Any) -> None:
    made = report(HIGH)
    spoil(made.bundle)
    with pytest.raises(ReportInvalid):
        check_bundle(made.bundle)


def test_the_model_card_goes_into_the_record_as_text_a_person_can_read() -> None:
    check_bundle(transaction([card_document(ISSUER.card, ISSUER.source), device(ISSUER.card, ISSUER.source)]))
    assert "It knows nothing." in as_markdown(ISSUER.card)


def test_a_card_whose_reports_would_not_be_fhir_is_found_out_before_the_first_event() -> None:
    check_reports(ISSUER)
    with pytest.raises(ConfigurationError, match=r"card of reader/3 does not say 'Melanoma' .*translations.de of the card"):
        check_reports(Issuer(ISSUER.card, ISSUER.source, "de"))
    with pytest.raises(ConfigurationError, match="not FHIR"):
        check_reports(Issuer(ISSUER.card.model_copy(update={"title": ""}), ISSUER.source))


def flag(judgement: Judgement, status: str = "preliminary") -> Flag:
    made = report(judgement)
    [diagnostic] = resources(made, "DiagnosticReport")
    standing = stored_report(diagnostic | {"status": status})
    return flag_of(EVENT, standing, made.mark, ISSUER, NOW)


def test_a_flag_repeats_the_report_in_codes_and_ids_alone() -> None:
    high, dark = flag(HIGH), flag(DARK)
    assert (high.outcome, high.band, high.flagged, high.probability, high.reason) == ("assessed", "high", True, 0.7, None)
    assert (dark.outcome, dark.band, dark.flagged, dark.probability, dark.reason) == ("not-assessable", None, False, None, "too-dark")
    assert (high.media, high.subject, high.study, high.model.version) == ("Media/m1", "Patient/p1", "ImagingStudy/s1", "3")
    assert high.id == dark.id


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_a_report_that_was_withdrawn_calls_nobody(status: str) -> None:
    withdrawn = flag(HIGH, status)
    assert (withdrawn.status, withdrawn.flagged) == (status, False)
