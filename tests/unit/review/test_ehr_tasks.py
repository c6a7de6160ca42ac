"""Each flag has one Task in the EHR's inbox, which ends when the flag is answered; what people do with Tasks stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tocsin.fhir.datatypes import Json
from tocsin.fhir.reference import ServiceBase
from tocsin.review.ehr_tasks import FhirTasks, Inbox, task_id
from tocsin.review.types import Act
from tocsin.review.worklist import Ranks, Worklist

from tests.builders import card
from tests.fakes.ehr_tasks import FakeTasks
from tests.support.flags import HOUR, NOW, flag, standing, verdict

BANDS = card().operating_point.bands
SITE = "urn:tocsin:site:north"
MOMENT = datetime(2026, 3, 1, 13, tzinfo=UTC)


class Ward:
    """A worklist and the EHR's inbox."""

    def __init__(self) -> None:
        self.worklist, self.tasks = Worklist(Ranks.of(BANDS), 1000), FakeTasks()
        self.inbox = Inbox(self.tasks, "https://tocsin.example.org/launch", "high", SITE, timedelta(days=7))

    def update(self, after: timedelta = timedelta()) -> int:
        return self.inbox.update(self.worklist.rows(), NOW + after)

    def task(self, number: int = 1) -> Json:
        return self.tasks.tasks[task_id(f"DiagnosticReport/r{number}")]


@pytest.fixture
def of() -> Ward:
    return Ward()


def test_a_flagged_report_gets_one_task_however_often_it_is_looked_at(of: Ward) -> None:
    of.worklist.flag(flag(1))
    of.worklist.flag(flag(2, "below-threshold"))
    of.worklist.flag(flag(3, None))
    of.worklist.flag(flag(4, source="urn:tocsin:site:south"))
    assert of.update() == 1
    assert of.update(HOUR) == 0
    assert list(of.tasks.tasks) == [task_id("DiagnosticReport/r1")]
    task = of.task()
    assert (task["status"], task["priority"], task["for"]["reference"]) == ("requested", "urgent", "Patient/p1")
    values = [each.get("valueUrl") or each.get("valueString") for each in task["input"]]
    assert values == ["https://tocsin.example.org/launch?report=r1", '{"report":"r1"}']


def test_a_recorded_verdict_completes_it_and_a_withdrawal_cancels_it(of: Ward) -> None:
    for number in (1, 2, 3):
        of.worklist.flag(flag(number))
    of.update()
    of.worklist.verdict(verdict(1, at=NOW + HOUR))
    of.worklist.standing(standing(1, at=NOW + HOUR))
    of.worklist.verdict(verdict(2, Act.WITHDRAW, at=NOW + HOUR, id=2))
    of.worklist.standing(standing(2, at=NOW + HOUR, verdict=2))
    of.worklist.flag(flag(3, at=NOW + HOUR, status="entered-in-error", flagged=False))
    assert of.update(HOUR) == 3
    assert [of.task(number)["status"] for number in (1, 2, 3)] == ["completed", "cancelled", "cancelled"]
    assert of.update(2 * HOUR) == 0


def test_an_undone_verdict_opens_it_again(of: Ward) -> None:
    of.worklist.flag(flag(1))
    of.update()
    of.worklist.verdict(verdict(1, at=NOW + HOUR))
    of.worklist.standing(standing(1, at=NOW + HOUR))
    of.update(HOUR)
    of.worklist.verdict(verdict(1, Act.UNDO, at=NOW + 2 * HOUR, id=2))
    of.worklist.standing(standing(1, at=NOW + 2 * HOUR, verdict=2))
    assert of.update(2 * HOUR) == 1
    assert of.task()["status"] == "requested"
    assert of.update(3 * HOUR) == 0


def completed_and_undone(of: Ward, completed: str | None, undone: datetime) -> None:
    """A Task that an act completed, at the time that the server writes so, and whose act was undone."""
    of.worklist.flag(flag(1))
    of.update()
    of.worklist.verdict(verdict(1, at=MOMENT))
    of.worklist.standing(standing(1, at=MOMENT))
    of.update(HOUR)
    of.task()["lastModified"] = completed
    of.worklist.verdict(verdict(1, Act.UNDO, at=undone, id=2))
    of.worklist.standing(standing(1, at=undone, verdict=2))


@pytest.mark.parametrize("spelling", ["2026-03-01T14:00:00.000+01:00", "2026-03-01T13:00:00Z", "2026-03-01", "spoilt", None])
def test_an_undone_verdict_opens_it_again_however_the_server_writes_the_time_of_its_completion(of: Ward, spelling: str | None) -> None:
    completed_and_undone(of, spelling, MOMENT + timedelta(minutes=5))
    assert (of.update(2 * HOUR), of.task()["status"]) == (1, "requested")


@pytest.mark.parametrize("spelling", ["2026-03-01T12:10:00.000-01:00", "2026-03-01T13:05:00Z"])
def test_a_task_completed_since_the_undo_stays_so_however_its_time_is_written(of: Ward, spelling: str) -> None:
    completed_and_undone(of, spelling, MOMENT + timedelta(minutes=5, microseconds=400))
    assert of.update(2 * HOUR) == 0


@pytest.mark.parametrize("status", ["accepted", "in-progress", "rejected", "completed", "failed"])
def test_what_people_did_with_a_task_stays_while_the_flag_is_unread(of: Ward, status: str) -> None:
    of.worklist.flag(flag(1))
    of.update()
    of.tasks.tasks[task_id("DiagnosticReport/r1")]["status"] = status
    assert of.update(HOUR) == 0


def test_a_task_that_somebody_works_on_is_completed_and_one_that_was_rejected_is_left(of: Ward) -> None:
    for number in (1, 2):
        of.worklist.flag(flag(number))
    of.update()
    of.task(1)["status"], of.task(2)["status"] = "in-progress", "rejected"
    for number in (1, 2):
        of.worklist.verdict(verdict(number, at=NOW + HOUR, id=number))
        of.worklist.standing(standing(number, at=NOW + HOUR, verdict=number))
    assert of.update(HOUR) == 1
    assert [of.task(1)["status"], of.task(2)["status"]] == ["completed", "rejected"]


def test_a_report_that_was_answered_before_it_had_a_task_gets_none(of: Ward) -> None:
    of.worklist.flag(flag(1))
    of.worklist.verdict(verdict(1))
    of.worklist.standing(standing(1))
    assert of.update() == 0


class OneAtATime:
    """A FHIR server that gives one Task of a search at a time."""

    base_url = "https://fhir.example.org/r4"
    service_base = ServiceBase((base_url,))

    def search(self, path: str) -> Json:
        """See FhirClient.search."""
        number = 2 if "page=2" in path else 1
        more = [{"relation": "next", "url": f"{self.base_url}/Task?page=2"}] if number == 1 else []
        return {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Task", "id": f"t{number}"}}], "link": more}


def test_a_task_that_the_server_gives_on_a_second_page_is_not_overlooked_and_made_anew() -> None:
    server: Any = OneAtATime()
    assert set(FhirTasks(server).standing(["t1", "t2"])) == {"t1", "t2"}
