"""A clinic in memory for the review page: a patient with lesions, a reader, and verdicts that go into the fake record."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, Response
from pydantic import SecretStr
from tocsin.errors import KAFKA, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import DATA_OPERATIONS, DICOM_MODALITY, PARTICIPANT_TYPES, SNOMED
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json, reference_to
from tocsin.fhir.http import Http
from tocsin.fhir.reference import ServiceBase
from tocsin.image.content import Contents
from tocsin.image.types import Obstacle
from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, limits_for, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.identity import part_id
from tocsin.report.words import Wording
from tocsin.review.answered import NOTHING, Answered, answer_of
from tocsin.review.types import Act, Standing, State, Surface, Verdict
from tocsin.review.view import BODY_SITE
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement, Unassessable
from tocsin.serve.page.blueprint import blueprint
from tocsin.serve.page.looks import Looks
from tocsin.serve.page.ports import Choices, Kept, Phrases, Ports, Rules
from tocsin.serve.types import Role, Session
from tocsin.settings import ImageSettings

from tests.builders import RANK, event_json, grounds_on, picture
from tests.fakes.looks import DictLooks
from tests.fakes.record import BASE, FakeRecord
from tests.support.flags import feedback

NAME = "Magdalena Kanarienvogel"
"""The made-up patient's name: a canary, which may stand on the page and nowhere else."""
CLINICIAN = "Practitioner/page-dr-1"
COLLEAGUE = "Practitioner/page-dr-2"
NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
SOURCE = "urn:test:clinic"
TRUNK = {"coding": [{"system": SNOMED, "code": "22943007", "display": "Trunk structure"}]}
SCORES = {"akiec": 0.03, "bcc": 0.02, "bkl": 0.1, "df": 0.01, "mel": 0.12, "nv": 0.7, "vasc": 0.02}


@dataclass(frozen=True)
class Reason:
    """A coded reason."""

    code: str
    display: str


REASONS = {
    Act.OVERRIDE: (Reason("clinically-benign", "Looks benign on examination"), Reason("other", "Another reason")),
    Act.NOT_ASSESSABLE: (Reason("out-of-focus", "Out of focus"), Reason("other", "Another reason")),
    Act.WITHDRAW: (Reason("wrong-patient", "Wrong patient"), Reason("wrong-picture", "Wrong picture")),
}
_BECOMES = {
    Act.ACCEPT: "final",
    Act.OVERRIDE: "final",
    Act.CORRECT: "amended",
    Act.NOT_ASSESSABLE: "amended",
    Act.WITHDRAW: "entered-in-error",
    Act.UNDO: "preliminary",
}


@dataclass
class FakeSessions:
    """One reader, or none."""

    now: Session | None

    def current(self) -> Session | None:
        """See Sessions."""
        return self.now


@dataclass
class FakeDesk:
    """Verdicts and their standings, over the fake record."""

    record: FakeRecord
    kept: dict[str, tuple[Verdict, Standing]] = field(default_factory=dict)
    bus_is_away: bool = False
    state: State = State.RECORDED
    """What becomes of the next verdicts."""

    def submit(self, verdict: Verdict) -> Standing:
        """See Verdicts. As there, another verdict under a known id is refused."""
        if self.bus_is_away:
            raise Unavailable(KAFKA, "KafkaTimeoutError")
        if verdict.id not in self.kept:
            self.kept[verdict.id] = verdict, self._standing(verdict)
        known, standing = self.kept[verdict.id]
        return standing if known == verdict else standing.model_copy(update={"state": State.REFUSED, "reason": "id-taken"})

    def of(self, report: str) -> Sequence[Kept]:
        """See Standings. As where the bus is followed, the last one alone."""
        return [Kept(each.id, each.act, standing.state, (each.clinician, each.issuer)) for each, standing in self._on(report)[-1:]]

    def choices(self, report: Json, _base: ServiceBase, session: Session) -> Choices:
        """What the reader may do: decide on what is not withdrawn, and take back an own last act."""
        last = next((each for each, standing in reversed(self._on(reference_to(report))) if standing.state is State.RECORDED), None)
        own = last and last.act is not Act.UNDO and (last.clinician, last.issuer) == (session.clinician, session.issuer)
        acts = set() if report["status"] == "entered-in-error" else set(Act) - {Act.UNDO}
        return Choices(frozenset(acts | ({Act.UNDO} if own else set())), last.id if last and own else None)

    def _on(self, report: str) -> list[tuple[Verdict, Standing]]:
        """Those on the report, by when they were decided."""
        return sorted((each for each in self.kept.values() if each[0].report == report), key=lambda each: each[0].decided_at)

    def _standing(self, verdict: Verdict) -> Standing:
        state, report = self.state, self.record.resources[verdict.report]
        if state is State.RECORDED and report["meta"]["versionId"] != verdict.report_version:
            state = State.OVERTAKEN
        if state is State.RECORDED:
            done = act_on(verdict.report, verdict.act, verdict.clinician, verdict.decided_at, _reasons(verdict), verdict=verdict.id)
            self.record.keep(report | {"status": _BECOMES[verdict.act]}, done)
        return Standing(verdict=verdict.id, report=verdict.report, state=state, at=verdict.decided_at)


