"""A rehearsal's report gives way to every other and takes the place of none; one that is over keeps nobody from judging."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from tocsin.fhir.datatypes import reference_to
from tocsin.report.precedence import newest, overtaken, recognised, rehearsing, replaceable, successor, untouched
from tocsin.report.resources.compose import compose
from tocsin.report.resources.mark import as_written, extension, stored_report
from tocsin.report.resources.supersede import end_of_rehearsal
from tocsin.report.types import Rank, StoredReport
from tocsin.report.words import REHEARSED

from tests.builders import grounds_on, picture
from tests.unit.report.resources.test_compose import EVENT, HIGH, ISSUER, NOW, resources
from tests.unit.report.resources.test_mark import AGAIN, GROUNDS, MARK, SAME, STANDING

FIRST, SECOND = replace(GROUNDS, rehearsal="r-1"), replace(GROUNDS, rehearsal="r-2")
REHEARSAL = replace(STANDING, mark=replace(MARK, rehearsal="r-1"))
OVER = replace(REHEARSAL, status="entered-in-error", rehearsed=True)
OLDER = (MARK.as_of - timedelta(days=1), MARK.fetched - timedelta(days=1))


def test_a_patients_own_event_writes_over_a_rehearsal_on_the_same_grounds_however_its_clock_goes() -> None:
    for recency in (OLDER, SAME, AGAIN):
        for found in (REHEARSAL, OVER):
            assert not recognised(found, GROUNDS, recency)
            assert replaceable(found, GROUNDS, recency)


def test_a_rehearsals_own_event_that_comes_again_makes_no_second_report_once_it_is_over() -> None:
    assert recognised(OVER, FIRST, AGAIN)
    assert not recognised(OVER, SECOND, AGAIN)


def test_a_rehearsals_event_that_comes_again_while_its_report_stands_is_recognised() -> None:
    assert recognised(REHEARSAL, FIRST, AGAIN)


@pytest.mark.parametrize(
    "found",
    [
        STANDING,
        replace(STANDING, mark=None),
        replace(STANDING, status="final"),
        replace(STANDING, status="entered-in-error"),
        replace(STANDING, status="entered-in-error", superseded_by="DiagnosticReport/r2"),
    ],
    ids=["preliminary", "without a mark", "final", "withdrawn", "gave way"],
)
def test_a_rehearsal_writes_over_no_report_in_earnest(found: StoredReport) -> None:
    others = replace(grounds_on("ef", rank=Rank(9, 9, 9)), rehearsal="r-1")
    later = (MARK.as_of + timedelta(days=1), MARK.fetched + timedelta(days=1))
    assert not replaceable(found, others, later)
    assert recognised(found, others, later)
    assert not overtaken(REHEARSAL, found, others, OLDER)


@pytest.mark.parametrize("status", ["final", "amended", "entered-in-error"])
def test_what_a_clinician_made_of_a_rehearsals_report_stays(status: str) -> None:
    acted = replace(REHEARSAL, status=status)
    assert recognised(acted, GROUNDS, AGAIN)
    assert recognised(acted, SECOND, AGAIN)
    assert not rehearsing(acted)


def test_a_report_in_earnest_never_gives_way_to_a_rehearsal_and_a_rehearsal_always_does() -> None:
    newer = replace(MARK, rehearsal="r-1", edition=9, as_of=MARK.as_of + timedelta(days=1), fetched=MARK.fetched + timedelta(days=1))
    rehearsal = replace(STANDING, reference="DiagnosticReport/r2", mark=newer)
    assert newest([STANDING, rehearsal]) == STANDING
    assert successor(STANDING, [rehearsal]) is None
    assert successor(rehearsal, [STANDING]) == STANDING
    withdrawn = replace(STANDING, status="cancelled")
    assert newest([withdrawn, rehearsal]) == rehearsal


def test_a_rehearsals_look_at_a_picture_decides_nothing_between_reports_in_earnest() -> None:
    other = replace(STANDING, reference="DiagnosticReport/r2", mark=replace(MARK, content_sha256="cd" * 32, as_of=NOW, fetched=NOW))
    later = replace(MARK, rehearsal="r-1", model_version="4", as_of=NOW + timedelta(days=1), fetched=NOW + timedelta(days=1))
    rehearsal = replace(STANDING, reference="DiagnosticReport/r3", mark=later)
    assert newest([STANDING, other, rehearsal]) == newest([STANDING, other]) == other


def test_parts_that_a_rehearsals_end_entered_in_error_were_not_touched_by_a_clinician() -> None:
    held = replace(OVER, parts=("Observation/o1",))
    assert untouched("Observation/o1", "entered-in-error", held)
    assert not untouched("Observation/o1", "entered-in-error", replace(held, rehearsed=False))
    assert not untouched("Observation/o1", "final", held)


def test_a_rehearsals_report_says_whose_it_is_to_programs_and_to_clinicians() -> None:
    made = compose(EVENT, picture(), FIRST, HIGH, ISSUER, NOW)
    [diagnostic] = resources(made, "DiagnosticReport")
    assert diagnostic["conclusion"].startswith(REHEARSED)
    read = stored_report(orjson.loads(orjson.dumps(diagnostic)))
    assert read.mark == made.mark
    assert read.mark is not None
    assert read.mark.rehearsal == "r-1"
    assert rehearsing(read)
    spoilt = extension(replace(made.mark, rehearsal="no id at all"))
    assert stored_report(diagnostic | {"extension": [spoilt]}).mark is None  # never taken for one in earnest


def test_a_rehearsals_end_is_read_back_and_its_provenance_says_why() -> None:
    made = compose(EVENT, picture(), FIRST, HIGH, ISSUER, NOW)
    report, *parts = (entry["resource"] | {"meta": {"versionId": "1"}} for entry in made.bundle["entry"])
    parts = [each for each in parts if each["resourceType"] != "Provenance"]
    bundle = end_of_rehearsal(report, parts, "Device/d", NOW)
    after, *_, provenance = (entry["resource"] for entry in bundle["entry"])
    stood = stored_report(after)
    assert (stood.status, stood.rehearsed, stood.gave_way, stood.taken_back) == ("entered-in-error", True, False, True)
    assert stood.mark == as_written(made).mark
    assert {each["reference"] for each in provenance["target"]} == {reference_to(each) for each in (report, *parts)}
    assert provenance["reason"][0]["coding"][0]["code"] == "rehearsed"
    assert "entity" not in provenance
    assert all(entry["request"].get("ifMatch") == 'W/"1"' for entry in bundle["entry"][:-1])
    assert not stored_report(after | {"status": "final"}).rehearsed
