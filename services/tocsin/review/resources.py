"""A verdict as a FHIR R4 transaction: the report, its own parts, who says so (Provenance), and the audit trail (AuditEvent). Pure.

The AI's own result stays as it is: codes, scores and mark are not touched, so that whoever reads the report still sees what the model said
and Tocsin still recognises it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

from tocsin.fhir.canonical import CLASSES, DATA_OPERATIONS, PARTICIPANT_TYPES, VERDICT
from tocsin.fhir.datatypes import Json, as_instant, objects, reference_to, text
from tocsin.fhir.reference import ServiceBase
from tocsin.report.resources.bundle import transaction
from tocsin.report.resources.identity import part_id
from tocsin.report.resources.status import without_document
from tocsin.review.acted import before, extension
from tocsin.review.audit import audit_event
from tocsin.review.parts import At, moved_in, step_of
from tocsin.review.reasons import reason_of
from tocsin.review.rules import Acted, Before, becomes, is_shared
from tocsin.review.sentences import place, resaid, sentence
from tocsin.review.types import Act, Verdict

_OPERATIONS: Final[Mapping[Act, str]] = {Act.WITHDRAW: "NULLIFY", Act.UNDO: "REACTIVATE"}


@dataclass(frozen=True, slots=True)
class House:
    """What an installation says of itself and its model where it writes verdicts."""

    source: str
    """URI of the installation."""
    classes: Mapping[str, str]
    """Code of each class that a correction may name -> its display."""
    zone: tzinfo
    """The site's, in which the report tells times."""
    language: str
    """Of a report that does not tell its own."""
    translated: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Language -> code of each such class -> its display in that language."""

    def named(self, language: str) -> Mapping[str, str]:
        """Code of each class -> its display in that language; as the card has it where there is no translation."""
        return {**self.classes, **self.translated.get(language, {})}


@dataclass(frozen=True, slots=True)
class Read:
    """A report as it was read."""

    report: Json
    """The DiagnosticReport, whole."""
    parts: Sequence[Json]
    """What of it Tocsin made and nobody removed: Observations and the RiskAssessment."""
    base: ServiceBase
    """The record's server."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """What the act that stands on it has moved, as in Acted.moved; empty where none stands."""


def provenance_id(report: str, verdict: str) -> str:
    """Id of the Provenance of the verdict on DiagnosticReport/<id>: a retry finds it."""
    return part_id(report.removeprefix("DiagnosticReport/"), f"verdict {verdict}")


def written(verdict: Verdict, read: Read, house: House, now: datetime) -> Json:
    """The transaction that puts an allowed verdict into the record; `now` is aware. It still names no version (see `conditional`)."""
    stood = before(read.report, read.base)
    after = becomes(verdict.act, stood.status)
    at = At(stood.status, read.moved, acted_on=stood.acted is not None)
    steps = [step for step in (step_of(part, verdict.act, at, after) for part in read.parts) if step is not None]
    report = _undone(read.report, stood) if verdict.act is Act.UNDO else _decided(verdict, read, house, stood, moved_in(steps))
    targets = [report | {"status": after}, *(step.part for step in steps)]
    return transaction([*targets, _provenance(verdict, targets, read.base, now), audit_event(verdict, house.source, read.base, now)])


def _decided(verdict: Verdict, read: Read, house: House, stood: Before, moved: Mapping[str, str]) -> Json:
    """The report with what the clinician said, who said it, and which parts went along."""
    where = place(text(read.report.get("conclusion")), stood.acted, house.language)
    new = sentence(verdict, house.named(where.words.language), where.words, house.zone)
    acted = Acted(
        verdict=verdict.id,
        act=verdict.act,
        code=verdict.code,
        clinician=verdict.clinician,
        issuer=verdict.issuer,
        at=verdict.decided_at,
        shared=is_shared(stood, verdict),
        sentence=new,
        instead_of=where.sentence if stood.acted is None else stood.acted.instead_of,
        moved=moved,
    )
    changed = resaid(without_document(read.report), where.sentence, new)
    changed["extension"] = [*_without(changed, "extension", url=VERDICT), extension(acted)]
    _put(changed, "conclusionCode", [*_not_added(changed, "conclusionCode"), *_class(verdict, house.classes)])
    if verdict.act is not Act.WITHDRAW:
        _put(changed, "resultsInterpreter", [*objects(changed.get("resultsInterpreter")), *_interpreter(verdict, changed, read.base)])
    return changed


