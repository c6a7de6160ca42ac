"""A report of one test alone that clinicians decide on, in a record in memory or on a real server."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json, reference_to
from tocsin.report.types import PRELIMINARY, Report
from tocsin.review.ports import Record
from tocsin.review.record import FhirRecord as FhirVerdicts
from tocsin.review.resources import House
from tocsin.review.rules import Before
from tocsin.review.types import Act, Surface, Verdict
from tocsin.settings import FhirSettings

from tests.builders import card
from tests.fakes.verdicts import FakeVerdicts
from tests.support.records import FhirRecord, report

DECIDED = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
NOW = DECIDED + timedelta(seconds=2)
CLASSES = {each.code: each.display for each in card().output.classes}
CODES = {Act.OVERRIDE: "clinically-benign", Act.CORRECT: "bcc", Act.NOT_ASSESSABLE: "out-of-focus", Act.WITHDRAW: "wrong-lesion"}
"""A code for each act that carries one."""
ISSUER = "https://ehr.example.org/r4"


def verdict(act: Act = Act.ACCEPT, **changes: Any) -> Verdict:
    """A verdict, new unless it is given an id."""
    whole = {
        "id": str(uuid.uuid4()),
        "source": "urn:tocsin:test",
        "report": "DiagnosticReport/r1",
        "report_version": "1",
        "media": "Media/m1",
        "subject": "Patient/p1",
        "act": act,
        "code": CODES.get(act),
        "clinician": "Practitioner/d1",
        "issuer": ISSUER,
        "surface": Surface.PAGE,
        "opened_at": DECIDED - timedelta(seconds=7),
        "decided_at": DECIDED,
    }
    return Verdict(**(whole | changes))


class Ward(Protocol):
    """A record with one report, and the clinicians d1 and d2."""

    record: Record

    def decide(self, act: Act, by: str = "d1", **changes: Any) -> Verdict:
        """A verdict on the report as it stands."""

    def status(self) -> str:
        """The report's."""


class FakeWard:
    """A ward in memory."""

    def __init__(self) -> None:
        self.fake = FakeVerdicts()
        self.record: Record = self.fake

    def decide(self, act: Act, by: str = "d1", **changes: Any) -> Verdict:
        return verdict(act, **({"clinician": f"Practitioner/{by}", "report_version": self.fake.version("DiagnosticReport/r1")} | changes))

    def status(self) -> str:
        return self.fake.befores.get("DiagnosticReport/r1", Before(PRELIMINARY)).status


def house(source: str) -> House:
    return House(source, CLASSES, ZoneInfo("Europe/Berlin"), "en")


class FhirWard:
    """A ward on a real server."""

    def __init__(self, base_url: str, **more: Any) -> None:
        """`more` is what its report is about, as for `report`."""
        self.of = FhirRecord(base_url)
        self.issuer = base_url
        for name in ("d1", "d2"):
            self.of.fhir.put({"resourceType": "Practitioner", "id": f"{name}-{self.of.mark}", "active": True})
        self.made: Report = report(self.of.mark, **more)
        self.of.reports.write(self.made)
        self.record: Record = self.at(base_url)

    def at(self, base_url: str, *, within_s: float = 20.0, also: tuple[str, ...] = ()) -> FhirVerdicts:
        """The record as a process has it that is given this address of the server."""
        fhir = FhirClient(FhirSettings(base_url=base_url, also_known_as=also, request_timeout_s=5))
        return FhirVerdicts(fhir, house(self.of.issuer.source), lambda: NOW, within_s=within_s)

    def decide(self, act: Act, by: str = "d1", **changes: Any) -> Verdict:
        own = {
            "report": self.made.reference,
            "media": self.made.media,
            "subject": self.made.subject,
            "clinician": f"Practitioner/{by}-{self.of.mark}",
            "issuer": self.issuer,
            "report_version": self.report()["meta"]["versionId"],
        }
        return verdict(act, **(own | changes))

    def report(self) -> Json:
        return self.of.read(self.made.reference)

    def status(self) -> str:
        return str(self.report()["status"])

    def parts(self) -> list[Json]:
        """What of the report still stands beside it."""
        made = (each["resource"] for each in self.made.bundle["entry"])
        return [self.of.read(reference_to(each)) for each in made if each["resourceType"] in ("Observation", "RiskAssessment")]

    def provenances(self) -> list[Json]:
        return self.of.search(f"Provenance?target={self.made.reference}")


def bare(resource: Json) -> Json:
    """The resource without what the server counts."""
    meta = {name: value for name, value in resource["meta"].items() if name not in ("versionId", "lastUpdated", "source")}
    return resource | {"meta": meta}
