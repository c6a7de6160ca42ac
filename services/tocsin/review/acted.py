"""The last act that stands on a report, written on the report itself as an extension: whoever reads the report knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.fhir.canonical import VERDICT
from tocsin.fhir.datatypes import Json, as_instant, instant, objects, text
from tocsin.fhir.reference import ServiceBase
from tocsin.report.resources.mark import stored_report
from tocsin.review.rules import Acted, Before
from tocsin.review.types import Act

PART: Final = "part"
"""Element of the extension: one part that the act moved, and what it was."""

_ACTS: Final = frozenset(Act) - {Act.UNDO}


def extension(acted: Acted) -> Json:
    """The act as an extension of the DiagnosticReport."""
    parts: list[Json] = [
        {"url": "id", "valueString": acted.verdict},
        {"url": "act", "valueCode": acted.act.value},
        {"url": "clinician", "valueString": acted.clinician},
        {"url": "issuer", "valueUri": acted.issuer},
        {"url": "at", "valueInstant": as_instant(acted.at)},
        {"url": "shared", "valueBoolean": acted.shared},
        {"url": "sentence", "valueString": acted.sentence},
    ]
    if acted.instead_of:
        parts.append({"url": "instead-of", "valueString": acted.instead_of})
    if acted.code is not None:
        parts.append({"url": "code", "valueCode": acted.code})
    return {"url": VERDICT, "extension": [*parts, *(_part(*each) for each in acted.moved.items())]}


def acted(report: Json) -> Acted | None:
    """The last act that stands on the report; None where there is none, or another program spoilt it."""
    stated = [each for each in objects(report.get("extension")) if each.get("url") == VERDICT]
    if len(stated) != 1:
        return None
    said = _parts(stated[0])
    act, at = text(said("act", "valueCode")), instant(said("at", "valueInstant"))
    if act not in _ACTS or at is None or not isinstance(shared := said("shared", "valueBoolean"), bool):
        return None
    return Acted(
        verdict=text(said("id", "valueString")),
        act=Act(act),
        code=text(said("code", "valueCode")) or None,
        clinician=text(said("clinician", "valueString")),
        issuer=text(said("issuer", "valueUri")),
        at=at,
        shared=shared,
        sentence=text(said("sentence", "valueString")),
        instead_of=text(said("instead-of", "valueString")),
        moved=_moved(stated[0]),
    )


def before(report: Json, base: ServiceBase) -> Before:
    """The DiagnosticReport, whole as the server at `base` hands it out, as far as the rules look at it."""
    stored, last = stored_report(report, base), acted(report)
    told = last is None or last.sentence in text(report.get("conclusion"))
    return Before(stored.status, last, stored.verbatim and told, stored.superseded_by is not None)


def _part(reference: str, was: str) -> Json:
    return {"url": PART, "extension": [{"url": "id", "valueString": reference}, {"url": "was", "valueCode": was}]}


def _moved(act: Json) -> Mapping[str, str]:
    """The parts that the act says it moved, without those that another program spoilt."""
    said = (_parts(each) for each in objects(act.get("extension")) if each.get("url") == PART)
    stated = ((text(each("id", "valueString")), text(each("was", "valueCode"))) for each in said)
    return {reference: was for reference, was in stated if reference and was}


def _parts(element: Json) -> Callable[[str, str], Any]:
    found = {text(each.get("url")): each for each in objects(element.get("extension"))}
    return lambda url, kind: found.get(url, {}).get(kind)
