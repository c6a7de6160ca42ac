"""Stored reports of every kind that is printed, made by the composer that writes them into the record."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import CLASSES, MARK, SNOMED, SUPERSEDED_BY, VERDICT
from tocsin.fhir.datatypes import Json
from tocsin.image.printed import Photograph, for_print
from tocsin.image.types import Obstacle, Picture
from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, read_card
from tocsin.paper.compose import compose
from tocsin.paper.stored import Stored
from tocsin.paper.types import Document
from tocsin.report.resources.compose import compose as written
from tocsin.report.resources.issuer import Issuer
from tocsin.report.words import Wording
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement, Unassessable

from tests.builders import event_json, grounds_on, picture
from tests.support.pictures import textured
from tests.support.records import SKLESION

CARD: Final = read_card(SKLESION)
ISSUER: Final = Issuer(CARD, "urn:test:site")
ZONE: Final = ZoneInfo("Europe/Berlin")
ISSUED: Final = datetime(2026, 3, 1, 9, 31, tzinfo=UTC)
ARM: Final = {"coding": [{"system": SNOMED, "code": "40983000", "display": "Upper arm structure"}]}
MEDIA: Final[Json] = {
    "resourceType": "Media",
    "id": "m1",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "createdDateTime": "2026-03-01T10:30:00+01:00",
    "bodySite": ARM,
}
PATIENT: Final[Json] = {
    "resourceType": "Patient",
    "id": "p1",
    "birthDate": "1968-07-09",
    "gender": "female",
    "name": [{"use": "official", "family": "Παπαδοπούλου-Жуковская 日本", "given": ["Łucja", "Åsa"]}],
    "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": "MRN-0042"}],
}
"""A made-up patient whose name needs letters of every kind."""


CLINICIAN: Final = {"reference": "Practitioner/dr-1", "display": "Dr. B. Müller-Ångström"}
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"


def verified(act: str, when: str, reason: str = "") -> Json:
    """A Provenance of a clinician's act, by its code."""
    found: Json = {
        "resourceType": "Provenance",
        "id": act,
        "target": [{"reference": "DiagnosticReport/r"}],
        "recorded": when,
        "activity": {"coding": [{"system": VERDICT, "code": act}]},
        "agent": [
            {"type": {"coding": [{"code": "verifier"}]}, "who": {"reference": "Practitioner/dr-1", "display": "Dr. B. Müller-Ångström"}}
        ],
    }
    return found | ({"reason": [{"text": reason}]} if reason else {})


def findings(malignant: float) -> Findings:
    """An answer of the reference model whose score for malignancy is about this."""
    parts = {"akiec": 0.2, "bcc": 0.1, "mel": 0.7}
    rest = {"bkl": 0.15, "df": 0.02, "nv": 0.8, "vasc": 0.03}
    shares = {
        **{code: malignant * share for code, share in parts.items()},
        **{code: (1 - malignant) * share for code, share in rest.items()},
    }
    return Findings(CARD.model, {each.code: shares[each.code] for each in CARD.output.classes})


@cache
def shots() -> tuple[Picture, Photograph]:
    """The picture that was judged, and as it is printed."""
    image = picture(textured(320, 240), body_site=ARM)
    return image, for_print(image.content, side_px_max=900, pixels_max=1_000_000, reference="Media/m1")


def stored(judgement: Judgement, *, shown: bool = True, issuer: Issuer = ISSUER, **changes: Any) -> Stored:
    """The report on one picture as a server would hand it out; `changes` are made to the DiagnosticReport."""
    image, photograph = shots()
    made = written(
        ImagingEvent.model_validate(event_json()), image, grounds_on(), judgement, issuer, ISSUED, "0af7651916cd43dd8448eb211c80319c"
    )
    resources = copy.deepcopy([entry["resource"] for entry in made.bundle["entry"]])
    report = next(each for each in resources if each["resourceType"] == "DiagnosticReport")
    report |= {"meta": {**report["meta"], "versionId": "1", "lastUpdated": "2026-03-01T10:31:02.000+01:00"}, **changes}
    return Stored(
        report=report,
        results=tuple(each for each in resources if each["resourceType"] == "Observation"),
        media=MEDIA,
        patient=PATIENT,
        picture=photograph if shown else None,
    )


def acted(before: Stored, status: str, act: Json, **changes: Any) -> Stored:
    """The report after a clinician's act."""
    report = {**before.report, "status": status, "meta": {**before.report["meta"], "versionId": "2"}, **changes}
    return Stored(report, before.results, before.media, before.patient, (act,), before.picture)


def _without_mark(before: Stored) -> Stored:
    report = {**before.report, "extension": [each for each in before.report["extension"] if each["url"] != MARK]}
    return Stored(report, before.results, before.media, before.patient, (), before.picture)


def _of_another_version(before: Stored) -> Stored:
    report = copy.deepcopy(before.report)
    for part in report["extension"][0]["extension"]:
        if part["url"] == "model-version":
            part["valueString"] = "7"
    return Stored(report, before.results, before.media, before.patient, (), before.picture)


def kinds() -> Mapping[str, Callable[[], Stored]]:
    """Every kind of report by its name."""
    dark: Final = Unassessable(Obstacle("too-dark", "The image is too dark."))
    newer = {"url": SUPERSEDED_BY, "valueReference": {"reference": "DiagnosticReport/newer"}}

    def judged(malignant: float, **changes: Any) -> Stored:
        return stored(judge(findings(malignant), CARD), **changes)

    def another_class(before: Stored) -> Json:
        named = {"coding": [{"system": CLASSES, "code": "nv"}], "text": "Melanocytic naevus"}
        return {"conclusionCode": [*before.report["conclusionCode"], named]}

    def conclusion(words: str) -> Json:
        return {"conclusion": words, "conclusionCode": [{"text": words}]}

    return {
        "below-threshold": lambda: judged(0.004),
        "raised": lambda: judged(0.129),
        "high": lambda: judged(0.83),
        "without-picture": lambda: judged(0.83, shown=False),
        "not-assessable": lambda: stored(dark),
        "accepted": lambda: acted(judged(0.83), "final", verified("accept", "2026-03-02T08:15:00Z")),
        "overridden": lambda: acted(judged(0.129), "final", verified("override", "2026-03-02T08:15:00Z", "Looks benign on examination")),
        "signed-by-nobody-known": lambda: acted(judged(0.83), "final", {}),
        "corrected": lambda: acted(judged(0.83), "amended", verified("correct", "2026-03-02T08:15:00Z"), **another_class(judged(0.83))),
        "found-not-assessable": lambda: acted(judged(0.83), "amended", verified("not-assessable", "2026-03-02T08:15:00Z", "Out of focus")),
        "rewritten": lambda: acted(
            judged(0.83),
            "amended",
            verified("correct", "2026-03-02T08:15:00Z"),
            **conclusion("Seborrhoische Keratose, in Augenschein genommen."),
        ),
        "withdrawn": lambda: acted(judged(0.83), "entered-in-error", verified("withdraw", "2026-03-02T08:15:00Z", "Wrong patient")),
        "superseded": lambda: acted(judged(0.83), "entered-in-error", {}, extension=[newer]),
        "of-another-model-version": lambda: _of_another_version(judged(0.83)),
        "changed-beyond-reading": lambda: _without_mark(judged(0.83)),
    }


def document(of: Stored, language: str = "en", *, names_patient: bool = False, card: ModelCard = CARD) -> Document:
    """The report's document, by the card in use."""
    return compose(of, card, Wording(card, language), ZONE, names_patient=names_patient)
