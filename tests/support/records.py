"""A patient, a picture and a study of one test alone, in the record in memory or on a real server, and the reports on them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tocsin.errors import Contended
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import FhirClient, accepted, json_of
from tocsin.fhir.datatypes import Json
from tocsin.fhir.http import Http
from tocsin.image.types import Obstacle, Picture
from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard
from tocsin.report.ports import Rehearsals, Reports
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.rehearsals import FhirRehearsals
from tocsin.report.store.transaction import TransactionWriter
from tocsin.report.types import Report, StoredReport
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement, Unassessable
from tocsin.settings import FhirSettings

from tests.builders import card, event_json, grounds_on, picture
from tests.fakes.stages import FakeRehearsals, FakeReports
from tests.support.waiting import eventually

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SKLESION = Path(__file__).parents[2] / "deploy" / "triton" / "sklesion" / "card.yaml"
BODY_SITE = {"coding": [{"system": "http://snomed.info/sct", "code": "22943007", "display": "Trunk structure"}]}
CANARY = "Jane Canary"
GROUNDS = grounds_on("0c")


class Record(Protocol):
    """A record that holds a patient, a picture and a study of this test alone."""

    reports: Reports
    rehearsals: Rehearsals
    mark: str

    def another(self, issuer: Issuer | None = None) -> Reports:
        """The same record as another process has it, perhaps with another card or site file."""

    def finalise(self, report: Report) -> None:
        """A clinician signs the report."""

    def changes(self, report: Report) -> int:
        """How often the report was written or changed."""

    def delete(self, report: Report) -> None:
        """Somebody removes the report and what refers to it."""

    def standing(self) -> list[Json]:
        """Every DiagnosticReport on the picture."""


class FakeRecord:
    """The record in memory."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(4)
        self._fake = FakeReports(Issuer(card(), f"urn:tocsin:test:{self.mark}"))
        self.reports: Reports = self._fake
        self.rehearsals: Rehearsals = FakeRehearsals(self._fake)

    def another(self, issuer: Issuer | None = None) -> Reports:
        return self._fake

    def finalise(self, report: Report) -> None:
        self._fake.sign(report.reference)

    def changes(self, report: Report) -> int:
        return self._fake.versions[report.reference]

    def delete(self, report: Report) -> None:
        self._fake.deleted.add(report.reference)

    def standing(self) -> list[Json]:
        return [
            {"status": each.status, "subject": {"reference": each.subject}, "id": each.reference.partition("/")[2]}
            for each in self._fake.standings.values()
        ]


class ReportsWrittenAgain(FhirReports):
    """As the consumer has them: a report that another process seems to have written meanwhile is tried once more."""

    def write(self, report: Report) -> StoredReport:
        try:
            return super().write(report)
        except Contended:
            return super().write(report)


class FhirRecord:
    """The record on a real server."""

    def __init__(self, base_url: str, found_at: str | None = None, *, reports: type[FhirReports] = FhirReports) -> None:
        """`found_at`: the base address that Tocsin is given, where it differs from the one that tests use."""
        self.mark = secrets.token_hex(4)
        self._writer = reports
        self._found_at = found_at or base_url
        self.issuer = Issuer(card(), f"urn:tocsin:test:{self.mark}")
        self.fhir = FhirClient(FhirSettings(base_url=base_url))
        self._http = Http(connect_timeout_s=3, request_timeout_s=20)
        for name in ("p1", "p2"):
            self.fhir.put({"resourceType": "Patient", "id": f"{name}-{self.mark}", "active": True})
        subject = {"reference": f"Patient/p1-{self.mark}"}
        content = {"contentType": "image/jpeg", "data": "AAAA"}
        self.fhir.put({"resourceType": "Media", "id": f"m1-{self.mark}", "status": "completed", "subject": subject, "content": content})
        self.fhir.put({"resourceType": "ImagingStudy", "id": f"s1-{self.mark}", "status": "available", "subject": subject})
        self.reports: Reports = self.writer()
        found = FhirClient(FhirSettings(base_url=self._found_at))
        self.rehearsals: Rehearsals = FhirRehearsals(found, self.issuer, TransactionWriter(found, self.issuer))

    def writer(self, issuer: Issuer | None = None) -> FhirReports:
        """As one process has it."""
        fhir = FhirClient(FhirSettings(base_url=self._found_at))
        by = issuer or self.issuer
        return self._writer(fhir, by, TransactionWriter(fhir, by), validate_every=0, registration_wait_s=20.0)

    def another(self, issuer: Issuer | None = None) -> Reports:
        return self.writer(issuer)

    def changes(self, report: Report) -> int:
        return int(self.read(report.reference)["meta"]["versionId"])

    def finalise(self, report: Report) -> None:
        self.fhir.put(self.read(report.reference) | {"status": "final", "conclusion": "Seen: naevus."})

    def delete(self, report: Report) -> None:
        resources = {kind: entry["resource"]["id"] for entry in report.bundle["entry"] if (kind := entry["resource"]["resourceType"])}
        for kind in ("Provenance", "DiagnosticReport", "RiskAssessment"):
            self.remove(f"{kind}/{resources[kind]}")

    def remove(self, reference: str) -> None:
        eventually(partial(self._deleted, f"{self.fhir.base_url}/{reference}"), what="the deletion")

    def _deleted(self, url: str) -> bool:
        answer = self._http.exchange("DELETE", url, neighbour="fhir", headers={}, body_bytes_max=1_000_000)
        assert answer.status in (200, 204, 409), answer.status
        return answer.status != 409  # the server is still busy with what the resource is part of

    def standing(self) -> list[Json]:
        return self.search(f"DiagnosticReport?media=Media/m1-{self.mark}")

    def read(self, reference: str) -> Json:
        return json_of(accepted(self.fhir.get(reference), reference), reference)

    def search(self, query: str) -> list[Json]:
        bundle = json_of(accepted(self.fhir.get(f"{query}&_count=100"), query), query)
        return [entry["resource"] for entry in bundle.get("entry", [])]


