"""Judgement -> FHIR R4 transaction. Pure: the time and the installation's name come in.

An AI result that nobody has read is `preliminary`, and each of its resources carries the AIAST label (HL7 AI Transparency on FHIR).
The Device and the model's card, to which they refer, are written before the first report (deploy/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import (
    AI_ASSERTED,
    AI_CONFIDENCE,
    ALTERNATE_REFERENCE,
    BANDS,
    DIAGNOSTIC_SERVICES,
    LOINC,
    OBSTACLES,
    PARTICIPANT_TYPES,
    REPORT_IDENTIFIER,
    RISK_PROBABILITY,
    SCORES,
    UCUM,
)
from tocsin.fhir.datatypes import Json, as_instant
from tocsin.image.types import Picture
from tocsin.model_card import FindingClass, ModelCard
from tocsin.report.resources.bundle import named, transaction
from tocsin.report.resources.concept import copied
from tocsin.report.resources.device import AI_TYPE
from tocsin.report.resources.identity import card_id, device_id, part_id, report_id
from tocsin.report.resources.mark import extension
from tocsin.report.types import Grounds, Mark, Report
from tocsin.risk.types import Assessment, Judgement, Unassessable

DECIMALS: Final = 6
"""Decimals of a probability in a report."""

NOT_REVIEWED: Final = "AI result, not yet reviewed by a clinician."
REHEARSED: Final = "This is a rehearsal by Tocsin's operators: nobody is to act on it."
SAYS_NOTHING: Final = "This says nothing about the patient's risk: examine the lesion as if there were no AI."


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who writes: the model, and the installation that runs it."""

    card: ModelCard
    source: str
    """URI of the installation."""


def compose(
    event: ImagingEvent,
    picture: Picture,
    grounds: Grounds,
    judgement: Judgement,
    issuer: Issuer,
    now: datetime,
    trace_id: str | None = None,
) -> Report:
    """The report on one picture; `grounds` is what the judgement rests on besides the pixels, `now` is aware.

    `trace_id` is the trace of the journey, as in Mark.
    """
    mark = _mark(picture, grounds, judgement, issuer, trace_id)
    draft = _Draft(event, picture, mark, issuer, now)
    match judgement:
        case Assessment():
            resources = draft.assessed(judgement)
        case Unassessable():
            resources = draft.unassessable(judgement)
    return Report(draft.id, picture.subject, picture.media, grounds, mark, draft.parts, transaction(resources))


def _mark(picture: Picture, grounds: Grounds, judgement: Judgement, issuer: Issuer, trace_id: str | None) -> Mark:
    code, score, flagged = _verdict(judgement)
    return Mark(
        *(picture.content_sha256, picture.as_of, picture.fetched),
        grounds=grounds.fingerprint,
        model_version=issuer.card.version,
        code=code,
        score=score,
        flagged=flagged,
        facts=grounds.facts,
        edition=grounds.rank.edition,
        judging=grounds.rank.judging,
        rehearsal=grounds.rehearsal,
        trace_id=trace_id,
    )


def _verdict(judgement: Judgement) -> tuple[str, float | None, bool]:
    """A mark's code, score and flag."""
    match judgement:
        case Assessment(_, probability, band):
            return band.code, _rounded(probability), band.flagged
        case Unassessable(obstacle):
            return obstacle.reason, None, False


