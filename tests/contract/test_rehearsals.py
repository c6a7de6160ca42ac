"""What every record keeps when a rehearsal is over, the fake and a validating FHIR server alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.support.records import GROUNDS, NOW, FhirRecord, Record, dark, of_kind, own_picture, report, signed

FIRST, SECOND = replace(GROUNDS, rehearsal="r-1"), replace(GROUNDS, rehearsal="r-2")


def test_a_rehearsals_report_is_found_read_taken_back_once_and_judged_anew_by_the_next(record: Record) -> None:
    written = record.reports.write(report(record.mark, grounds=FIRST))
    [found] = record.rehearsals.on(written.media)
    assert found == written == record.rehearsals.read(written.reference)
    over = record.rehearsals.take_back(found, NOW)
    assert (over.status, over.rehearsed) == ("entered-in-error", True)
    changes = record.changes(report(record.mark))
    assert record.rehearsals.take_back(found, NOW) == over == record.reports.refresh(written)
    assert record.changes(report(record.mark)) == changes
    assert record.reports.find(own_picture(record.mark), FIRST).standing == over
    assert record.reports.find(own_picture(record.mark), SECOND).standing is None
    again = record.reports.write(report(record.mark, grounds=SECOND))
    assert (again.status, again.rehearsed) == ("preliminary", False)
    assert record.rehearsals.take_back(again, NOW + timedelta(minutes=1)).rehearsed


def test_a_patients_own_event_writes_over_a_rehearsal_that_stands_and_no_rehearsal_over_it(record: Record) -> None:
    standing = record.reports.write(report(record.mark, grounds=FIRST))
    earnest = record.reports.write(report(record.mark))
    assert record.rehearsals.take_back(standing, NOW) == earnest
    over = record.rehearsals.take_back(record.reports.write(report(record.mark, judged=dark, grounds=SECOND)), NOW)
    assert over == earnest  # a rehearsal writes over no report in earnest
    assert record.another().find(own_picture(record.mark), GROUNDS).standing == earnest


def test_a_patients_own_event_writes_over_a_rehearsal_that_is_over(record: Record) -> None:
    over = record.rehearsals.take_back(record.reports.write(report(record.mark, grounds=FIRST)), NOW)
    assert record.another().find(own_picture(record.mark), GROUNDS).standing is None
    earnest = record.another().write(report(record.mark))
    assert (earnest.reference, earnest.status, earnest.rehearsed) == (over.reference, "preliminary", False)
    assert record.rehearsals.read(earnest.reference) == earnest


def test_a_clinicians_signature_under_a_rehearsal_stays(record: Record) -> None:
    written = record.reports.write(report(record.mark, grounds=FIRST))
    record.finalise(report(record.mark))
    assert record.rehearsals.take_back(written, NOW).status == "final"


def test_a_rehearsals_end_takes_all_parts_along_and_a_report_with_a_signed_part_stays(fhir_record: FhirRecord) -> None:
    made = report(fhir_record.mark, grounds=FIRST)
    over = fhir_record.rehearsals.take_back(fhir_record.reports.write(made), NOW)
    withdrawn = {entry["request"]["url"] for entry in made.bundle["entry"] if entry["resource"]["resourceType"] != "Provenance"}
    assert {fhir_record.read(reference)["status"] for reference in withdrawn} == {"entered-in-error"}
    [provenance] = [each for each in fhir_record.search(f"Provenance?target={made.reference}") if "activity" in each]
    assert {each["reference"] for each in provenance["target"]} == withdrawn
    assert provenance["reason"][0]["coding"][0]["code"] == "rehearsed"
    again = fhir_record.reports.write(report(fhir_record.mark, grounds=SECOND))
    assert {fhir_record.read(reference)["status"] for reference in withdrawn} == {"preliminary"}
    signed(fhir_record, f"Observation/{of_kind(made, 'Observation')['id']}")
    assert fhir_record.rehearsals.take_back(again, NOW).status == "preliminary"
    assert over.reference == again.reference
