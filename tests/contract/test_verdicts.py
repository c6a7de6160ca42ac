"""What every record keeps of verdicts, the one in memory and a validating FHIR server alike; and what the server's resources then say."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tocsin.fhir.canonical import VERDICT
from tocsin.fhir.datatypes import Json, reference_to
from tocsin.report.review import review
from tocsin.report.types import IN_ERROR, PRELIMINARY
from tocsin.review.acted import PART
from tocsin.review.rules import Bar
from tocsin.review.types import Act, State
from tocsin.sandbox.fhir import Fhir
from tocsin.words.catalogue import catalogue

from tests.support.records import below, dark, report, signed
from tests.support.relay import ConnectionCut, Request, relay, server_at
from tests.support.reviewing import FakeWard, FhirWard, Ward, bare
from tests.support.web import Reply


@pytest.fixture
def fhir_ward(fhir_server: Fhir) -> FhirWard:
    return FhirWard(fhir_server.base_url)


@pytest.fixture(params=["fake", "fhir"])
def ward(request: pytest.FixtureRequest) -> Ward:
    return FakeWard() if request.param == "fake" else request.getfixturevalue("fhir_ward")


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (Act.ACCEPT, "final"),
        (Act.OVERRIDE, "final"),
        (Act.CORRECT, "amended"),
        (Act.NOT_ASSESSABLE, "amended"),
        (Act.WITHDRAW, IN_ERROR),
    ],
)
def test_a_preliminary_report_becomes_what_the_act_makes_of_it_and_an_undo_makes_it_preliminary_again(
    ward: Ward, act: Act, status: str
) -> None:
    decided = ward.decide(act)
    standing = ward.record.apply(decided)
    assert (standing.state, standing.report_status, ward.status()) == (State.RECORDED, status, status)
    undone = ward.record.apply(ward.decide(Act.UNDO, undoes=decided.id))
    assert (undone.state, undone.report_status, ward.status()) == (State.RECORDED, PRELIMINARY, PRELIMINARY)


def test_the_same_verdict_again_is_recorded_once_and_says_so_each_time(ward: Ward) -> None:
    decided = ward.decide(Act.ACCEPT)
    first, again = ward.record.apply(decided), ward.record.apply(decided)
    assert (first.state, again.state, first.report_version) == (State.RECORDED, State.RECORDED, again.report_version)


def test_another_act_under_the_same_id_is_refused(ward: Ward) -> None:
    decided = ward.decide(Act.ACCEPT)
    ward.record.apply(decided)
    other = ward.record.apply(ward.decide(Act.WITHDRAW, id=decided.id))
    assert (other.state, other.reason, ward.status()) == (State.REFUSED, Bar.ID_TAKEN, "final")


def test_of_two_clinicians_at_once_the_second_sees_the_firsts_act_and_decides_again(ward: Ward) -> None:
    first, second = ward.decide(Act.ACCEPT, "d1"), ward.decide(Act.WITHDRAW, "d2")
    with ThreadPoolExecutor(2) as threads:
        standings = list(threads.map(ward.record.apply, (first, second)))
    again = [each if each.state is not State.WAITING else ward.record.apply(v) for each, v in zip(standings, (first, second), strict=True)]
    assert Counter(each.state for each in again) == {State.RECORDED: 1, State.OVERTAKEN: 1}
    assert {each.report_status for each in again} == {ward.status()}
    decided_again = ward.record.apply(ward.decide(Act.CORRECT, "d2"))
    assert decided_again.state is (State.RECORDED if ward.status() != IN_ERROR else State.REFUSED)


def test_nobody_takes_back_what_another_clinician_did_or_has_acted_on_too(ward: Ward) -> None:
    first = ward.decide(Act.ACCEPT, "d1")
    ward.record.apply(first)
    other = ward.record.apply(ward.decide(Act.UNDO, "d2", undoes=first.id))
    assert (other.state, other.reason) == (State.REFUSED, Bar.NOT_YOURS)
    second = ward.decide(Act.CORRECT, "d2")
    assert ward.record.apply(second).report_status == "amended"
    for by, named, why in (("d1", first, Bar.NOT_YOURS), ("d2", second, Bar.ANOTHER_ACTED), ("d2", first, Bar.ANOTHER_ACTED)):
        assert ward.record.apply(ward.decide(Act.UNDO, by, undoes=named.id)).reason == why
    assert ward.status() == "amended"


def test_a_code_that_the_act_may_not_give_is_refused(ward: Ward) -> None:
    for act in (Act.OVERRIDE, Act.CORRECT, Act.NOT_ASSESSABLE, Act.WITHDRAW):
        assert ward.record.apply(ward.decide(act, code="no-such-code")).reason == Bar.CODE_UNKNOWN
    assert ward.status() == PRELIMINARY


# What the resources of a real server say.


@pytest.mark.parametrize("act", [Act.ACCEPT, Act.OVERRIDE, Act.CORRECT, Act.NOT_ASSESSABLE, Act.WITHDRAW])
def test_after_an_undo_the_report_and_its_parts_are_what_they_were(fhir_ward: FhirWard, act: Act) -> None:
    ward = fhir_ward
    before = [bare(each) for each in (ward.report(), *ward.parts())]
    decided = ward.decide(act)
    ward.record.apply(decided)
    said = [bare(each) for each in (ward.report(), *ward.parts())]
    assert all(mine != theirs for mine, theirs in zip(said, before, strict=True))
    assert ward.record.apply(ward.decide(Act.UNDO, undoes=decided.id)).state is State.RECORDED
    assert [bare(each) for each in (ward.report(), *ward.parts())] == before


def test_a_correction_names_its_clinician_keeps_the_models_own_result_and_says_when(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    before = ward.report()
    decided = ward.decide(Act.CORRECT)
    ward.record.apply(decided)
    after = ward.report()
    assert after["conclusionCode"][0] == before["conclusionCode"][0]
    assert after["conclusionCode"][1]["coding"][0]["code"] == "bcc"
    assert [each["reference"] for each in after["resultsInterpreter"]] == [decided.clinician]
    assert "not yet reviewed" not in after["conclusion"]
    assert "AI result. A clinician corrected it on March 2, 2026, 09:15" in after["conclusion"]
    stored = ward.record.stored(ward.made.reference)
    assert stored is not None
    assert (stored.verbatim, stored.mark) == (True, ward.made.mark)
    assert {each["status"] for each in ward.parts()} == {"amended"}


def test_the_provenance_names_the_clinician_as_verifier_and_an_undo_names_the_act_that_it_takes_back(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    decided = ward.decide(Act.WITHDRAW)
    ward.record.apply(decided)
    undo = ward.decide(Act.UNDO, undoes=decided.id)
    ward.record.apply(undo)
    by_act = {each["activity"]["coding"][0]["code"]: each for each in ward.provenances() if "activity" in each}
    withdrawn, undone = by_act["withdraw"], by_act["undo"]
    assert withdrawn["agent"][0]["type"]["coding"][0]["code"] == "verifier"
    assert withdrawn["agent"][0]["who"]["reference"] == decided.clinician
    assert withdrawn["reason"][0]["coding"][0]["code"] == "wrong-lesion"
    assert len(withdrawn["target"]) == 1 + len(ward.parts())
    named = [each["what"]["reference"] for each in undone["entity"] if each["role"] == "removal"]
    assert named == [f"Provenance/{withdrawn['id']}"]


def test_the_audit_trail_tells_who_changed_which_report_of_which_patient(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    decided = ward.decide(Act.ACCEPT)
    ward.record.apply(decided)
    [event] = ward.of.search(f"AuditEvent?entity={ward.made.reference}")
    assert event["agent"][2]["who"]["identifier"]["value"] == decided.clinician
    assert [each["what"].get("reference") for each in event["entity"]] == [decided.subject, decided.report, None]
    assert event["entity"][2]["what"]["identifier"]["value"] == decided.id


def test_a_clinician_whom_another_server_vouches_for_is_named_by_identifier(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    assert ward.record.apply(ward.decide(Act.ACCEPT, issuer="https://ehr.example.org/r4")).state is State.RECORDED
    [who] = ward.report()["resultsInterpreter"]
    assert who["identifier"] == {"system": "https://ehr.example.org/r4", "value": f"Practitioner/d1-{ward.of.mark}"}


def test_what_a_clinician_did_is_not_written_over_and_after_an_undo_tocsin_may_again(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    decided = ward.decide(Act.ACCEPT)
    ward.record.apply(decided)
    again = report(ward.of.mark, judged=below)
    assert ward.of.reports.write(again).status == "final"
    ward.record.apply(ward.decide(Act.UNDO, undoes=decided.id))
    standing = ward.of.reports.write(again)
    assert (standing.status, standing.code) == (PRELIMINARY, "below-threshold")


def test_a_part_that_a_clinician_judged_for_itself_stays_and_a_withdrawal_gives_it_back_at_its_undo(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    part = ward.parts()[0]
    signed(ward.of, f"{part['resourceType']}/{part['id']}", "amended")
    first = ward.decide(Act.ACCEPT)
    ward.record.apply(first)
    assert [each["status"] for each in ward.parts()].count("amended") == 1
    ward.record.apply(ward.decide(Act.UNDO, undoes=first.id))
    before = [bare(each) | {"text": None} for each in ward.parts()]
    withdrawn = ward.decide(Act.WITHDRAW)
    ward.record.apply(withdrawn)
    assert {each["status"] for each in ward.parts()} == {IN_ERROR}
    ward.record.apply(ward.decide(Act.UNDO, undoes=withdrawn.id))
    assert [bare(each) | {"text": None} for each in ward.parts()] == before
    assert all(says_of_its_review(each) for each in ward.parts())


@pytest.mark.parametrize("is_older", [False, True], ids=["", "which an older version wrote"])
@pytest.mark.parametrize(("own", "act"), [("final", Act.ACCEPT), ("amended", Act.CORRECT), (IN_ERROR, Act.WITHDRAW)])
def test_the_undo_of_an_act_gives_back_what_it_moved_and_nothing_that_a_clinician_judged(
    fhir_ward: FhirWard, own: str, act: Act, is_older: bool
) -> None:
    ward = fhir_ward
    signed(ward.of, reference_to(ward.parts()[0]), own)
    before = [bare(each) for each in ward.parts()]
    decided = ward.decide(act)
    assert ward.record.apply(decided).state is State.RECORDED
    assert bare(ward.parts()[0]) == before[0]
    assert len({each["status"] for each in ward.parts()[1:]} - {PRELIMINARY}) == 1
    if is_older:
        ward.of.fhir.put(says_no_parts(ward.report()))
    undo = ward.decide(Act.UNDO, undoes=decided.id)
    assert [ward.record.apply(undo).state for _ in range(2)] == [State.RECORDED] * 2
    assert [bare(each) for each in ward.parts()] == before
    [undone] = [each for each in ward.provenances() if each.get("activity", {}).get("coding", [{}])[0].get("code") == "undo"]
    assert reference_to(ward.parts()[0]) not in [each["reference"] for each in undone["target"]]


def says_no_parts(report: Json) -> Json:
    """The report as older versions wrote an act on it."""
    others = [each for each in report["extension"] if each["url"] != VERDICT]
    [said] = [each for each in report["extension"] if each["url"] == VERDICT]
    return report | {"extension": [*others, said | {"extension": [each for each in said["extension"] if each["url"] != PART]}]}


def says_of_its_review(part: Json) -> bool:
    """Whether the part's narrative says of a review what its status does."""
    return review(part["status"], catalogue("en")) in part["text"]["div"]


