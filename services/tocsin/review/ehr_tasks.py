"""A FHIR Task for each report that is flagged or in the audit sample: a flag stands in an EHR's inbox.

It is as the profile task-ehr-launch of SMART App Launch 2.2 (experimental there) has it: whoever takes the Task on launches the review
page in the patient's chart. It does not claim the profile: a server that does not have it may refuse the claim (HAPI does). Its id follows
from the report's, so that it is written once whoever writes it. What people do with a Task is theirs: Tocsin ends those that are open once
the report is answered or withdrawn, and changes no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import orjson

from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json, as_instant, instant, reference_to, text, to_the_millisecond, version_of
from tocsin.fhir.search import answers, resources_of
from tocsin.report.resources.identity import part_id
from tocsin.review.worklist import Row
from tocsin.telemetry.log import logger

SMART: Final = "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes"

OPEN: Final = frozenset({"draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"})
"""Statuses of a Task that somebody may yet work on (FHIR R4, task-status)."""
LOOK_UP_MAX: Final = 50
"""Most Tasks looked up in one search."""


def task_id(report: str) -> str:
    """Id of the Task for DiagnosticReport/<id>."""
    return part_id(report.partition("/")[2], "task")


def wanted(row: Row) -> str:
    """The status that the row's Task is to have: requested, completed or cancelled."""
    if row.withdrawn:
        return "cancelled"
    return "requested" if row.unread else "completed"


def task_of(row: Row, launch_url: str, highest: bool) -> Json:
    """The Task that asks for a look at the row's report; `launch_url` is the page's launch address, `highest` whether its band is.

    The address names the report as well as the context does: not every EHR hands a context on.
    """
    ident = row.report.partition("/")[2]
    return {
        "resourceType": "Task",
        "id": task_id(row.report),
        "identifier": [{"system": row.site, "value": task_id(row.report)}],
        "status": wanted(row),
        "intent": "proposal",
        "priority": "urgent" if highest else "routine",
        "code": _code("launch-app-ehr", "Launch application using the SMART EHR launch"),
        "focus": {"reference": row.report},
        "for": {"reference": row.subject},
        "authoredOn": as_instant(row.since),
        "lastModified": as_instant(row.changed_at),
        "input": [
            {
                "type": _code("smartonfhir-application", "SMART on FHIR application URL."),
                "valueUrl": f"{launch_url}?report={ident}",
            },
            {
                "type": _code("smartonfhir-appcontext", "Application context related to this launch."),
                "valueString": orjson.dumps({"report": ident}).decode(),
            },
        ],
    }


def _code(code: str, display: str) -> Json:
    return {"coding": [{"system": SMART, "code": code, "display": display}]}


class Tasks(Protocol):
    """The Tasks in the record. Each method raises Deferred, and FhirRejected (Refused) where the record refuses for good."""

    def standing(self, ids: Sequence[str]) -> Mapping[str, Json]:
        """Id -> the Task, of those of these that there are."""

    def put(self, task: Json, version: str | None) -> None:
        """Create the Task, or replace it while this version stands."""


@dataclass(frozen=True, slots=True)
class FhirTasks:
    """Adapter of the Tasks port, with Tocsin's own credential."""

    fhir: FhirClient

    def standing(self, ids: Sequence[str]) -> Mapping[str, Json]:
        """See Tasks."""
        pages = answers(self.fhir, f"Task?_id={','.join(ids)}&_count={len(ids)}")  # one that is overlooked would be made anew
        return {reference_to(each).partition("/")[2]: each for page in pages for each in resources_of(page, "Task")}

    def put(self, task: Json, version: str | None) -> None:
        """See Tasks."""
        self.fhir.put(task, version=version)


@dataclass(frozen=True, slots=True)
class Inbox:
    """Brings the Tasks of flagged and sampled reports up to date; which of both it is, no Task says."""

    tasks: Tasks
    launch_url: str
    highest: str
    """Code of the band whose Tasks are urgent."""
    source: str
    """URI of this installation; no other's reports get Tasks."""
    window: timedelta
    """Reports that were answered longer ago are not looked at."""

    def update(self, rows: Iterable[Row], now: datetime) -> int:
        """Write what differs, and return how many Tasks were written. Raises as Tasks; what is left undone the next call finds undone."""
        looked_at = [row for row in rows if row.site == self.source and self._is_looked_at(row, now)]
        return sum(self._batch(looked_at[at : at + LOOK_UP_MAX]) for at in range(0, len(looked_at), LOOK_UP_MAX))

    def _is_looked_at(self, row: Row, now: datetime) -> bool:
        if row.unread:
            return row.flagged or row.sampled
        return now - row.changed_at < self.window

    def _batch(self, rows: Sequence[Row]) -> int:
        standing = self.tasks.standing([task_id(row.report) for row in rows])
        changes = [change for row in rows if (change := self._change(row, standing.get(task_id(row.report)))) is not None]
        for task in changes:
            self.tasks.put(task, version_of(task))
        if changes:
            logger().info("tasks for the EHR's inbox were brought up to date", found=len(changes))
        return len(changes)

    def _change(self, row: Row, task: Json | None) -> Json | None:
        """The Task as it is to be written; None where it may stay as it is."""
        if task is None:
            return task_of(row, self.launch_url, row.band == self.highest) if row.unread else None
        status, aim = text(task.get("status")), wanted(row)
        if aim != "requested":
            return _moved(task, aim, row) if status in OPEN else None
        reopened = status == "completed" and _is_older(task, row.changed_at) and row.answer is not None
        return _moved(task, aim, row) if reopened else None


def _is_older(task: Json, when: datetime) -> bool:
    """Whether the Task was last changed before the aware time; one that tells no moment counts as older."""
    changed = instant(task.get("lastModified"))
    return changed is None or changed < to_the_millisecond(when)


def _moved(task: Json, status: str, row: Row) -> Json:
    return task | {"status": status, "lastModified": as_instant(row.changed_at)}
