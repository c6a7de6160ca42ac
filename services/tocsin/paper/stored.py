"""A stored report and what belongs to it, as FHIR JSON, and what a document reads in it besides its words. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tocsin.fhir.canonical import VERDICT
from tocsin.fhir.datatypes import Json, an_object, instant, objects, text
from tocsin.fhir.reference import RELATIVE, ServiceBase
from tocsin.image.printed import Photograph
from tocsin.model_limits import Known
from tocsin.review.view import display_of

VERIFIER: Final = "verifier"
"""Code of the agent of a Provenance who answers for what it is about (provenance-participant-type)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One report as the record holds it; None or empty where the record lacks a part."""

    report: Json = field(repr=False)
    results: tuple[Json, ...] = field(default=(), repr=False)
    """Its Observations."""
    media: Json | None = field(default=None, repr=False)
    patient: Json | None = field(default=None, repr=False)
    acts: tuple[Json, ...] = field(default=(), repr=False)
    """Provenances of the report."""
    picture: Photograph | None = field(default=None, repr=False)
    """The very picture that was judged; None where it is not to be shown, or another stands in its place."""
    known: Known | None = None
    """What is known of picture and patient, as far as a model's limits may ask; None: what Media and Patient say."""
    acts_hidden: bool = False
    """Whether the record keeps its Provenances from whoever reads: there may be acts, though none stand here."""
    picture_hidden: bool = False
    """The same of its Media, or of the Media's bytes."""
    base: ServiceBase = RELATIVE
    """The server that all of it was read from."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who acted on a report, and when, as far as the record says it."""

    who: str
    """As the record displays them, else by reference; empty where it says nothing."""
    when: datetime | None
    act: str = ""
    """Code of what they did (review/types.py); empty where the record says no more than that they acted."""
    reason: str = ""
    """As the record displays it."""


def signature(stored: Stored) -> Signature:
    """The latest act of a clinician on the report, by its Provenance; else by the report itself, which may name its interpreter."""
    acts = sorted((each for each in stored.acts if any(map(_verifies, objects(each.get("agent"))))), key=_recorded)
    if acts:
        who = next(each.get("who") for each in objects(acts[-1].get("agent")) if _verifies(each))
        reason = next(filter(None, map(display_of, objects(acts[-1].get("reason")))), "")
        return Signature(_named(who), instant(acts[-1].get("recorded")), _code(acts[-1].get("activity"), VERDICT), reason)
    said = next((each for each in objects(stored.report.get("extension")) if each.get("url") == VERDICT), {})
    parts = {text(each.get("url")): each for each in objects(said.get("extension"))}
    act, when = text(parts.get("act", {}).get("valueCode")), instant(parts.get("at", {}).get("valueInstant"))
    return Signature(_named(next(iter(objects(stored.report.get("resultsInterpreter"))), {})), when, act)


def made(report: Json) -> datetime | None:
    """When the report became what it says: its version's time, else when it was issued."""
    return instant(an_object(report.get("meta")).get("lastUpdated")) or instant(report.get("issued"))


def _verifies(agent: Json) -> bool:
    return any(text(each.get("code")) == VERIFIER for each in objects(an_object(agent.get("type")).get("coding")))


def _recorded(act: Json) -> float:
    when = instant(act.get("recorded"))
    return 0.0 if when is None else when.timestamp()


def _named(reference: object) -> str:
    stated = an_object(reference)
    return text(stated.get("display")) or text(stated.get("reference")) or text(an_object(stated.get("identifier")).get("value"))


def _code(concept: object, system: str) -> str:
    codes = (text(each.get("code")) for each in objects(an_object(concept).get("coding")) if each.get("system") == system)
    return next(codes, "")
