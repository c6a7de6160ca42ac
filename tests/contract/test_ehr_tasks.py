"""Tasks on a real FHIR server that validates each write: written once, ended once, and never over somebody's work."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

import pytest
from tocsin.errors import Contended
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json
from tocsin.review.ehr_tasks import FhirTasks, Inbox, task_id
from tocsin.review.types import Act
from tocsin.review.worklist import Ranks, Worklist
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings

from tests.builders import card
from tests.support.flags import HOUR, NOW, flag, standing, verdict
from tests.support.queries import DEPLOY

SITE = "urn:tocsin:site:north"


class Ward:
    """Patients and reports of this test alone, and the EHR's inbox."""

    def __init__(self, base_url: str) -> None:
        self.mark = secrets.token_hex(4)
        self.fhir = FhirClient(FhirSettings(base_url=base_url))
        self.worklist = Worklist(Ranks.of(card().operating_point.bands), 1000)
        self.inbox = Inbox(FhirTasks(self.fhir), "https://tocsin.example.org/launch", "high", SITE, timedelta(days=7))

    def report(self, number: int) -> str:
        return f"DiagnosticReport/r{number}-{self.mark}"

    def admit(self, number: int) -> None:
        subject = f"Patient/p{number}-{self.mark}"
        self.fhir.put({"resourceType": "Patient", "id": subject.partition("/")[2], "active": True})
        report = {
            "resourceType": "DiagnosticReport",
            "status": "preliminary",
            "code": {"text": "Lesion"},
            "subject": {"reference": subject},
        }
        self.fhir.put(report | {"id": self.report(number).partition("/")[2]})
        self.worklist.flag(flag(number, report=self.report(number), subject=subject))

    def answer(self, number: int, act: Act) -> None:
        self.worklist.verdict(verdict(number, act, report=self.report(number), at=NOW + HOUR, id=number))
        self.worklist.standing(standing(number, report=self.report(number), at=NOW + HOUR, verdict=number))

    def update(self) -> int:
        return self.inbox.update(self.worklist.rows(), NOW + 2 * HOUR)

    def task(self, number: int) -> Json:
        reference = f"Task/{task_id(self.report(number))}"
        return self.fhir.read(reference, unknown=lambda: AssertionError(f"no {reference}"))


@pytest.fixture
def ward(fhir_server: Fhir) -> Ward:
    return Ward(fhir_server.base_url)


def test_tasks_are_written_once_and_ended_as_their_reports_are_answered(ward: Ward) -> None:
    for number in (1, 2, 3):
        ward.admit(number)
    assert ward.update() == 3
    assert ward.update() == 0
    assert [ward.task(number)["meta"]["versionId"] for number in (1, 2, 3)] == ["1", "1", "1"]
    ward.answer(1, Act.ACCEPT)
    ward.answer(2, Act.WITHDRAW)
    assert ward.update() == 2
    assert ward.update() == 0
    assert [ward.task(number)["status"] for number in (1, 2, 3)] == ["completed", "cancelled", "requested"]
    found = ward.fhir.search(f"Task?focus={ward.report(1)}&status=completed")
    assert found["total"] == 1, "an EHR finds it by the report"


def test_a_task_that_somebody_changed_meanwhile_is_not_written_over(ward: Ward) -> None:
    ward.admit(1)
    ward.update()
    seen = ward.task(1)
    ward.fhir.put(seen | {"status": "accepted"}, version=seen["meta"]["versionId"])
    with pytest.raises(Contended):
        FhirTasks(ward.fhir).put(seen | {"status": "completed"}, seen["meta"]["versionId"])
    assert ward.task(1)["status"] == "accepted"
    ward.answer(1, Act.ACCEPT)
    assert ward.update() == 1
    assert ward.task(1)["status"] == "completed"


def test_the_search_by_which_a_patient_is_erased_finds_tocsins_task_of_theirs_and_no_other(ward: Ward) -> None:
    ward.admit(1)
    ward.admit(2)
    ward.update()
    ours = ward.task(1)
    ward.fhir.put(ours | {"id": f"other-{ward.mark}", "identifier": [{"system": "urn:example:ehr", "value": ward.mark}]})
    [search] = re.findall(r'"(Task\?[^"]+)"', (DEPLOY / "data.md").read_text("utf-8"))
    asked = search.replace("Patient/tocsin-try", ours["for"]["reference"]).replace(
        "$TOCSIN_REPORT__SOURCE", ours["identifier"][0]["system"]
    )
    found = ward.fhir.search(f"{asked}&_elements=id")
    assert [entry["resource"]["id"] for entry in found["entry"]] == [ours["id"]]
