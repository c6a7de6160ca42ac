"""Judgement -> FHIR R4 transaction. Pure: the time and the installation's name come in.

An AI result that nobody has read is `preliminary`, and each of its resources carries the AIAST label (HL7 AI Transparency on FHIR).
The Device and the model's card, to which they refer, are written before the first report (deploy/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import (
    AI_ASSERTED,
    AI_CONFIDENCE,
    BODY_STRUCTURE,
    LOINC,
    OBSTACLES,
    PARTICIPANT_TYPES,
    REPORT_IDENTIFIER,
    REPORT_RISK,
    RISK_PROBABILITY,
)
from tocsin.fhir.datatypes import Json, as_instant
from tocsin.image.types import Picture
from tocsin.model_card import FindingClass, ModelCard
from tocsin.report.lesion import identifier_of
from tocsin.report.obstacles import DISPLAYS
from tocsin.report.resources.bundle import named, transaction
from tocsin.report.resources.concept import copied
from tocsin.report.resources.device import AI_TYPE
from tocsin.report.resources.identity import card_id, part_id, report_id
from tocsin.report.resources.issuer import Issuer
from tocsin.report.resources.mark import extension
from tocsin.report.resources.narrative import Narrator
from tocsin.report.resources.readback import MALIGNANCY
from tocsin.report.said import DECIMALS, Said, rounded
from tocsin.report.types import PRELIMINARY, Grounds, Mark, Report
from tocsin.report.words import sentence
from tocsin.risk.types import Assessment, Judgement, Unassessable
from tocsin.site.file import site_of

__all__ = ["Issuer", "compose"]


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
    said = replace(issuer.saying.of(judgement, picture), rehearsal=grounds.rehearsal is not None)
    draft = _Draft(event, picture, mark, said, issuer, now)
    match judgement:
        case Assessment():
            resources = draft.assessed(judgement)
        case Unassessable():
            resources = draft.unassessable(judgement)
    return Report(draft.id, picture.subject, picture.media, grounds, mark, draft.parts, transaction(resources))


def _mark(picture: Picture, grounds: Grounds, judgement: Judgement, issuer: Issuer, trace_id: str | None) -> Mark:
    code, score, flagged = _verdict(judgement)
    site = site_of(issuer.card)
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
        site_file=None if site is None else str(site),
    )


def _verdict(judgement: Judgement) -> tuple[str, float | None, bool]:
    """A mark's code, score and flag."""
    match judgement:
        case Assessment(_, probability, band):
            return band.code, rounded(probability), band.flagged
        case Unassessable(obstacle):
            return obstacle.reason, None, False