def test_a_report_that_says_not_assessable_can_be_accepted_and_taken_back(fhir_server: Fhir) -> None:
    ward = FhirWard(fhir_server.base_url, judged=dark)
    before, decided = bare(ward.report()), ward.decide(Act.ACCEPT)
    assert ward.record.apply(decided).report_status == "final"
    ward.record.apply(ward.decide(Act.UNDO, undoes=decided.id))
    assert bare(ward.report()) == before


def test_a_report_that_another_program_changed_is_not_decided_on_unseen_nor_in_other_words(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    decided = ward.decide(Act.ACCEPT)
    ward.of.fhir.put(ward.report() | {"conclusionCode": [{"text": "Naevus."}]})
    assert ward.record.apply(decided).state is State.OVERTAKEN
    assert ward.record.apply(ward.decide(Act.ACCEPT)).reason == Bar.IN_OTHER_WORDS


def test_a_report_of_another_patient_than_the_clinician_saw_is_refused(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    standing = ward.record.apply(ward.decide(Act.ACCEPT, subject=f"Patient/p2-{ward.of.mark}"))
    assert (standing.state, standing.reason, ward.status()) == (State.REFUSED, Bar.OF_ANOTHER, PRELIMINARY)


def test_many_processes_at_the_same_verdict_record_it_once(fhir_ward: FhirWard) -> None:
    ward = fhir_ward
    decided, before = ward.decide(Act.OVERRIDE), int(ward.report()["meta"]["versionId"])
    with ThreadPoolExecutor(6) as threads:
        states = Counter(each.state for each in threads.map(lambda _: ward.at(ward.issuer).apply(decided), range(6)))
    assert set(states) <= {State.RECORDED, State.WAITING}
    assert ward.record.apply(decided).state is State.RECORDED
    assert int(ward.report()["meta"]["versionId"]) == before + 1
    assert [each["activity"]["coding"][0]["code"] for each in ward.provenances() if "activity" in each] == ["override"]


@pytest.mark.parametrize("taken", [True, False], ids=["after the server took it", "before the server took it"])
def test_a_connection_that_breaks_over_the_transaction_leaves_it_recorded_once_or_waiting(
    fhir_ward: FhirWard, fhir_server: Fhir, taken: bool
) -> None:
    ward, broken = fhir_ward, list[str]()
    ask = server_at(fhir_server.base_url.removeprefix("http://").partition("/")[0])

    def answer(request: Request) -> Reply:
        if request.method == "POST" and len(broken) < 2:  # libcurl itself tries once more
            broken.append(request.method)
            if taken:
                ask(request)
            raise ConnectionCut
        return ask(request)

    with relay(answer) as origin:
        record = ward.at(f"{origin}/fhir", also=(fhir_server.base_url,))
        decided = ward.decide(Act.CORRECT)
        first, again = record.apply(decided), record.apply(decided)
    assert broken
    assert (first.state, again.state) == (State.WAITING, State.RECORDED)
    assert ward.status() == "amended"
    assert len([each for each in ward.provenances() if "activity" in each]) == 1


def test_an_act_between_reading_and_writing_makes_the_server_refuse_and_the_second_is_overtaken(
    fhir_ward: FhirWard, fhir_server: Fhir
) -> None:
    ward = fhir_ward
    first, second = ward.decide(Act.WITHDRAW, "d2"), ward.decide(Act.ACCEPT, "d1")
    ask = server_at(fhir_server.base_url.removeprefix("http://").partition("/")[0])

    def answer(request: Request) -> Reply:
        if request.method == "POST":
            assert ward.record.apply(first).state in (State.RECORDED, State.OVERTAKEN)
        return ask(request)

    with relay(answer) as origin:
        standing = ward.at(f"{origin}/fhir", also=(fhir_server.base_url,)).apply(second)
    assert (standing.state, standing.reason, standing.report_status) == (State.OVERTAKEN, Bar.CHANGED, IN_ERROR)
    assert ward.status() == IN_ERROR


def test_no_request_is_begun_once_the_time_for_a_try_is_over(fhir_ward: FhirWard) -> None:
    times = iter([0.0, 0.5, 2.0])
    fhir_ward.record = slow = fhir_ward.at(fhir_ward.issuer, within_s=1.0)
    slow._clock = lambda: next(times)
    standing: Any = slow.apply(fhir_ward.decide(Act.ACCEPT))
    assert (standing.state, standing.reason, fhir_ward.status()) == (State.WAITING, Bar.AWAY, PRELIMINARY)