def _reasons(verdict: Verdict) -> list[Json]:
    displays = {each.code: each.display for each in REASONS.get(verdict.act, ())}
    coding = {"system": "urn:test", "code": verdict.code}
    return (
        [{"coding": [coding], "text": displays[verdict.code]} if verdict.code in displays else {"coding": [coding]}] if verdict.code else []
    )


def act_on(report: str, act: Act, clinician: str, at: datetime, reasons: Sequence[Json] = (), *, verdict: str = "of another page") -> Json:
    """The Provenance of a clinician's act."""
    return {
        "resourceType": "Provenance",
        "id": part_id(report.removeprefix("DiagnosticReport/"), f"verdict {verdict}"),
        "target": [{"reference": report}],
        "occurredDateTime": at.isoformat(),
        "recorded": at.isoformat(),
        "activity": {"coding": [{"system": DATA_OPERATIONS, "code": "UPDATE"}, {"system": "urn:tocsin:act", "code": act.value}]},
        **({"reason": list(reasons)} if reasons else {}),
        "agent": [{"type": {"coding": [{"system": PARTICIPANT_TYPES, "code": "verifier"}]}, "who": {"reference": clinician}}],
    }


@cache
def reference_card() -> ModelCard:
    """The reference model's card, which takes a while to read."""
    return read_card(packaged(REFERENCE_CARD))


@dataclass
class Clinic:
    """The page and all behind it."""

    record: FakeRecord = field(default_factory=FakeRecord)
    sessions: FakeSessions = field(default_factory=lambda: FakeSessions(reader()))
    looks: Looks = field(default_factory=DictLooks)
    now: datetime = NOW
    blind: frozenset[Role] = frozenset()
    card: ModelCard = field(default_factory=reference_card)
    card_at_hand: bool = True
    content: bytes = b""
    in_ehr: Answered | None = NOTHING
    """What EHRs tell of answers to the report's cards."""

    def __post_init__(self) -> None:
        self.desk = FakeDesk(self.record)

    @property
    def report(self) -> Json:
        """The one DiagnosticReport, as it stands."""
        return next(each for each in self.record.resources.values() if each["resourceType"] == "DiagnosticReport")

    @property
    def card_in_use(self) -> ModelCard:
        """That of the report's model, or of another version where that one is not at hand."""
        return self.card if self.card_at_hand else self.card.model_copy(update={"version": "99"})

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"/reports/{self.report['id']}"

    def app(self) -> Flask:
        """The application, with the page alone."""
        app = Flask("tocsin.serve.app")  # with the files that are the whole server's
        app.register_blueprint(blueprint(self.ports(), Rules(SOURCE, ZoneInfo("Europe/Berlin"), self.blind)))
        app.add_url_rule("/favicon.ico", view_func=lambda: ("", HTTPStatus.NO_CONTENT))
        app.after_request(_as_served)
        return app

    def ports(self) -> Ports:
        """The ports of the page."""
        return Ports(
            sessions=self.sessions,
            record_of=lambda session: self.record.client(session.token.get_secret_value()),
            verdicts=self.desk,
            standings=self.desk.of,
            in_ehr=lambda report: self.in_ehr if report == reference_to(self.report) else NOTHING,
            choices_of=self.desk.choices,
            reasons_for=lambda act: REASONS.get(act, ()),
            card_of=lambda version: self.card if self.card_at_hand and version == self.card.version else None,
            contents_of=_contents,
            looks=self.looks,
            wording_of=lambda language: Wording(self.card_in_use, language),
            phrases=Phrases(limits_for=lambda card, known: [each.sentence for each in limits_for(card, known)]),
            now=lambda: self.now,
        )

    def judged(self, judgement: Judgement | None = None, *, media: str = "page-m1", scores: dict[str, float] | None = None) -> Json:
        """Keep a picture of the patient and Tocsin's own report on it; returns the report."""
        resource = media_of(media, self.content)
        self.record.keep(resource)
        found = judgement or judge(Findings(self.card.model, scores or SCORES), self.card)
        shown = picture(
            media=f"Media/{media}",
            subject="Patient/page-p1",
            content=self.content,
            content_sha256=hashlib.sha256(self.content).hexdigest(),
            body_site=TRUNK,
        )
        event = _event(media)
        report = compose(
            event,
            shown,
            grounds_on(rank=RANK._replace(model=int(self.card.version))),
            found,
            Issuer(self.card, SOURCE),
            NOW - timedelta(days=1),
            "5" * 32,
        )
        self.record.keep(*(entry["resource"] for entry in report.bundle["entry"]))
        return self.record.resources[report.reference]

    def changed(self, **elements: Any) -> None:
        """Another version of the report, with these elements."""
        self.record.keep(self.report | elements)


