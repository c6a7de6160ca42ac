"""A report is known by its mark, and one whose mark was dropped or spoilt is not taken for known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tocsin.report.check import check_bundle
from tocsin.report.mark import extension, standing_of
from tocsin.report.model import Mark, Standing
from tocsin.report.order import newest, outdated, recognised, replaceable
from tocsin.report.supersede import supersession

from tests.unit.report.test_compose import BELOW, DARK, HIGH, NOW, report, resources

MARK = Mark("ab" * 32, datetime(2026, 3, 1, 9, 31, 0, 123000, UTC), "cd" * 32, "3", "high", 0.7, True)
STANDING = Standing("DiagnosticReport/r1", "Patient/p1", "Media/m1", "preliminary", "high", NOW, MARK)
IN_ERROR = replace(STANDING, status="entered-in-error")
GAVE_WAY = replace(IN_ERROR, superseded_by="DiagnosticReport/r2")
LATER = MARK.as_of + timedelta(seconds=1)


@pytest.mark.parametrize("judgement", [HIGH, BELOW, DARK], ids=["high", "below-threshold", "not-assessable"])
def test_what_a_report_says_of_itself_is_read_back_the_same(judgement: Any) -> None:
    made = report(judgement)
    [diagnostic] = resources(made, "DiagnosticReport")
    standing = standing_of(orjson.loads(orjson.dumps(diagnostic)))
    assert (standing.mark, standing.verbatim, standing.issued) == (made.mark, True, NOW)
    assert (standing.reference, standing.subject, standing.media) == (made.reference, made.subject, "Media/m1")


@pytest.mark.parametrize("spoil", ["as-of", "grounds", "flagged", "code", "content-sha256", "model-version"])
def test_a_mark_of_which_a_part_is_missing_is_none(spoil: str) -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    whole = extension(report(HIGH).mark)
    parts = [part for part in whole["extension"] if part["url"] != spoil]
    standing = standing_of(diagnostic | {"extension": [whole | {"extension": parts}]})
    assert (standing.mark, standing.verbatim) == (None, False)
    assert not recognised(standing, "cd" * 32, NOW)


def test_a_conclusion_that_a_clinician_wrote_is_not_taken_for_ours() -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    own = standing_of(diagnostic | {"conclusionCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "400096001"}]}]})
    other_band = standing_of(diagnostic | {"conclusionCode": [{"coding": [{"system": "urn:tocsin:band", "code": "below-threshold"}]}]})
    later = replace(STANDING, reference="DiagnosticReport/r2", mark=replace(MARK, as_of=NOW + timedelta(days=1)))
    for standing in (own, other_band):
        assert not standing.verbatim
        assert not outdated(standing, later)
        assert not replaceable(standing, NOW + timedelta(days=1))
        assert recognised(standing, "other grounds", NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("found", "as_of", "may"),
    [
        (STANDING, MARK.as_of, True),
        (replace(STANDING, mark=None), MARK.as_of, True),
        (replace(STANDING, status="final"), LATER, False),
        (replace(STANDING, status="amended"), LATER, False),
        (replace(STANDING, status="cancelled"), LATER, False),
        (replace(STANDING, code=""), LATER, False),
        (IN_ERROR, LATER, False),
        (GAVE_WAY, MARK.as_of, False),
        (GAVE_WAY, LATER, True),
    ],
    ids=["untouched", "mark-dropped", "final", "amended", "cancelled", "own-words", "withdrawn", "gave-way", "gave-way-and-back"],
)
def test_only_what_nobody_has_acted_on_may_be_written_over(found: Standing, as_of: datetime, may: bool) -> None:
    assert replaceable(found, as_of) is may


def test_the_newest_is_the_latest_picture_then_the_one_judged_last() -> None:
    old = replace(STANDING, mark=replace(MARK, as_of=LATER - timedelta(days=1)), issued=NOW + timedelta(days=1))
    judged_last = replace(STANDING, reference="DiagnosticReport/r0", issued=NOW + timedelta(seconds=1))
    assert newest([old, judged_last, STANDING]) == judged_last
    assert outdated(STANDING, judged_last)
    assert outdated(old, STANDING)
    assert not outdated(judged_last, old)


def test_a_report_that_was_withdrawn_makes_no_other_give_way() -> None:
    later = replace(IN_ERROR, reference="DiagnosticReport/r2", mark=replace(MARK, as_of=LATER))
    assert newest([STANDING, later]) == STANDING
    assert newest([later]) is None


def test_a_supersession_is_fhir_and_names_the_version_that_it_was_made_for() -> None:
    made = report(HIGH)
    stored = [entry["resource"] | {"meta": {"versionId": "4"}} for entry in made.bundle["entry"]]
    bundle = supersession(stored[0], stored[1:-1], "DiagnosticReport/r2", "Device/d1", NOW)
    assert {entry["request"].get("ifMatch") for entry in bundle["entry"][:-1]} == {'W/"4"'}
    assert {entry["resource"].get("status") for entry in bundle["entry"][:-1]} == {"entered-in-error"}
    standing = standing_of(bundle["entry"][0]["resource"])
    assert (standing.superseded_by, standing.mark) == ("DiagnosticReport/r2", made.mark)
    check_bundle({**bundle, "entry": [_as_preliminary(entry) for entry in bundle["entry"]]})


def _as_preliminary(entry: dict[str, Any]) -> dict[str, Any]:
    """The check knows what a first report may say; here it is asked of the rest."""
    status = {"status": "preliminary"} if "status" in entry["resource"] else {}
    return entry | {"resource": entry["resource"] | status}