class _Draft:
    """What all resources of one report have in common."""

    def __init__(self, event: ImagingEvent, picture: Picture, mark: Mark, issuer: Issuer, now: datetime) -> None:
        self._picture = picture
        self._mark = mark
        self._issuer = issuer
        self._card = issuer.card
        self._event = event
        self._now = as_instant(now)
        self._site = copied(picture.body_site)
        self._device = {"reference": f"Device/{device_id(issuer.source, issuer.card.model)}"}
        self.id = report_id(issuer.source, picture.media, picture.content_sha256, issuer.card.model)

    def parts(self) -> tuple[str, ...]:
        """References of whatever a report on this picture may hold, besides the report and its Provenance."""
        scores = (f"Observation/{part_id(self.id, f'score {each.code}')}" for each in self._card.output.classes)
        return (*scores, f"RiskAssessment/{part_id(self.id, 'risk')}")

    def assessed(self, assessment: Assessment) -> list[Json]:
        said = _worth_saying(assessment, self._card)
        scores = [self._score(each, assessment) for each in said]
        risk = self._risk(assessment, said)
        text = (
            f"{assessment.band.sentence} Model score for malignancy {assessment.probability:.3f} "
            f"({self._card.title} v{self._card.version}, {self._card.operating_point.name}). {NOT_REVIEWED}"
        )
        band = {"coding": [{"system": BANDS, "code": assessment.band.code, "display": assessment.band.display}]}
        report = self._report(text, {**band, "text": assessment.band.display}, scores)
        return [report, *scores, risk, self._provenance([report, *scores, risk])]

    def unassessable(self, judgement: Unassessable) -> list[Json]:
        obstacle = judgement.obstacle
        text = f"Not assessable by AI. {obstacle.sentence} {SAYS_NOTHING}"
        code = {"coding": [{"system": OBSTACLES, "code": obstacle.reason}], "text": f"Not assessable: {obstacle.sentence}"}
        report = self._report(text, code, [])
        return [report, self._provenance([report])]

    def _report(self, conclusion: str, code: Json, results: list[Json]) -> Json:
        report = self._labelled("DiagnosticReport", self.id) | {
            "extension": [extension(self._mark)],
            "identifier": [{"system": REPORT_IDENTIFIER, "value": self.id}],
            "status": "preliminary",
            "category": [{"coding": [{"system": DIAGNOSTIC_SERVICES, "code": "OTH", "display": "Other"}], "text": "AI image analysis"}],
            "code": {"coding": [{"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}], "text": self._card.title},
            "subject": {"reference": self._picture.subject},
            **self._when("effective"),
            "issued": self._now,
            "performer": [{"extension": [{"url": ALTERNATE_REFERENCE, "valueReference": self._device}], "display": self._card.title}],
            "media": [{"comment": "The image that was judged", "link": {"reference": self._picture.media}}],
            "conclusion": conclusion if self._mark.rehearsal is None else f"{REHEARSED} {conclusion}",
            "conclusionCode": [code],
        }
        if results:
            report["result"] = [{"reference": named(each)} for each in results]
        if self._event.study is not None:
            report["imagingStudy"] = [{"reference": self._event.study}]
        return report

    def _score(self, finding: FindingClass, assessment: Assessment) -> Json:
        value = _rounded(assessment.findings.probabilities[finding.code])
        observation = self._labelled("Observation", part_id(self.id, f"score {finding.code}")) | {
            "extension": [{"url": AI_CONFIDENCE, "valueDecimal": value}],
            "status": "preliminary",
            "code": {
                "coding": [{"system": SCORES, "code": f"{self._card.name}-{finding.code}", "display": f"Model score: {finding.display}"}],
                "text": f"Model score: {finding.display}",
            },
            "subject": {"reference": self._picture.subject},
            **self._when("effective"),
            "issued": self._now,
            "valueQuantity": {"value": value, "unit": "probability", "system": UCUM, "code": "1"},
            "device": self._device,
            "derivedFrom": [{"reference": self._picture.media}],
        }
        if self._site is not None:
            observation["bodySite"] = self._site
        return observation

    def _risk(self, assessment: Assessment, said: Iterable[FindingClass]) -> Json:
        band = assessment.band
        risk: Json = {"text": band.display}
        if band.qualitative_risk is not None:
            risk["coding"] = [{"system": RISK_PROBABILITY, "code": band.qualitative_risk}]
        return self._labelled("RiskAssessment", part_id(self.id, "risk")) | {
            "status": "preliminary",
            "method": {"text": f"{self._card.title} v{self._card.version}, {self._card.operating_point.name}"},
            "subject": {"reference": self._picture.subject},
            **self._when("occurrence"),
            "performer": self._device,
            "basis": [{"reference": self._picture.media}, {"reference": f"DiagnosticReport/{self.id}"}],
            "prediction": [
                {
                    "outcome": {"text": "Malignancy of the lesion on the image"},
                    "probabilityDecimal": _percent(assessment.probability),
                    "qualitativeRisk": risk,
                },
                *(_prediction(each, assessment) for each in said),
            ],
        }

    def _provenance(self, targets: list[Json]) -> Json:
        author = {"coding": [{"system": PARTICIPANT_TYPES, "code": "author", "display": "Author"}]}
        card = f"DocumentReference/{card_id(self._issuer.source, self._card.model)}"
        return self._labelled("Provenance", part_id(self.id, "provenance")) | {
            "target": [{"reference": named(each)} for each in targets],
            "occurredDateTime": self._now,
            "recorded": self._now,
            "reason": [{"coding": [AI_ASSERTED]}],
            "agent": [{"type": author, "role": [{"coding": [AI_TYPE]}], "who": self._device}],
            "entity": [
                {"role": "source", "what": self._judged()},
                {"role": "derivation", "what": {"reference": card}},
            ],
        }

    def _when(self, element: str) -> Json:
        """effective[x] or occurrence[x]: when the picture was taken, as exactly as that is stated; absent where nobody states it."""
        return {f"{element}{form}": value for form, value in self._picture.taken.effective.items()}

    def _judged(self) -> Json:
        """The Media with its content's hash, so that a later change of the Media cannot blur what was judged."""
        sha256 = {"system": "urn:tocsin:content-sha256", "value": self._picture.content_sha256}
        return {"reference": self._picture.media, "identifier": sha256}

    @staticmethod
    def _labelled(kind: str, id_: str) -> Json:
        return {"resourceType": kind, "id": id_, "meta": {"security": [AI_ASSERTED]}}


def _worth_saying(assessment: Assessment, card: ModelCard) -> list[FindingClass]:
    """The malignant classes, and the class that the model finds likeliest."""
    probabilities = assessment.findings.probabilities
    top = max(probabilities, key=lambda code: probabilities[code])
    return [each for each in card.output.classes if each.malignant or each.code == top]


def _prediction(finding: FindingClass, assessment: Assessment) -> Json:
    outcome: Json = {"text": finding.display}
    if finding.codings:
        outcome["coding"] = [coding.model_dump() for coding in finding.codings]
    return {"outcome": outcome, "probabilityDecimal": _percent(assessment.findings.probabilities[finding.code])}


def _rounded(probability: float) -> float:
    return round(probability, DECIMALS)


def _percent(probability: float) -> float:
    """RiskAssessment.prediction.probabilityDecimal: "Decimal values are expressed as percentages as well (max = 100)" (FHIR R4)."""
    return round(probability * 100, DECIMALS - 2)