class _Draft:
    """What all resources of one report have in common."""

    def __init__(self, event: ImagingEvent, picture: Picture, mark: Mark, said: Said, issuer: Issuer, now: datetime) -> None:
        self._picture = picture
        self._mark = mark
        self._issuer = issuer
        self._card = issuer.card
        self._fixed = issuer.fixed
        self._words = issuer.wording.of(said)
        self._narrator = Narrator(self._words)
        self._language = issuer.wording.catalogue
        self._said = said
        self._event = event
        self._now = as_instant(now)
        self._site = _body_site(picture)
        self.id = report_id(issuer.source, picture.media, picture.content_sha256, issuer.card.model)

    def parts(self) -> tuple[str, ...]:
        """References of whatever a report on this picture may hold, besides the report and its Provenance."""
        scores = (f"Observation/{part_id(self.id, f'score {each.code}')}" for each in self._card.output.classes)
        return (f"Observation/{part_id(self.id, MALIGNANCY)}", *scores, f"RiskAssessment/{part_id(self.id, 'risk')}")

    def assessed(self, assessment: Assessment) -> list[Json]:
        said = _worth_saying(assessment, self._card)
        scores = [self._malignancy(assessment), *(self._score(each, assessment) for each in said)]
        risk = self._risk(assessment, said, scores[0])
        report = self._report(self._fixed.bands[assessment.band.code], scores, risk)
        return [report, *scores, risk, self._provenance([report, *scores, risk])]

    def unassessable(self, judgement: Unassessable) -> list[Json]:
        reason = judgement.obstacle.reason
        text = self._language.say("Not assessable: {why}", why=self._issuer.wording.obstacle(self._said))
        code = {"coding": [{"system": OBSTACLES, "code": reason, "display": self._language.say(DISPLAYS[reason])}], "text": text}
        report = self._report(code, [], None)
        return [report, self._provenance([report])]

    def _report(self, code: Json, results: list[Json], risk: Json | None) -> Json:
        words, linked = self._words, [] if risk is None else [{"url": REPORT_RISK, "valueReference": {"reference": named(risk)}}]
        comment = (
            self._language.say("The image that could not be judged") if risk is None else self._language.say("The image that was judged")
        )
        report = self._resource("DiagnosticReport", self.id, self._narrator.of_report(self._language.say("Class"))) | {
            "extension": [extension(self._mark), *linked],
            "identifier": [{"system": REPORT_IDENTIFIER, "value": self.id}],
            "status": PRELIMINARY,
            "category": self._fixed.report_categories,
            "code": {"coding": [{"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}], "text": self._card.title},
            "subject": {"reference": self._picture.subject},
            **self._when("effective"),
            "issued": self._now,
            "performer": self._fixed.performer,
            "media": [{"comment": comment, "link": {"reference": self._picture.media}}],
            "conclusion": words.conclusion,
            "conclusionCode": [code],
        }
        if results:
            report["result"] = [{"reference": named(each)} for each in results]
        if self._event.study is not None:
            report["imagingStudy"] = [{"reference": self._event.study}]
        return report

    def _malignancy(self, assessment: Assessment) -> Json:
        """What the report is read by: the score, its thresholds and its band, and every class beside."""
        scores, fixed = assessment.findings.probabilities, self._fixed
        value = rounded(assessment.probability)
        whole = self._observation(part_id(self.id, MALIGNANCY), fixed.total, value, fixed.quantity(value), self._narrator.of_score())
        return whole | {
            "interpretation": fixed.interpretations[assessment.band.code],
            "method": fixed.method,
            "referenceRange": fixed.reference_range,
            "component": [
                *fixed.thresholds,
                *({"code": code, "valueQuantity": fixed.quantity_of_class(scores[name])} for name, code in fixed.classes.items()),
            ],
        }

    def _score(self, finding: FindingClass, assessment: Assessment) -> Json:
        value = rounded(assessment.findings.probabilities[finding.code])
        number = next(each.score for each in self._words.classes if each.code == finding.code)
        text = self._narrator.of_class(self._fixed.names[finding.code], number)
        code, quantity = self._fixed.classes[finding.code], self._fixed.quantity_of_class(value)
        return self._observation(part_id(self.id, f"score {finding.code}"), code, value, quantity, text)

    def _observation(self, id_: str, code: Json, value: float, quantity: Json, text: Json) -> Json:
        observation = self._resource("Observation", id_, text) | {
            "extension": [{"url": AI_CONFIDENCE, "valueDecimal": value}],
            "status": PRELIMINARY,
            "category": self._fixed.result_categories,
            "code": code,
            "subject": {"reference": self._picture.subject},
            **self._when("effective"),
            "issued": self._now,
            "performer": self._fixed.performer,
            "valueQuantity": quantity,
            "device": self._fixed.device,
            "derivedFrom": [{"reference": self._picture.media}],
        }
        if self._site is not None:
            observation["bodySite"] = self._site
        return observation

    def _risk(self, assessment: Assessment, said: Iterable[FindingClass], score: Json) -> Json:
        return self._resource("RiskAssessment", part_id(self.id, "risk"), self._narrator.of_risk()) | {
            "status": PRELIMINARY,
            "method": self._fixed.method,
            "subject": {"reference": self._picture.subject},
            **self._when("occurrence"),
            "performer": self._fixed.device,
            "basis": [{"reference": self._picture.media}, {"reference": named(score)}],
            "prediction": self._predictions(assessment, said),
        }

    def _predictions(self, assessment: Assessment, said: Iterable[FindingClass]) -> list[Json]:
        """The band; and probabilities only where the card's calibration carries them."""
        band = assessment.band
        risk = self._fixed.bands[band.code]
        whole: Json = {"outcome": {"text": self._language.say("Malignancy of the lesion on the image")}}
        if not self._card.is_calibrated:
            return [whole | {"qualitativeRisk": risk, "rationale": f"{sentence(self._words.numbers)} {sentence(self._words.scale)}"}]
        if band.qualitative_risk is not None:
            risk = risk | {"coding": [{"system": RISK_PROBABILITY, "code": band.qualitative_risk}, *risk["coding"]]}
        whole |= {
            "probabilityDecimal": _percent(assessment.probability),
            "qualitativeRisk": risk,
            "rationale": " ".join(sentence(each) for each in (self._words.numbers, self._words.scale) if each),
        }
        classes = said if self._said.classes_calibrated else ()
        return [whole, *(self._prediction(each, assessment) for each in classes)]

    def _prediction(self, finding: FindingClass, assessment: Assessment) -> Json:
        outcome: Json = {"text": self._card.say(finding.display, self._issuer.language)}
        if finding.codings:
            outcome["coding"] = [coding.model_dump() for coding in finding.codings]
        return {"outcome": outcome, "probabilityDecimal": _percent(assessment.findings.probabilities[finding.code])}

    def _provenance(self, targets: list[Json]) -> Json:
        author = {"coding": [{"system": PARTICIPANT_TYPES, "code": "author", "display": "Author"}]}
        card = f"DocumentReference/{card_id(self._issuer.source, self._card.model)}"
        return self._labelled("Provenance", part_id(self.id, "provenance")) | {
            "target": [{"reference": named(each)} for each in targets],
            "occurredDateTime": self._now,
            "recorded": self._now,
            "reason": [{"coding": [AI_ASSERTED]}],
            "agent": [{"type": author, "role": [{"coding": [AI_TYPE]}], "who": self._fixed.device}],
            "entity": [
                {"role": "source", "what": self._judged()},
                {"role": "derivation", "what": {"reference": card}},
                *self._fixed.site_entity,
            ],
        }

    def _when(self, element: str) -> Json:
        """effective[x] or occurrence[x]: when the picture was taken, as exactly as that is stated; absent where nobody states it."""
        return {f"{element}{form}": value for form, value in self._picture.taken.effective.items()}

    def _judged(self) -> Json:
        """The Media with its content's hash, so that a later change of the Media cannot blur what was judged."""
        sha256 = {"system": "urn:tocsin:content-sha256", "value": self._picture.content_sha256}
        return {"reference": self._picture.media, "identifier": sha256}

    def _resource(self, kind: str, id_: str, text: Json) -> Json:
        return self._labelled(kind, id_) | {"language": self._words.language, "text": text}

    @staticmethod
    def _labelled(kind: str, id_: str) -> Json:
        return {"resourceType": kind, "id": id_, "meta": {"security": [AI_ASSERTED]}}


def _worth_saying(assessment: Assessment, card: ModelCard) -> list[FindingClass]:
    """The malignant classes, and the class that the model finds likeliest."""
    probabilities = assessment.findings.probabilities
    top = max(probabilities, key=lambda code: probabilities[code])
    return [each for each in card.output.classes if each.malignant or each.code == top]


def _body_site(picture: Picture) -> Json | None:
    """The Media's body site as an Observation may have it: its codings, and the lesion's identifier."""
    site, lesion = copied(picture.body_site), identifier_of(picture.body_site or {})
    if lesion is None:
        return site
    return (site or {}) | {"extension": [{"url": BODY_STRUCTURE, "valueReference": {"identifier": {"value": lesion}}}]}


def _percent(probability: float) -> float:
    """RiskAssessment.prediction.probabilityDecimal: "Decimal values are expressed as percentages as well (max = 100)" (FHIR R4)."""
    return round(probability * 100, DECIMALS - 2)