def _undone(report: Json, stood: Before) -> Json:
    """The report as it was before anybody had acted."""
    acted = stood.acted
    bare = without_document(report)
    changed = resaid(bare, acted.sentence, acted.instead_of) if acted is not None else bare
    _put(changed, "extension", _without(changed, "extension", url=VERDICT))
    for name in ("conclusionCode", "resultsInterpreter"):
        _put(changed, name, _not_added(changed, name))
    return changed


def _class(verdict: Verdict, classes: Mapping[str, str]) -> list[Json]:
    """The conclusion that a correction adds behind the AI's own."""
    if verdict.act is not Act.CORRECT or verdict.code is None:
        return []
    display = classes[verdict.code]
    return [{"extension": [_added_by(verdict)], "coding": [{"system": CLASSES, "code": verdict.code, "display": display}], "text": display}]


def _interpreter(verdict: Verdict, report: Json, base: ServiceBase) -> list[Json]:
    """The clinician as one of the report's interpreters, where they are none yet."""
    who = clinician(verdict, base)
    stated = [{name: value for name, value in each.items() if name != "extension"} for each in objects(report.get("resultsInterpreter"))]
    return [] if who in stated else [{"extension": [_added_by(verdict)], **who}]


def clinician(verdict: Verdict, base: ServiceBase) -> Json:
    """A reference to the clinician: literal where the record's own server vouches for them, else by identifier."""
    if base.reference(f"{verdict.issuer.rstrip('/')}/{verdict.clinician}") is not None:
        return {"reference": verdict.clinician}
    kind = verdict.clinician.partition("/")[0]
    return {"type": kind, "identifier": {"system": verdict.issuer, "value": verdict.clinician}}


def _provenance(verdict: Verdict, targets: Iterable[Json], base: ServiceBase, now: datetime) -> Json:
    verifier = {"coding": [{"system": PARTICIPANT_TYPES, "code": "verifier", "display": "Verifier"}]}
    resource: Json = {
        "resourceType": "Provenance",
        "id": provenance_id(verdict.report, verdict.id),
        "target": [{"reference": reference_to(each)} for each in targets],
        "occurredDateTime": as_instant(verdict.decided_at),
        "recorded": as_instant(now),
        "activity": {
            "coding": [
                {"system": VERDICT, "code": verdict.act.value},
                {"system": DATA_OPERATIONS, "code": _OPERATIONS.get(verdict.act, "UPDATE")},
            ]
        },
        "agent": [{"type": verifier, "who": clinician(verdict, base)}],
        "entity": [{"role": "source", "what": {"reference": verdict.media}}],
    }
    if reasons := _reasons(verdict):
        resource["reason"] = reasons
    if verdict.undoes is not None:
        undone = f"Provenance/{provenance_id(verdict.report, verdict.undoes)}"
        resource["entity"].append({"role": "removal", "what": {"reference": undone}})
    return resource


def _reasons(verdict: Verdict) -> list[Json]:
    reason = reason_of(verdict.act, verdict.code)
    if reason is None:
        return [{"coding": [{"system": CLASSES, "code": verdict.code}]}] if verdict.code is not None else []
    codings = [{"system": each.system, "code": each.code} for each in reason.codings]
    return [{"coding": codings, "text": reason.display}]


def _added_by(verdict: Verdict) -> Json:
    return {"url": VERDICT, "valueString": verdict.id}


def _not_added(resource: Json, name: str) -> list[Json]:
    """The elements of this name that no verdict added."""
    return [each for each in objects(resource.get(name)) if not any(e.get("url") == VERDICT for e in objects(each.get("extension")))]


def _without(resource: Json, name: str, *, url: str) -> list[Json]:
    return [each for each in objects(resource.get(name)) if each.get("url") != url]


def _put(resource: Json, name: str, elements: Sequence[Json]) -> None:
    """Give the resource these elements; an array in FHIR is never empty."""
    if elements:
        resource[name] = list(elements)
    else:
        resource.pop(name, None)
