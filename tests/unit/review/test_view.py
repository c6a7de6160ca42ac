"""What the review page shows of one report, and when it shows nothing."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tocsin.errors import (
    ReportOfAnother,
    SubjectMismatch,
    SubjectMissing,
    SubjectNotAPatient,
    SubjectUnresolved,
)
from tocsin.fhir.canonical import MARK
from tocsin.fhir.datatypes import Json
from tocsin.fhir.reference import RELATIVE
from tocsin.model_limits import Known
from tocsin.report.words import Wording
from tocsin.review.shown import Sources, View
from tocsin.review.view import check_one_patient, lesion_of, person, view
from tocsin.serve.page.words import Words
from tocsin.serve.worklist.reading import person as person_listed

from tests.builders import card
from tests.fakes.page import TRUNK, Clinic, clinic, media_of, not_assessable, patient

CONTENT = b"\xff\xd8\xff picture"


def sources(made: Clinic, **changes: Any) -> Sources:
    """All that the record of this clinic holds of its one report."""
    found = made.record.resources
    results = [found[each["reference"]] for each in made.report.get("result", [])]
    pictures = [each for each in found.values() if each["resourceType"] == "Media"]
    one = {"report": made.report, "media": found["Media/page-m1"], "patient": found["Patient/page-p1"]}
    whole = {**one, "results": results, "pictures": pictures}
    return Sources(**(whole | changes))


def shown(made: Clinic, **changes: Any) -> View:
    """The view of it."""
    return view(sources(made, **changes), RELATIVE, lambda version: made.card if version == made.card.version else None)


def told(made: Clinic) -> Words:
    """The page's words, which make its tables."""
    return Words(Wording(made.card, "en"), ZoneInfo("Europe/Berlin"), made.ports().phrases)


def result(elements: Json) -> Json:
    """An Observation with these elements."""
    return {"resourceType": "Observation", "id": "o1"} | elements


class TestOnePatient:
    """Report, picture and chart must name one certain patient, or nothing is shown."""

    def test_all_of_one_patient_pass(self) -> None:
        made = clinic(CONTENT)
        assert check_one_patient(made.report, made.record.resources["Media/page-m1"], "Patient/page-p1", RELATIVE) == "Patient/page-p1"

    def test_outside_a_chart_the_report_names_the_patient(self) -> None:
        assert check_one_patient(clinic(CONTENT).report, None, None, RELATIVE) == "Patient/page-p1"

    def test_another_patients_chart_shows_nothing(self) -> None:
        with pytest.raises(SubjectMismatch):
            check_one_patient(clinic(CONTENT).report, None, "Patient/p2", RELATIVE)

    def test_a_picture_of_another_patient_shows_nothing(self) -> None:
        media = media_of("page-m1", CONTENT, subject={"reference": "Patient/p2"})
        with pytest.raises(SubjectMismatch):
            check_one_patient(clinic(CONTENT).report, media, "Patient/page-p1", RELATIVE)

    def test_another_picture_than_the_reports_shows_nothing(self) -> None:
        with pytest.raises(ReportOfAnother):
            check_one_patient(clinic(CONTENT).report, media_of("m2", CONTENT), "Patient/page-p1", RELATIVE)

    @pytest.mark.parametrize(
        ("subject", "error"),
        [
            (None, SubjectMissing),
            ({"reference": "Group/g1"}, SubjectNotAPatient),
            ({"reference": "#p1"}, SubjectUnresolved),
            ({"reference": "https://other.test/fhir/Patient/page-p1"}, SubjectUnresolved),
        ],
    )
    @pytest.mark.parametrize("chart", ["Patient/page-p1", None])
    def test_a_report_of_nobody_certain_shows_nothing(self, subject: Json | None, error: type[Exception], chart: str | None) -> None:
        report = clinic(CONTENT).report | {"subject": subject}
        with pytest.raises(error):
            check_one_patient(report, None, chart, RELATIVE)


