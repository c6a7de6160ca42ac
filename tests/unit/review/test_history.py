"""The acts on a report, as Provenance tells them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tocsin.fhir.reference import RELATIVE, ServiceBase
from tocsin.review.acted import extension
from tocsin.review.history import act_told, history, is_recorded, may_contest, standing_act
from tocsin.review.rules import Acted
from tocsin.review.types import Act

from tests.fakes.page import CLINICIAN, COLLEAGUE, NOW, act_on, clinic, practitioner

REPORT = "DiagnosticReport/r1"
PEOPLE = {CLINICIAN: practitioner(CLINICIAN, "Ada", "Muster")}


def test_acts_stand_in_the_order_in_which_they_were_done_with_who_and_why() -> None:
    later = act_on(REPORT, Act.OVERRIDE, COLLEAGUE, NOW + timedelta(hours=1), [{"text": "Looks benign"}])
    found = history([later, act_on(REPORT, Act.ACCEPT, CLINICIAN, NOW)], PEOPLE, RELATIVE)
    assert [(each.act, each.name, each.reason) for each in found] == [(Act.ACCEPT, "Ada Muster", ""), (Act.OVERRIDE, "", "Looks benign")]
    assert all(each.by_clinician for each in found)


def test_the_models_own_provenance_made_the_result() -> None:
    made = clinic(b"picture")
    provenance = [each for each in made.record.resources.values() if each["resourceType"] == "Provenance"]
    (entry,) = history(provenance, {}, RELATIVE)
    assert (entry.made, entry.act, entry.by_clinician, entry.who.partition("/")[0]) == (True, None, False, "Device")


def test_a_clinician_whom_the_server_knows_by_identifier_alone_is_named_by_it() -> None:
    elsewhere = act_on(REPORT, Act.ACCEPT, CLINICIAN, NOW)
    elsewhere["agent"][0]["who"] = {"identifier": {"system": "https://ehr.test", "value": "Practitioner/77"}}
    (entry,) = history([elsewhere], {}, RELATIVE)
    assert (entry.who, entry.name) == ("", "Practitioner/77")


def test_provenance_of_another_program_is_no_act() -> None:
    (entry,) = history([{"resourceType": "Provenance", "id": "x", "agent": "nonsense", "activity": 7}], {}, RELATIVE)
    assert (entry.act, entry.made, entry.at) == (None, False, None)


def test_the_last_act_stands_until_it_is_taken_back() -> None:
    accepted = history([act_on(REPORT, Act.ACCEPT, CLINICIAN, NOW)], {}, RELATIVE)
    undone = (*accepted, *history([act_on(REPORT, Act.UNDO, CLINICIAN, NOW + timedelta(hours=1))], {}, RELATIVE))
    assert (stands := standing_act(accepted, "final")) is not None
    assert stands.act is Act.ACCEPT
    assert standing_act(undone, "preliminary") is None
    assert standing_act((), "final") is None


def test_a_verdict_is_in_the_record_once_its_provenance_is() -> None:
    provenance = [act_on(REPORT, Act.ACCEPT, CLINICIAN, NOW, verdict="v1")]
    assert is_recorded("v1", REPORT, provenance)
    assert not is_recorded("v2", REPORT, provenance)
    assert not is_recorded("v1", "DiagnosticReport/r2", provenance)


def told(act: Act = Act.CORRECT, code: str | None = "mel", **changes: Any) -> dict[str, Any]:
    """A report that tells an act itself."""
    report, sentence = clinic(b"picture").report, "AI result. A clinician corrected it."
    acted = Acted("v1", act, code, CLINICIAN, "https://ehr.example.org/r4/", NOW, shared=False, sentence=sentence, instead_of="")
    named = {"coding": [{"system": "urn:tocsin:class", "code": "mel"}], "text": "Melanoma"}
    whole = {"status": "amended", "conclusion": f"Raised. {sentence}", "conclusionCode": [*report["conclusionCode"], named]}
    return report | whole | {"extension": [*report["extension"], extension(acted)]} | changes


def test_the_report_itself_tells_the_act_that_stands() -> None:
    here = act_told(told(), ServiceBase(("https://ehr.example.org/r4",)))
    assert here is not None
    assert (here.act, here.at, here.who, here.name, here.reason, here.code) == (Act.CORRECT, NOW, CLINICIAN, "", "Melanoma", "mel")
    elsewhere = act_told(told(Act.OVERRIDE, "clinically-suspicious"), ServiceBase(("https://other.example.org/r4",)))
    assert elsewhere is not None
    assert (elsewhere.who, elsewhere.name, elsewhere.reason) == ("", CLINICIAN, "Looks suspicious on examination")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "preliminary"},
        {"extension": []},
        {"conclusion": "Somebody's own words."},
        {"conclusionCode": [{"coding": [{"system": "urn:test", "code": "x"}]}]},
    ],
    ids=str,
)
def test_an_act_that_was_taken_back_or_written_over_stands_no_more(changes: dict[str, Any]) -> None:
    assert act_told(told(**changes), RELATIVE) is None


@pytest.mark.parametrize(("act", "contests"), [(Act.ACCEPT, False), (Act.OVERRIDE, True), (Act.CORRECT, True), (Act.NOT_ASSESSABLE, True)])
def test_who_disagrees_contests_and_who_says_nothing_may(act: Act, contests: bool) -> None:
    assert may_contest(act_told(told(act), RELATIVE)) == contests
    assert may_contest(None)