def clinic(content: bytes, judgement: Judgement | None = None, **more: Any) -> Clinic:
    """A clinic with one report, on a picture with this content, and its patient and clinicians."""
    scores, chart = more.pop("scores", None), more.pop("sessions_patient", "Patient/page-p1")
    made = Clinic(content=content, **more)
    made.sessions.now = reader(patient=chart)
    made.record.keep(patient(), practitioner(CLINICIAN, "Dr. Ada", "Muster"), practitioner(COLLEAGUE, "Dr. Ben", "Beispiel"))
    made.judged(judgement, scores=scores)
    return made


def put_away(content: bytes) -> Clinic:
    """A clinic whose report's card was put away in the EHR, and before that for no reason that a verdict has."""
    made = clinic(content)
    for number, code in enumerate(("no-time-now", "clinically-benign"), 1):
        told = feedback(1, code, id=number, at=NOW - timedelta(hours=4 - number), commented=number == 1)
        made.in_ehr = (made.in_ehr or NOTHING).told(answer_of(told))
    return made


def verdict_on(made: Clinic, act: Act, clinician: str, code: str | None = None, id_: str | None = None) -> Verdict:
    """A verdict on the clinic's report as it stands."""
    report = made.report
    return Verdict(
        id=id_ or str(uuid.uuid4()),
        source=SOURCE,
        report=reference_to(report),
        report_version=report["meta"]["versionId"],
        media="Media/page-m1",
        subject="Patient/page-p1",
        act=act,
        code=code,
        clinician=clinician,
        issuer=BASE,
        surface=Surface.PAGE,
        decided_at=made.now + timedelta(minutes=len(made.desk.kept)),
    )


def reader(**changes: Any) -> Session:
    """A reader in the patient's chart."""
    session = Session(
        key="a" * 64,
        csrf="csrf-of-the-session",
        issuer=BASE,
        clinician=CLINICIAN,
        roles=frozenset({Role.READER}),
        token=SecretStr("readers-token"),
        until=NOW + timedelta(hours=8),
        patient="Patient/page-p1",
    )
    return replace(session, **changes)


def patient(**changes: Any) -> Json:
    """The made-up patient."""
    given, family = NAME.split()
    return {
        "resourceType": "Patient",
        "id": "page-p1",
        "active": True,
        "name": [{"use": "official", "given": [given], "family": family}],
        "gender": "female",
        "birthDate": "1961-05-04",
        "identifier": [{"value": "other"}, {"type": {"coding": [{"code": "MR"}]}, "value": "MRN-4711"}],
    } | changes


def practitioner(reference: str, given: str, family: str) -> Json:
    """A made-up clinician."""
    return {"resourceType": "Practitioner", "id": reference.partition("/")[2], "name": [{"given": [given], "family": family}]}


def media_of(id_: str, shot: bytes, *, lesion: str | None = "l1", day: str = "2026-03-01", **changes: Any) -> Json:
    """A picture of a lesion on the patient's trunk."""
    structure = {"extension": [{"url": BODY_SITE, "valueReference": {"reference": f"BodyStructure/page-{lesion}"}}]} if lesion else {}
    return {
        "resourceType": "Media",
        "id": id_,
        "status": "completed",
        "subject": {"reference": "Patient/page-p1"},
        "modality": {"coding": [{"system": DICOM_MODALITY, "code": "DMS"}]},
        "bodySite": TRUNK | structure,
        "createdDateTime": day,
        "content": {
            "contentType": "image/jpeg",
            "size": len(shot),
            "hash": base64.b64encode(hashlib.sha1(shot).digest()).decode(),
            "data": base64.b64encode(shot).decode(),
        },
    } | changes


def not_assessable() -> Judgement:
    """A picture that is too dark."""
    return Unassessable(Obstacle("too-dark", "The image is too dark."))


def _as_served(response: Response) -> Response:
    """With the policy under which the page is served, so that nothing in it may rest on what that forbids."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return response


def _contents(fhir: FhirClient) -> Contents:
    return Contents(fhir, Http(connect_timeout_s=1, request_timeout_s=1), ImageSettings())


def _event(media: str) -> ImagingEvent:
    return ImagingEvent.model_validate(event_json(media=f"Media/{media}", subject="Patient/page-p1"))
