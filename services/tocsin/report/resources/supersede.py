"""A report that gives way to a newer one, as a FHIR transaction. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tocsin.fhir.canonical import AI_ASSERTED, DATA_OPERATIONS, PARTICIPANT_TYPES, SUPERSEDED_BY, WITHDRAWALS
from tocsin.fhir.datatypes import Json, as_instant, objects, reference_to, version_of
from tocsin.report.resources.bundle import only_if, transaction
from tocsin.report.resources.device import AI_TYPE
from tocsin.report.resources.identity import part_id
from tocsin.report.resources.status import spoken_in, with_status
from tocsin.report.types import IN_ERROR
from tocsin.words.catalogue import to_say

REASONS: Final = {"superseded": to_say("Superseded")}
"""Code of WITHDRAWALS -> name."""


def supersession(report: Json, parts: Sequence[Json], successor: str, device: str, now: datetime) -> Json:
    """A FHIR R4 transaction that enters the DiagnosticReport and its parts, as they were read, in error, and says why.

    Each resource is written only while the version that was read stands. `successor` is the newer DiagnosticReport/<id>, `device` the
    Device/<id> that acts, `now` is aware.
    """
    pointer = {"url": SUPERSEDED_BY, "valueReference": {"reference": successor}}
    marks = [each for each in objects(report.get("extension")) if each.get("url") != SUPERSEDED_BY]
    withdrawn = [with_status(report, IN_ERROR) | {"extension": [*marks, pointer]}, *(with_status(part, IN_ERROR) for part in parts)]
    bundle = transaction([*withdrawn, _provenance(report["id"], withdrawn, successor, device, now)])
    entries = [only_if(entry, version_of(entry["resource"])) for entry in bundle["entry"]]
    return bundle | {"entry": entries}


def _provenance(report_id: str, targets: Sequence[Json], successor: str, device: str, now: datetime) -> Json:
    author = {"coding": [{"system": PARTICIPANT_TYPES, "code": "author", "display": "Author"}]}
    when = as_instant(now)
    return {
        "resourceType": "Provenance",
        "id": part_id(report_id, "superseded"),
        "meta": {"security": [AI_ASSERTED]},
        "target": [{"reference": reference_to(each)} for each in targets],
        "occurredDateTime": when,
        "recorded": when,
        "activity": {"coding": [{"system": DATA_OPERATIONS, "code": "NULLIFY", "display": "nullify"}]},
        "reason": [
            {
                "coding": [{"system": WITHDRAWALS, "code": "superseded", "display": spoken_in(targets[0]).say(REASONS["superseded"])}],
                "text": spoken_in(targets[0]).say("A newer version of the picture, or a newer version of the model, has been judged."),
            }
        ],
        "agent": [{"type": author, "role": [{"coding": [AI_TYPE]}], "who": {"reference": device}}],
        "entity": [{"role": "revision", "what": {"reference": successor}}],
    }
