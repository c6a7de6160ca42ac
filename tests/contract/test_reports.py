"""What every record keeps, the fake and a validating FHIR server alike: one report a picture, and a clinician's act stands."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tocsin.errors import Deferred, ReportDeleted, ReportOfAnother
from tocsin.image.taken import Days, Taken
from tocsin.report.resources.compose import Issuer
from tocsin.report.types import Report, StoredReport

from tests.builders import RANK, card, grounds_on
from tests.support.records import (
    GROUNDS,
    NOW,
    FhirRecord,
    Record,
    below,
    dark,
    high,
    of_kind,
    own_picture,
    replaced,
    report,
    signed,
    statuses,
)


def test_the_first_report_on_a_picture_is_preliminary(record: Record) -> None:
    first = report(record.mark)
    standing = record.reports.write(first)
    assert (standing.reference, standing.status) == (first.reference, "preliminary")
    [written] = record.standing()
    assert (written["status"], written["subject"]["reference"]) == ("preliminary", first.subject)


def test_the_same_report_again_changes_nothing(record: Record) -> None:
    first = record.reports.write(report(record.mark))
    before = record.standing()
    assert record.reports.write(report(record.mark)) == first
    assert record.standing() == before


def test_a_verdict_that_changes_while_nobody_has_read_it_replaces_the_report(record: Record) -> None:
    record.reports.write(report(record.mark, judged=dark))
    standing = record.reports.write(report(record.mark))
    assert (standing.status, standing.code) == ("preliminary", "high")
    assert len(record.standing()) == 1
    assert record.reports.write(report(record.mark)) == standing


def test_a_verdict_that_changes_after_a_clinician_acted_leaves_the_report_and_says_what_stands(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.finalise(report(record.mark))
    standing = record.reports.write(report(record.mark, judged=below))
    assert (standing.status, standing.code) == ("final", "high")


def test_what_a_clinician_signed_stays_signed(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.finalise(report(record.mark))
    before = record.standing()
    assert record.reports.write(report(record.mark)).status == "final"
    assert record.standing() == before
    assert before[0]["status"] == "final"


def test_another_patients_report_on_the_same_picture_is_not_written(record: Record) -> None:
    record.reports.write(report(record.mark))
    before = record.standing()
    with pytest.raises(ReportOfAnother):
        record.reports.write(report(record.mark, patient="p2"))
    assert record.standing() == before


def test_a_report_that_was_deleted_is_not_written_again(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.delete(report(record.mark))
    with pytest.raises(ReportDeleted):
        record.reports.write(report(record.mark))


def test_many_writers_of_the_same_report_at_once_leave_one(record: Record) -> None:
    def write(_number: int) -> str | None:
        with suppress(Deferred):
            return record.reports.write(report(record.mark)).status
        return None

    with ThreadPoolExecutor(8) as threads:
        answers = Counter(threads.map(write, range(8)))
    assert set(answers) <= {"preliminary", None}
    assert record.reports.write(report(record.mark)).status == "preliminary"
    assert len(record.standing()) == 1


def test_a_report_that_stands_on_the_same_grounds_is_recognised(record: Record) -> None:
    assert record.reports.find(own_picture(record.mark), GROUNDS).standing is None
    written = record.reports.write(report(record.mark))
    assert record.another().find(own_picture(record.mark), GROUNDS) == (written, True, None)
    assert written.mark == report(record.mark).mark


def test_a_report_that_stands_on_other_grounds_is_judged_again_and_recognised_afterwards(record: Record) -> None:
    first, again = report(record.mark), report(record.mark, grounds=grounds_on("0d"))
    record.reports.write(first)
    assert record.reports.find(own_picture(record.mark), grounds_on("0d")).standing is None
    written = record.reports.write(again)
    assert record.reports.find(own_picture(record.mark), grounds_on("0d")).standing == written
    assert len(record.standing()) == 1


def test_a_report_that_a_clinician_signed_is_recognised_whatever_it_rests_on(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.finalise(report(record.mark))
    found = record.reports.find(own_picture(record.mark), grounds_on("0d")).standing
    assert found is not None
    assert (found.status, found.code, found.verbatim) == ("final", "high", True)


def test_another_patients_report_on_the_same_picture_is_not_recognised(record: Record) -> None:
    record.reports.write(report(record.mark))
    with pytest.raises(ReportOfAnother):
        record.reports.find(own_picture(record.mark, subject=f"Patient/p2-{record.mark}"), GROUNDS)


def test_an_undated_picture_that_has_to_be_judged_gets_the_time_that_an_earlier_report_on_its_bytes_states(record: Record) -> None:
    undated = own_picture(record.mark, taken=Taken(Days(None, NOW.date()), by_the_media=False))
    assert record.reports.find(undated, GROUNDS).told_at is None
    record.reports.write(report(record.mark))
    assert record.another().find(undated, GROUNDS).told_at is None
    assert record.another().find(undated, grounds_on("0d")) == (None, True, datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    assert record.another().find(replace(undated, content_sha256="cd" * 32), GROUNDS).told_at is None
    assert record.another().find(own_picture(record.mark), grounds_on("0d")).told_at is None


def test_a_report_that_was_deleted_is_not_found_and_refused_however_often_its_picture_is_judged(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.delete(report(record.mark))
    assert record.another().find(own_picture(record.mark), GROUNDS) == (None, True, None)
    with pytest.raises(ReportDeleted):
        record.another().write(report(record.mark))


def test_a_single_report_settles_into_itself(record: Record) -> None:
    written = record.reports.write(report(record.mark))
    assert record.reports.supersede_older(written, NOW) == [written]
    assert record.reports.refresh(written) == written
    assert record.changes(report(record.mark)) == 1


@pytest.mark.parametrize("first", ["older", "newer"])
@pytest.mark.parametrize("settling", ["older", "newer", "both"])
def test_of_two_reports_on_one_media_the_newer_picture_stands_whoever_writes_and_looks_first(
    record: Record, first: str, settling: str
) -> None:
    made = {"older": report(record.mark), "newer": replaced(record.mark, now=NOW - timedelta(minutes=20))}
    processes = {name: record.another() for name in made}
    written = {name: processes[name].write(made[name]) for name in sorted(made, reverse=first == "older")}
    told = {name: processes[name].supersede_older(written[name], NOW) for name in made if settling in (name, "both")}
    assert statuses(record) == {made["older"].reference: "entered-in-error", made["newer"].reference: "preliminary"}
    for name, [own, *gave_way] in told.items():
        assert own.reference == made[name].reference
        assert {each.reference: (each.status, each.superseded_by) for each in (own, *gave_way) if each.superseded_by} == {
            made["older"].reference: ("entered-in-error", made["newer"].reference)
        }


def test_settling_again_changes_nothing_and_tells_the_same(record: Record) -> None:
    older, newer = report(record.mark), replaced(record.mark)
    record.reports.write(older)
    written = record.reports.write(newer)
    first = record.reports.supersede_older(written, NOW)
    assert record.another().supersede_older(written, NOW + timedelta(minutes=1)) == first
    assert (record.changes(older), record.changes(newer)) == (2, 1)


def test_a_report_that_gave_way_is_recognised_and_never_comes_back_by_itself(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.reports.supersede_older(record.reports.write(replaced(record.mark)), NOW)
    found = record.reports.find(own_picture(record.mark), GROUNDS).standing
    assert found is not None
    assert (found.status, found.superseded_by) == ("entered-in-error", replaced(record.mark).reference)
    assert record.reports.write(report(record.mark)) == found
    assert record.reports.supersede_older(found, NOW) == [found]


def test_a_picture_that_is_given_back_to_its_media_is_reported_again(record: Record) -> None:
    record.reports.write(report(record.mark))
    record.reports.supersede_older(record.reports.write(replaced(record.mark)), NOW)
    later = NOW + timedelta(hours=1)
    assert record.reports.find(own_picture(record.mark, as_of=later), GROUNDS).standing is None
    back = record.reports.write(report(record.mark, as_of=later, now=later))
    [own, gave_way] = record.reports.supersede_older(back, later)
    assert (own.status, own.superseded_by) == ("preliminary", None)
    assert (gave_way.reference, gave_way.superseded_by) == (replaced(record.mark).reference, own.reference)
    assert record.reports.supersede_older(back, later) == [own, gave_way]


EARLIER, SEEN = timedelta(hours=1), NOW - timedelta(minutes=28)


def test_a_verdict_on_an_older_version_of_the_media_is_never_written_over_the_newer_ones(record: Record) -> None:
    newer = record.reports.write(report(record.mark, as_of=NOW))
    late: dict[str, Any] = {"as_of": NOW - EARLIER, "fetched": NOW + EARLIER}
    assert record.another().find(own_picture(record.mark, **late), grounds_on("0d")).standing == newer
    assert record.another().write(report(record.mark, judged=dark, **late)) == newer
    assert record.changes(report(record.mark)) == 1


def test_the_same_verdict_of_another_process_is_not_written_again(record: Record) -> None:
    first = record.reports.write(report(record.mark))
    again = report(record.mark, fetched=SEEN + EARLIER, now=NOW + EARLIER)
    assert record.another().write(again) == first
    assert record.changes(again) == 1


def test_a_picture_that_is_seen_again_under_the_same_version_of_its_media_takes_its_place_back(record: Record) -> None:
    record.reports.write(report(record.mark))
    other = report(record.mark, content_sha256="cd" * 32, fetched=SEEN + timedelta(minutes=2))
    record.reports.supersede_older(record.reports.write(other), NOW)
    later = SEEN + timedelta(minutes=3)
    assert record.reports.find(own_picture(record.mark, fetched=later), GROUNDS).standing is None
    [own, gave_way] = record.reports.supersede_older(record.reports.write(report(record.mark, fetched=later)), NOW)
    assert (own.status, own.superseded_by) == ("preliminary", None)
    assert (gave_way.reference, gave_way.superseded_by) == (other.reference, own.reference)


def test_a_report_that_a_stalled_process_brings_back_gives_way_again(record: Record) -> None:
    record.reports.write(report(record.mark))
    other = report(record.mark, content_sha256="cd" * 32, fetched=SEEN + timedelta(minutes=2))
    record.reports.supersede_older(record.reports.write(other), NOW)
    stalled = record.another().write(report(record.mark, fetched=SEEN + timedelta(minutes=1)))
    [own] = record.another().supersede_older(stalled, NOW)
    assert (own.status, own.superseded_by) == ("entered-in-error", other.reference)
    assert statuses(record)[other.reference] == "preliminary"


def test_a_report_that_a_clinician_signed_never_gives_way(record: Record) -> None:
    older, newer = report(record.mark), replaced(record.mark)
    record.reports.write(older)
    record.finalise(older)
    assert [each.status for each in record.reports.supersede_older(record.reports.write(newer), NOW)] == ["preliminary"]
    assert statuses(record) == {older.reference: "final", newer.reference: "preliminary"}


def test_a_report_on_a_picture_older_than_the_one_that_a_clinician_signed_gives_way(record: Record) -> None:
    newer = replaced(record.mark)
    record.reports.write(newer)
    record.finalise(newer)
    [late] = record.reports.supersede_older(record.reports.write(report(record.mark)), NOW)
    assert (late.status, late.superseded_by) == ("entered-in-error", newer.reference)


def test_of_three_pictures_of_one_media_the_last_stands(record: Record) -> None:
    last = report(record.mark, content_sha256="ef" * 32, as_of=NOW + timedelta(hours=1))
    for each in (report(record.mark), last, replaced(record.mark)):
        record.reports.supersede_older(record.reports.write(each), NOW)
    assert statuses(record) == {
        report(record.mark).reference: "entered-in-error",
        replaced(record.mark).reference: "entered-in-error",
        last.reference: "preliminary",
    }


def test_a_report_tells_what_became_of_it_meanwhile(record: Record) -> None:
    older = record.reports.write(report(record.mark))
    record.another().supersede_older(record.another().write(replaced(record.mark)), NOW)
    assert record.reports.refresh(older).status == "entered-in-error"


def test_of_two_versions_side_by_side_the_newer_ones_report_holds_whichever_is_asked_last(record: Record) -> None:
    """As in a rolling update: the same event comes to the old deployment and to the new one, over and over."""
    rank = RANK._replace(edition=1)
    on = {"old": grounds_on("0c", rule="01", rank=rank), "new": grounds_on("0c", rule="02", rank=rank._replace(edition=2))}
    processes = {"old": record.reports, "new": record.another()}
    told = list[tuple[str, str]]()
    for number, name in enumerate(["old", "new", "old", "new", "old"]):
        fetched = SEEN + timedelta(minutes=number)
        found = processes[name].find(own_picture(record.mark, fetched=fetched), on[name]).standing
        made = report(record.mark, grounds=on[name], judged=high if name == "old" else below, fetched=fetched)
        [own] = processes[name].supersede_older(found or processes[name].write(made), NOW)
        told.append((name, own.code))
    assert [code for _, code in told] == ["high", *["below-threshold"] * 4]
    assert record.changes(report(record.mark)) == 2
    assert len(record.standing()) == 1


@pytest.mark.parametrize("newer_first", [True, False])
def test_two_versions_that_write_at_once_leave_the_newer_ones_report(record: Record, newer_first: bool) -> None:
    old, new = (grounds_on("0c", rule=f"0{number}", rank=RANK._replace(edition=number)) for number in (1, 2))
    both = [report(record.mark, grounds=new, judged=below), report(record.mark, grounds=old)]
    for made in both if newer_first else reversed(both):
        record.another().write(made)
    [own] = record.reports.supersede_older(record.reports.refresh(record.reports.write(both[1])), NOW)
    assert (own.status, own.code) == ("preliminary", "below-threshold")


def test_a_model_that_runs_beside_its_newer_version_gives_way_for_good(fhir_record: FhirRecord) -> None:
    newer = Issuer(card(version="4"), fhir_record.issuer.source)
    old, new = report(fhir_record.mark), report(fhir_record.mark, issuer=newer)
    writers = [fhir_record.writer(), fhir_record.writer(newer)]
    for writer, made in zip(writers, (old, new), strict=True):
        writer.supersede_older(writer.write(made), NOW)
    later = own_picture(fhir_record.mark, fetched=SEEN + EARLIER)
    found = writers[0].find(later, GROUNDS).standing
    assert found is not None
    assert (found.status, found.superseded_by) == ("entered-in-error", new.reference)
    fhir_record.fhir.put(fhir_record.read(new.reference) | {"status": "cancelled"})
    assert writers[0].find(later, GROUNDS).standing is None


@pytest.mark.parametrize("card_changes", [{"version": "4"}, {"name": "another"}], ids=["version", "model"])
def test_a_new_version_of_a_model_takes_the_place_of_the_old_and_another_model_stands_beside_it(
    fhir_record: FhirRecord, card_changes: dict[str, str]
) -> None:
    other = Issuer(card(**card_changes), fhir_record.issuer.source)
    old, new = report(fhir_record.mark), report(fhir_record.mark, issuer=other, fetched=NOW)
    fhir_record.reports.write(old)
    writer = fhir_record.writer(other)
    writer.supersede_older(writer.write(new), NOW)
    gave_way = "entered-in-error" if "version" in card_changes else "preliminary"
    assert statuses(fhir_record) == {old.reference: gave_way, new.reference: "preliminary"}


def test_another_installations_report_on_the_same_media_stands_beside_ours(fhir_record: FhirRecord) -> None:
    other = Issuer(card(), f"{fhir_record.issuer.source}:other")
    fhir_record.writer(other).write(report(fhir_record.mark, issuer=other))
    fhir_record.reports.supersede_older(fhir_record.reports.write(replaced(fhir_record.mark)), NOW)
    assert set(statuses(fhir_record).values()) == {"preliminary"}


def test_a_report_that_gave_way_is_in_error_with_its_parts_and_its_provenance_names_its_successor(fhir_record: FhirRecord) -> None:
    older, newer = report(fhir_record.mark), replaced(fhir_record.mark)
    fhir_record.reports.write(older)
    fhir_record.reports.supersede_older(fhir_record.reports.write(newer), NOW)
    withdrawn = {entry["request"]["url"] for entry in older.bundle["entry"] if entry["resource"]["resourceType"] != "Provenance"}
    assert {fhir_record.read(reference)["status"] for reference in withdrawn} == {"entered-in-error"}
    [provenance] = [each for each in fhir_record.search(f"Provenance?target={older.reference}") if "activity" in each]
    assert {each["reference"] for each in provenance["target"]} == withdrawn
    assert [each["what"]["reference"] for each in provenance["entity"]] == [newer.reference]
    assert [each["id"] for each in fhir_record.search(f"Provenance?entity={newer.reference}")] == [provenance["id"]]
    assert {each["meta"]["versionId"] for each in (fhir_record.read(reference) for reference in withdrawn)} == {"2"}


def test_a_report_of_which_a_clinician_signed_a_part_never_gives_way(fhir_record: FhirRecord) -> None:
    older = report(fhir_record.mark)
    fhir_record.reports.write(older)
    signed(fhir_record, f"Observation/{of_kind(older, 'Observation')['id']}")
    fhir_record.reports.supersede_older(fhir_record.reports.write(replaced(fhir_record.mark)), NOW)
    assert set(statuses(fhir_record).values()) == {"preliminary"}


def test_two_processes_that_write_two_pictures_of_one_media_at_once_leave_the_newer_one(fhir_record: FhirRecord) -> None:
    """As a worker does it: write, then settle, and again from the start where the record says that another was quicker."""

    def settled(made: Report) -> list[StoredReport]:
        process = fhir_record.writer()
        for _attempt in range(10):
            with suppress(Deferred):
                return process.supersede_older(process.write(made), NOW)
        raise AssertionError("deferred ten times")

    for pair in range(6):
        content, as_of = f"{pair:064x}", NOW + timedelta(hours=pair)
        older = report(fhir_record.mark, content_sha256=content, as_of=as_of)
        newer = report(fhir_record.mark, content_sha256=content[::-1].replace("0", "a"), as_of=as_of + timedelta(minutes=1))
        with ThreadPoolExecutor(2) as threads:
            told = list(threads.map(settled, (older, newer)))
        found = statuses(fhir_record)
        assert (found[older.reference], found[newer.reference]) == ("entered-in-error", "preliminary")
        assert any(each.reference == older.reference and each.superseded_by for both in told for each in both)


def test_a_mark_that_another_program_dropped_makes_a_report_be_judged_again(fhir_record: FhirRecord) -> None:
    made = report(fhir_record.mark)
    fhir_record.reports.write(made)
    bare = {name: value for name, value in fhir_record.read(made.reference).items() if name != "extension"}
    fhir_record.fhir.put(bare)
    assert fhir_record.reports.find(own_picture(fhir_record.mark), GROUNDS).standing is None
    assert fhir_record.reports.write(made).mark == made.mark
    assert fhir_record.reports.refresh(fhir_record.reports.write(made)).mark == made.mark