class TestFinding:
    """What the model said, by the mark, whatever was made of it since."""

    def test_a_flag_has_its_band_score_and_threshold(self) -> None:
        finding = shown(clinic(CONTENT)).finding
        assert finding is not None
        assert finding.band is not None
        assert (finding.band.code, finding.score, finding.flagged) == ("raised", 0.17, True)

    def test_what_cannot_be_assessed_has_no_score_and_no_classes(self) -> None:
        found = shown(clinic(CONTENT, not_assessable()))
        assert found.finding is not None
        assert (found.finding.assessable, found.finding.score, found.finding.flagged) == (False, None, False)
        assert found.said is not None
        assert (found.said.assessed, found.said.classes) == (False, ())

    def test_another_conclusion_leaves_what_the_model_said(self) -> None:
        made = clinic(CONTENT)
        made.changed(conclusionCode=[{"text": "Naevus"}], status="amended")
        assert (found := shown(made).said) is not None
        assert (found.code, found.score, Wording(made.card, "en").of(found).result) == ("raised", 0.17, "Raised")

    def test_a_report_without_its_mark_has_no_finding(self) -> None:
        made = clinic(CONTENT)
        made.changed(extension=[each for each in made.report["extension"] if each["url"] != MARK])
        assert (shown(made).finding, shown(made).said) == (None, None)

    def test_without_the_models_card_only_the_report_speaks(self) -> None:
        made = clinic(CONTENT)
        found = view(sources(made), RELATIVE, lambda _version: None)
        assert found.finding is not None
        assert found.said is not None
        assert (found.finding.band, found.said.display) == (None, "Raised")
        assert {each.malignant for each in Wording(card(), "en").of(found.said).classes} == {None}

    def test_every_class_of_the_card_stands_in_one_table_the_highest_first(self) -> None:
        made = clinic(CONTENT)
        rows = told(made).classes(shown(made))
        assert {each.name for each in rows} == {each.display for each in made.card.output.classes}
        shares = [-1 if each.share is None else each.share for each in rows]
        assert shares == sorted(shares, reverse=True)
        assert [each.name for each in rows if each.malignant] == [
            "Melanoma",
            "Actinic keratosis or intraepithelial carcinoma",
            "Basal cell carcinoma",
        ]

    def test_a_class_may_stand_in_a_component_and_in_per_cent(self) -> None:
        code = {"coding": [{"system": "urn:tocsin:finding-score", "code": "sklesion-df", "display": "Dermatofibroma"}]}
        whole = {"coding": [{"system": "urn:tocsin:finding-score", "code": "malignancy"}]}
        part = {"code": code, "valueQuantity": {"value": 1.5, "code": "%"}}
        made = clinic(CONTENT)
        found = shown(made, results=[result({"code": whole, "valueQuantity": {"value": 0.17}, "component": [part]})])
        assert [(each.name, each.share) for each in told(made).classes(found) if each.share is not None] == [("Dermatofibroma", 0.015)]

    @pytest.mark.parametrize("value", [{}, {"value": True}, {"value": "0.5"}, {"value": 1.5}, {"value": -0.1}])
    def test_what_is_no_share_is_no_score(self, value: Json) -> None:
        code = {"coding": [{"system": "urn:tocsin:finding-score", "code": "sklesion-df"}]}
        made = clinic(CONTENT)
        rows = told(made).classes(shown(made, results=[result({"code": code, "valueQuantity": value})]))
        assert {each.share for each in rows} == {None}
        assert len(rows) == len(made.card.output.classes)

    def test_a_class_that_the_report_does_not_hold_has_no_score(self) -> None:
        made = clinic(CONTENT)
        assert {each.share for each in told(made).classes(shown(made, results=()))} == {None}

    def test_a_withdrawn_result_shows_no_picture(self) -> None:
        made = clinic(CONTENT)
        made.changed(status="entered-in-error")
        made.record.keep(media_of("m0", CONTENT, day="2025-01-01"))
        found = shown(made)
        assert (found.in_error, found.picture, found.earlier) == (True, None, ())

    def test_a_withdrawn_picture_is_not_shown(self) -> None:
        assert shown(clinic(CONTENT), media=media_of("page-m1", CONTENT, status="entered-in-error")).picture is None


