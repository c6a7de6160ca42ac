"""Reports that Tocsin itself takes back, as FHIR transactions: one that gives way to a newer one, and a rehearsal's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tocsin.fhir.canonical import AI_ASSERTED, DATA_OPERATIONS, PARTICIPANT_TYPES, REHEARSED, SUPERSEDED_BY, WITHDRAWALS
from tocsin.fhir.datatypes import Json, as_instant, objects, reference_to, version_of
from tocsin.report.resources.bundle import only_if, transaction
from tocsin.report.resources.device import AI_TYPE
from tocsin.report.resources.identity import part_id
from tocsin.report.resources.status import spoken_in, with_status
from tocsin.report.types import IN_ERROR
from tocsin.words.catalogue import to_say

REASONS: Final = {"superseded": to_say("Superseded"), "rehearsed": to_say("Rehearsed")}
"""Code of WITHDRAWALS -> name."""


class Why(NamedTuple):
    """Why Tocsin itself enters a report in error."""

    code: str
    """Of WITHDRAWALS."""
    sentence: str


_SUPERSEDED: Final = Why("superseded", to_say("A newer version of the picture, or a newer version of the model, has been judged."))
_REHEARSED: Final = Why(
    "rehearsed",
    to_say("The report was made by a rehearsal of the whole way from event to report, which is over. Nobody was to act on it."),
)


def supersession(report: Json, parts: Sequence[Json], successor: str, device: str, now: datetime) -> Json:
    """A FHIR R4 transaction that enters the DiagnosticReport and its parts, as they were read, in error, and says why.

    Each resource is written only while the version that was read stands. `successor` is the newer DiagnosticReport/<id>, `device` the
    Device/<id> that acts, `now` is aware.
    """
    pointer = {"url": SUPERSEDED_BY, "valueReference": {"reference": successor}}
    withdrawn = _in_error(report, parts, pointer)
    provenance = _provenance(part_id(report["id"], "superseded"), withdrawn, _SUPERSEDED, device, now)
    return _guarded([*withdrawn, provenance | {"entity": [{"role": "revision", "what": {"reference": successor}}]}])


def end_of_rehearsal(report: Json, parts: Sequence[Json], device: str, now: datetime) -> Json:
    """As `supersession`, for a report that a rehearsal made."""
    withdrawn = _in_error(report, parts, {"url": REHEARSED, "valueBoolean": True})
    return _guarded([*withdrawn, _provenance(part_id(report["id"], "rehearsed"), withdrawn, _REHEARSED, device, now)])


def _in_error(report: Json, parts: Sequence[Json], why: Json) -> list[Json]:
    """The report with the extension that says why, and its parts, all in error."""
    marks = [each for each in objects(report.get("extension")) if each.get("url") != why["url"]]
    return [with_status(report, IN_ERROR) | {"extension": [*marks, why]}, *(with_status(part, IN_ERROR) for part in parts)]


def _guarded(resources: Sequence[Json]) -> Json:
    bundle = transaction(resources)
    return bundle | {"entry": [only_if(entry, version_of(entry["resource"])) for entry in bundle["entry"]]}


def _provenance(id_: str, targets: Sequence[Json], reason: Why, device: str, now: datetime) -> Json:
    author = {"coding": [{"system": PARTICIPANT_TYPES, "code": "author", "display": "Author"}]}
    when = as_instant(now)
    return {
        "resourceType": "Provenance",
        "id": id_,
        "meta": {"security": [AI_ASSERTED]},
        "target": [{"reference": reference_to(each)} for each in targets],
        "occurredDateTime": when,
        "recorded": when,
        "activity": {"coding": [{"system": DATA_OPERATIONS, "code": "NULLIFY", "display": "nullify"}]},
        "reason": [
            {
                "coding": [{"system": WITHDRAWALS, "code": reason.code, "display": spoken_in(targets[0]).say(REASONS[reason.code])}],
                "text": spoken_in(targets[0]).say(reason.sentence),
            }
        ],
        "agent": [{"type": author, "role": [{"coding": [AI_TYPE]}], "who": {"reference": device}}],
    }
