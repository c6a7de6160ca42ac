"""A report is known by its mark, and one whose mark was dropped or spoilt is not taken for known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tocsin.fhir.datatypes import reference_to
from tocsin.report.grounds import JUDGING
from tocsin.report.precedence import newest, overtaken, recognised, replaceable, successor, untouched, yields
from tocsin.report.resources.check import check_bundle
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.mark import as_written, extension, stored_report
from tocsin.report.resources.supersede import supersession
from tocsin.report.types import Grounds, Mark, Rank, StoredReport

from tests.builders import grounds_on, picture
from tests.support.site_files import at_site
from tests.unit.report.resources.test_compose import BELOW, DARK, EVENT, HIGH, ISSUER, NOW, report, resources

TRACE = "0af7651916cd43dd8448eb211c80319c"
LOCAL = at_site(ISSUER.card)
GROUNDS, OTHER = grounds_on("cd"), grounds_on("ef")
AS_OF = datetime(2026, 3, 1, 9, 31, 0, 123000, UTC)
MARK = Mark("ab" * 32, AS_OF, AS_OF + timedelta(seconds=7), GROUNDS.fingerprint, "3", "high", 0.7, True, GROUNDS.facts)
STANDING = StoredReport("DiagnosticReport/r1", "Patient/p1", "Media/m1", "preliminary", "high", NOW, MARK)
IN_ERROR = replace(STANDING, status="entered-in-error")
GAVE_WAY = replace(IN_ERROR, superseded_by="DiagnosticReport/r2")
SAME = MARK.recency
AGAIN = (MARK.as_of, MARK.fetched + timedelta(milliseconds=1))
BEFORE = (MARK.as_of, MARK.fetched - timedelta(milliseconds=1))
LATER = (MARK.as_of + timedelta(seconds=1), MARK.fetched)
EARLIER = (MARK.as_of - timedelta(seconds=1), MARK.fetched + timedelta(days=1))
NEXT_DAY = (NOW + timedelta(days=1), NOW + timedelta(days=1))


@pytest.mark.parametrize("judgement", [HIGH, BELOW, DARK], ids=["high", "below-threshold", "not-assessable"])
def test_what_a_report_says_of_itself_is_read_back_the_same(judgement: Any) -> None:
    made = report(judgement)
    [diagnostic] = resources(made, "DiagnosticReport")
    stored = stored_report(orjson.loads(orjson.dumps(diagnostic)))
    assert (stored.mark, stored.verbatim, stored.issued) == (made.mark, True, NOW)
    assert (stored.reference, stored.subject, stored.media) == (made.reference, made.subject, "Media/m1")


PARTS = ["as-of", "fetched", "grounds", "flagged", "code", "content-sha256", "model-version", "edition", "judging", "facts"]


@pytest.mark.parametrize("spoil", PARTS)
def test_a_mark_of_which_a_part_is_missing_is_none(spoil: str) -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    whole = extension(report(HIGH).mark)
    parts = [part for part in whole["extension"] if part["url"] != spoil]
    stored = stored_report(diagnostic | {"extension": [whole | {"extension": parts}]})
    assert (stored.mark, stored.verbatim) == (None, False)
    assert not recognised(stored, GROUNDS, SAME)


def test_a_report_names_the_trace_of_its_journey() -> None:
    made = compose(EVENT, picture(), GROUNDS, HIGH, ISSUER, NOW, TRACE)
    stored = as_written(made)
    assert stored.mark is not None
    assert (made.mark.trace_id, stored.mark.trace_id) == (TRACE, TRACE)
    check_bundle(made.bundle)


@pytest.mark.parametrize("spoilt", [None, "", "0" * 32, TRACE.upper(), TRACE[:-1], TRACE + "a", f"{TRACE}\n", 7, [TRACE], {"a": TRACE}])
def test_a_trace_id_that_is_absent_or_spoilt_is_none_and_the_mark_stands(spoilt: Any) -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    whole = extension(replace(report(HIGH).mark, trace_id=TRACE))
    parts = [part | {"valueString": spoilt} if part["url"] == "trace-id" else part for part in whole["extension"]]
    stored = stored_report(diagnostic | {"extension": [whole | {"extension": parts}]})
    assert stored.mark == report(HIGH).mark
    assert stored.mark.trace_id is None


def test_a_report_names_the_site_file_by_which_it_was_judged() -> None:
    made = compose(EVENT, picture(), GROUNDS, HIGH, Issuer(LOCAL, "urn:tocsin:test"), NOW)
    stored = as_written(made)
    assert stored.mark is not None
    assert (made.mark.site_file, stored.mark.site_file, report(HIGH).mark.site_file) == (str(LOCAL.site), str(LOCAL.site), None)
    check_bundle(made.bundle)


@pytest.mark.parametrize(
    "spoilt", [None, "", "north", "north/0", "north/", "North/1", "north/1\n", "north/1 Smith", "a" * 200 + "/1", 7, ["north/1"]]
)
def test_a_site_file_that_is_absent_or_spoilt_is_none_and_the_mark_stands(spoilt: Any) -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    whole = extension(replace(report(HIGH).mark, site_file="north/1"))
    parts = [part | {"valueString": spoilt} if part["url"] == "site-file" else part for part in whole["extension"]]
    stored = stored_report(diagnostic | {"extension": [whole | {"extension": parts}]})
    assert stored.mark == report(HIGH).mark
    assert stored.mark.site_file is None


def test_a_report_of_another_trace_is_no_other_report() -> None:
    other = replace(STANDING, mark=replace(MARK, trace_id=TRACE))
    assert other == STANDING
    assert recognised(other, GROUNDS, SAME)


def test_a_mark_from_before_decision_0015_is_not_recognised_and_ranks_below_every_other() -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    whole = extension(replace(report(HIGH).mark, grounds="ef" * 32))
    parts = [part for part in whole["extension"] if part["url"] not in ("edition", "judging", "facts")]
    stored = stored_report(diagnostic | {"extension": [whole | {"extension": parts}]})
    assert stored.mark is not None
    assert stored.mark.rank == (0, 0, 3)
    assert stored.verbatim
    assert not recognised(stored, replace(GROUNDS, rank=Rank(0, JUDGING, 3)), NEXT_DAY)


def version(edition: int = 0, judging: int = 2, *, facts: str = "cd", rule: str = "01") -> Grounds:
    return grounds_on(facts, rule=rule, rank=Rank(edition, judging, 3))


def by(grounds: Grounds) -> StoredReport:
    rank = grounds.rank
    return replace(
        STANDING,
        mark=replace(MARK, grounds=grounds.fingerprint, facts=grounds.facts, edition=rank.edition, judging=rank.judging),
    )


@pytest.mark.parametrize(
    ("stands", "other", "recency", "may"),
    [
        (version(1), version(1), LATER, False),
        (version(1), version(2), LATER, False),
        (version(1), version(2, rule="02"), SAME, True),
        (version(1), version(2, rule="02"), BEFORE, False),
        (version(2), version(1, rule="02"), LATER, False),
        (version(1), version(1, rule="02"), LATER, False),
        (version(1), version(1, judging=3, rule="02"), SAME, True),
        (version(1, judging=3), version(1, rule="02"), AGAIN, False),
        (version(1, judging=3), version(2, rule="02"), AGAIN, True),
        (version(2), version(1, facts="ab", rule="02"), AGAIN, True),
        (version(2), version(1, facts="ab", rule="02"), BEFORE, False),
        (version(2, judging=3), version(1, facts="ab", rule="02"), AGAIN, False),
        (version(2, judging=3), version(1, facts="ab", rule="02"), LATER, True),
    ],
    ids=[
        "same-version",
        "same-rule-of-a-later-deployment",
        "later-deployment",
        "later-deployment-that-looked-before",
        "earlier-deployment",
        "same-number",
        "newer-code",
        "older-code",
        "older-code-taken-back-into-service",
        "other-facts",
        "other-facts-seen-before",
        "facts-as-older-code-reads-them",
        "a-media-stored-again-seen-by-older-code",
    ],
)
def test_of_two_versions_on_the_same_facts_the_newer_one_holds_and_newer_facts_are_judged_by_whoever_sees_them(
    stands: Grounds, other: Grounds, recency: tuple[datetime, datetime], may: bool
) -> None:
    assert recognised(by(stands), other, recency) is not may


def test_a_version_is_judged_again_by_a_newer_one_that_looked_before_it_and_never_the_other_way_round() -> None:
    old, new = version(1), version(2, rule="02")
    assert overtaken(by(old), by(old), new, BEFORE)
    assert not overtaken(by(old), by(old), new, SAME)
    assert not overtaken(by(new), by(new), old, BEFORE)
    assert not overtaken(by(old), replace(by(old), status="final"), new, BEFORE)


def of_model(model: str, **changes: Any) -> StoredReport:
    return replace(STANDING, reference=f"DiagnosticReport/v{model}", mark=replace(MARK, model_version=model, **changes))


def test_of_two_model_versions_on_one_picture_the_newer_one_holds_whichever_looked_last() -> None:
    old, new = of_model("9", fetched=AGAIN[1]), of_model("10")
    assert successor(old, [new]) == new
    assert successor(new, [old]) is None
    gave_way = replace(old, status="entered-in-error", superseded_by=new.reference)
    mine = replace(GROUNDS, rank=Rank(0, 0, 9))
    later = (MARK.as_of, AGAIN[1] + timedelta(seconds=1))
    assert not recognised(gave_way, mine, later)
    assert yields(gave_way, new, mine, later)
    assert not yields(gave_way, replace(new, status="entered-in-error"), mine, later)
    assert not yields(gave_way, new, replace(mine, rank=Rank(1, 0, 9)), later)
    assert not yields(gave_way, new, mine, LATER)


def test_another_picture_that_an_older_model_saw_last_is_the_one_that_holds() -> None:
    new, old = of_model("10"), of_model("9", content_sha256="cd" * 32, fetched=AGAIN[1])
    assert successor(new, [old]) == old
    again = of_model("8", fetched=AGAIN[1] + timedelta(seconds=1))
    assert newest([new, old, again]) == new


def test_a_conclusion_that_a_clinician_wrote_is_not_taken_for_ours() -> None:
    [diagnostic] = resources(report(HIGH), "DiagnosticReport")
    own = stored_report(diagnostic | {"conclusionCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "400096001"}]}]})
    other_band = stored_report(diagnostic | {"conclusionCode": [{"coding": [{"system": "urn:tocsin:band", "code": "below-threshold"}]}]})
    later = replace(STANDING, reference="DiagnosticReport/r2", mark=replace(MARK, as_of=NOW + timedelta(days=1)))
    for stored in (own, other_band):
        assert not stored.verbatim
        assert successor(stored, [later]) is None
        assert not replaceable(stored, OTHER, NEXT_DAY)
        assert recognised(stored, OTHER, NEXT_DAY)


@pytest.mark.parametrize(
    ("found", "recency", "may"),
    [
        (STANDING, SAME, True),
        (STANDING, LATER, True),
        (STANDING, EARLIER, False),
        (STANDING, BEFORE, False),
        (replace(STANDING, mark=None), EARLIER, True),
        (replace(STANDING, status="final"), LATER, False),
        (replace(STANDING, status="amended"), LATER, False),
        (replace(STANDING, status="cancelled"), LATER, False),
        (replace(STANDING, code=""), LATER, False),
        (IN_ERROR, LATER, False),
        (GAVE_WAY, SAME, False),
        (GAVE_WAY, EARLIER, False),
        (GAVE_WAY, AGAIN, True),
        (GAVE_WAY, LATER, True),
        (replace(GAVE_WAY, code=""), LATER, False),
    ],
    ids=[
        "untouched",
        "untouched-and-older",
        "untouched-and-newer",
        "untouched-and-seen-later",
        "mark-dropped",
        "final",
        "amended",
        "cancelled",
        "own-words",
        "withdrawn",
        "gave-way",
        "gave-way-and-older",
        "gave-way-and-seen-again",
        "gave-way-and-stored-again",
        "gave-way-and-own-words",
    ],
)
def test_only_what_nobody_has_acted_on_and_what_rests_on_nothing_newer_may_be_written_over(
    found: StoredReport, recency: tuple[datetime, datetime], may: bool
) -> None:
    assert replaceable(found, OTHER, recency) is may
    assert recognised(found, OTHER, recency) is not may


def test_the_newest_is_the_latest_picture_then_the_one_seen_last_whenever_it_was_issued() -> None:
    early = replace(MARK, as_of=EARLIER[0], fetched=EARLIER[1])
    old = replace(STANDING, reference="DiagnosticReport/r3", mark=early, issued=NOW + timedelta(days=2))
    seen_last = replace(STANDING, reference="DiagnosticReport/r0", mark=replace(MARK, fetched=AGAIN[1]), issued=NOW - timedelta(days=1))
    assert newest([old, seen_last, STANDING]) == seen_last
    assert successor(STANDING, [seen_last]) == seen_last
    assert successor(old, [STANDING]) == STANDING
    assert successor(seen_last, [old]) is None


def test_of_two_reports_that_were_seen_at_once_every_process_keeps_the_same_one() -> None:
    other = replace(STANDING, reference="DiagnosticReport/r2", issued=NOW - timedelta(days=1))
    assert newest([STANDING, other]) == newest([other, STANDING]) == other
    assert successor(STANDING, [other]) == other
    assert successor(other, [STANDING]) is None


def test_a_report_that_was_withdrawn_makes_no_other_give_way() -> None:
    later = replace(IN_ERROR, reference="DiagnosticReport/r2", mark=replace(MARK, as_of=LATER[0]))
    assert newest([STANDING, later]) == STANDING
    assert newest([later]) is None


OLDER = replace(STANDING, mark=replace(MARK, as_of=EARLIER[0], grounds=OTHER.fingerprint, facts=OTHER.facts))


@pytest.mark.parametrize(
    ("settled", "latest", "again"),
    [
        (STANDING, STANDING, False),
        (STANDING, replace(STANDING, status="final"), False),
        (STANDING, replace(STANDING, mark=replace(MARK, as_of=LATER[0], grounds=OTHER.fingerprint, facts=OTHER.facts)), False),
        (STANDING, replace(STANDING, mark=None), False),
        (STANDING, OLDER, True),
        (STANDING, GAVE_WAY, True),
        (OLDER, OLDER, False),
    ],
    ids=["stands", "signed", "newer", "no-marks-here", "older", "gave-way-to-what-was-seen-before", "kept-by-a-clinician-part"],
)
def test_an_event_is_judged_again_where_something_older_took_its_reports_place(
    settled: StoredReport, latest: StoredReport, again: bool
) -> None:
    assert overtaken(settled, latest, GROUNDS, AGAIN) is again


HELD, DROPPED = "Observation/held", "Observation/dropped"


@pytest.mark.parametrize(
    ("part", "status", "report", "ours"),
    [
        (HELD, "preliminary", STANDING, True),
        (HELD, "entered-in-error", STANDING, False),
        (HELD, "final", STANDING, False),
        (HELD, None, STANDING, False),
        (HELD, "entered-in-error", GAVE_WAY, True),
        (HELD, "final", GAVE_WAY, False),
        (DROPPED, "entered-in-error", STANDING, True),
        (DROPPED, "final", STANDING, False),
    ],
)
def test_what_a_clinician_did_to_a_part_is_told_from_what_tocsin_did(
    part: str, status: str | None, report: StoredReport, ours: bool
) -> None:
    assert untouched(part, status, replace(report, parts=(HELD,))) is ours


@pytest.mark.parametrize("judgement", [HIGH, BELOW, DARK], ids=["high", "below-threshold", "not-assessable"])
def test_a_report_names_every_part_that_it_holds(judgement: Any) -> None:
    made = report(judgement)
    written = {reference_to(entry["resource"]) for entry in made.bundle["entry"][1:-1]}
    assert set(as_written(made).parts) == written


def test_a_supersession_is_fhir_and_names_the_version_that_it_was_made_for() -> None:
    made = report(HIGH)
    stored = [entry["resource"] | {"meta": {"versionId": "4"}} for entry in made.bundle["entry"]]
    bundle = supersession(stored[0], stored[1:-1], "DiagnosticReport/r2", "Device/d1", NOW)
    assert {entry["request"].get("ifMatch") for entry in bundle["entry"][:-1]} == {'W/"4"'}
    assert {entry["resource"].get("status") for entry in bundle["entry"][:-1]} == {"entered-in-error"}
    after = stored_report(bundle["entry"][0]["resource"])
    assert (after.superseded_by, after.mark) == ("DiagnosticReport/r2", made.mark)
    check_bundle({**bundle, "entry": [_as_preliminary(entry) for entry in bundle["entry"]]})


def _as_preliminary(entry: dict[str, Any]) -> dict[str, Any]:
    """The check knows what a first report may say; here it is asked of the rest."""
    status = {"status": "preliminary"} if "status" in entry["resource"] else {}
    return entry | {"resource": entry["resource"] | status}