class TestEarlierPictures:
    """Only what the record itself says is the same lesion, or the same site, stands beside a picture."""

    @pytest.mark.parametrize(
        ("other", "same"),
        [
            (media_of("m0", CONTENT, day="2025-06-01"), True),
            (media_of("m0", CONTENT, lesion=None, day="2025-06-01"), False),
            (media_of("m0", CONTENT, day="2024"), True),
        ],
    )
    def test_is_offered_and_says_whether_it_is_the_lesion(self, other: Json, same: bool) -> None:
        found = shown(clinic(CONTENT), pictures=[other])
        assert [(each.media, each.same_lesion) for each in found.earlier] == [("Media/m0", same)]

    @pytest.mark.parametrize(
        "other",
        [
            media_of("m0", CONTENT, lesion="l2", day="2025-06-01"),
            media_of("m0", CONTENT, day="2026-03-02"),
            media_of("m0", CONTENT, day="2025-06-01", status="entered-in-error"),
            media_of("m0", CONTENT, day="2025-06-01", subject={"reference": "Patient/p2"}),
            media_of(
                "m0", CONTENT, lesion=None, day="2025-06-01", bodySite={"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}
            ),
            media_of("page-m1", CONTENT, day="2025-06-01"),
        ],
        ids=["another lesion", "later", "withdrawn", "another patient", "another site", "itself"],
    )
    def test_is_not_offered(self, other: Json) -> None:
        assert shown(clinic(CONTENT), pictures=[other]).earlier == ()

    def test_the_lesion_stands_before_the_site_and_the_newer_before_the_older(self) -> None:
        pictures = [
            media_of("site", CONTENT, lesion=None, day="2026-02-01"),
            media_of("old", CONTENT, day="2020-01-01"),
            media_of("new", CONTENT, day="2025-01-01"),
        ]
        assert [each.id for each in shown(clinic(CONTENT), pictures=pictures).earlier] == ["new", "old", "site"]

    def test_dicoms_tracking_uid_names_a_lesion_too(self) -> None:
        media = {"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]}
        assert lesion_of(media, RELATIVE) == "urn:oid:1.2.3"


class TestKnown:
    """What limits may ask for."""

    def test_age_site_and_modality_come_from_the_record(self) -> None:
        assert shown(clinic(CONTENT)).known == Known((64, 64), frozenset({"22943007"}), frozenset({"DMS"}))

    def test_whoever_may_not_read_the_patient_knows_no_age(self) -> None:
        assert shown(clinic(CONTENT), patient=None).known.ages is None

    def test_nothing_is_known_without_the_picture(self) -> None:
        assert shown(clinic(CONTENT), media=None).known == Known()


class TestBanner:
    """Whose picture it is."""

    def test_takes_the_official_name_and_the_record_number(self) -> None:
        names = [{"use": "maiden", "family": "Alt"}, {"use": "official", "given": ["Eva", "Maria"], "family": "Neu"}]
        found = person(patient(name=names))
        assert (found.name, found.identifier, found.sex, str(found.born)) == ("Eva Maria Neu", "MRN-4711", "female", "1961-05-04")

    def test_takes_no_name_or_number_that_is_old_as_after_a_marriage_or_a_merge(self) -> None:
        medical = {"coding": [{"code": "MR"}]}
        names = [{"use": "official", "family": "Alt", "period": {"end": "2001-05-01"}}, {"use": "usual", "family": "Neu"}]
        numbers = [{"use": "old", "type": medical, "value": "MRN-1"}, {"type": medical, "value": "MRN-2"}]
        for stated, number in ((numbers, "MRN-2"), (numbers[:1], "")):
            found, listed = (read(patient(name=names, identifier=stated)) for read in (person, person_listed))
            assert (found.name, found.identifier, listed.name, listed.identifier) == ("Neu", number, "Neu", number)

    def test_states_no_birthday_that_is_not_a_day(self) -> None:
        assert person(patient(birthDate="1961")).born is None

    def test_says_nothing_where_nothing_is_stated(self) -> None:
        found = person({"resourceType": "Patient", "id": "page-p1"})
        assert (found.name, found.identifier, found.sex, found.born) == ("", "", "", None)


def test_the_site_is_the_records_own() -> None:
    assert (picture := shown(clinic(CONTENT)).picture) is not None
    assert picture.site["coding"] == TRUNK["coding"]
