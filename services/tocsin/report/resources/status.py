"""A report or a part of it with another status: its words say the same of the review as its status does. Pure."""

from __future__ import annotations

from html import escape
from typing import Final

from tocsin.fhir.datatypes import Json, an_object, objects, text
from tocsin.report.review import SENTENCES, review
from tocsin.words.catalogue import LANGUAGES, Catalogue, catalogue

ENGLISH: Final = LANGUAGES[0]
DOCUMENT: Final = "tocsin-document"
"""Id, within a report, of the attachment that is the report itself, printed (paper/attached.py)."""


def with_status(resource: Json, status: str) -> Json:
    """The DiagnosticReport, Observation or RiskAssessment with this status.

    The sentence about the review in its narrative and conclusion follows, in the resource's language; whatever a clinician wrote stays. A
    document that Tocsin made of it is taken out: it says of the review what holds no more.
    """
    changed = resource | {"status": status}
    narrative = an_object(resource.get("text"))
    if text(narrative.get("div")):
        changed["text"] = narrative | {"div": _said(resource, text(narrative["div"]), status)}
    if "presentedForm" in resource:
        changed = without_document(changed)
    if text(resource.get("conclusion")):
        changed["conclusion"] = _said(resource, text(resource["conclusion"]), status)
    return changed


def without_document(report: Json) -> Json:
    """The report without the document that Tocsin made of it; other programs' stay."""
    others = [each for each in objects(report.get("presentedForm")) if each.get("id") != DOCUMENT]
    rest = {name: value for name, value in report.items() if name != "presentedForm"}
    return rest | ({"presentedForm": others} if others else {})


def spoken_in(resource: Json) -> Catalogue:
    """The language of a resource's words; English where it states none that Tocsin speaks."""
    language = text(resource.get("language"))
    return catalogue(language if language in LANGUAGES else ENGLISH)


def _said(resource: Json, words: str, status: str) -> str:
    language = spoken_in(resource)
    new = review(status, language)
    for sentence in map(language.say, SENTENCES):
        words = words.replace(escape(sentence), escape(new))
    return words