def findings(of: ModelCard, malignant: float) -> Findings:
    """`malignant` for the first malignant class, the rest for the first that is not."""
    answer = dict.fromkeys((each.code for each in of.output.classes), 0.0)
    answer[next(each.code for each in of.output.classes if each.malignant)] = malignant
    answer[next(each.code for each in of.output.classes if not each.malignant)] = 1 - malignant
    return Findings(of.model, answer)


def high(of: ModelCard) -> Judgement:
    return judge(findings(of, 0.9), of)


def below(of: ModelCard) -> Judgement:
    return judge(findings(of, 0.001), of)


def dark(_of: ModelCard) -> Judgement:
    return Unassessable(Obstacle("too-dark", "The image is too dark."))


OTHER_GROUNDS = {below: grounds_on("0b"), dark: grounds_on("0d")}
"""A verdict changes with what it rests on and not by itself."""


def report(
    mark: str, *, patient: str = "p1", judged: Callable[[ModelCard], Judgement] = high, issuer: Issuer | None = None, **more: Any
) -> Report:
    """A report on the one picture of the test with this mark."""
    issuer = issuer or Issuer(card(), f"urn:tocsin:test:{mark}")
    subject, media = f"Patient/{patient}-{mark}", f"Media/m1-{mark}"
    event = ImagingEvent.model_validate(event_json(subject=subject, media=media, study=more.pop("study", None)))
    grounds, now = more.pop("grounds", OTHER_GROUNDS.get(judged, GROUNDS)), more.pop("now", NOW)
    trace_id = more.pop("trace_id", "0af7651916cd43dd8448eb211c80319c")
    grounds = replace(grounds, rank=grounds.rank._replace(model=int(issuer.card.version)))
    return compose(event, picture(subject=subject, media=media, **more), grounds, judged(issuer.card), issuer, now, trace_id)


def event_of(subject: str, media: str) -> ImagingEvent:
    return ImagingEvent.model_validate(event_json(subject=subject, media=media))


def replaced(mark: str, **more: Any) -> Report:
    """A report on the picture that took the place of the first, which was as of 09:31."""
    return report(mark, content_sha256="cd" * 32, as_of=NOW, **more)


def own_picture(mark: str, **changes: Any) -> Picture:
    return picture(**({"subject": f"Patient/p1-{mark}", "media": f"Media/m1-{mark}"} | changes))


def statuses(record: Record) -> dict[str, str]:
    return {f"DiagnosticReport/{each['id']}": each["status"] for each in record.standing()}


def of_kind(of: Report, kind: str) -> Json:
    resource: Json = next(entry["resource"] for entry in of.bundle["entry"] if entry["resource"]["resourceType"] == kind)
    return resource


def signed(record: FhirRecord, part: str, status: str = "final") -> None:
    """A clinician acts on one part of the report alone."""
    record.fhir.put(record.read(part) | {"status": status})
