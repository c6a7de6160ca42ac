"""A stored report and what belongs to it, as FHIR JSON, and what a document reads in it besides its words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from tocsin.fhir.datatypes import Json, an_object, codings, date_time, instant, objects, text
from tocsin.fhir.reference import RELATIVE, ServiceBase
from tocsin.image.printed import Photograph
from tocsin.image.taken import Days, ages, birth, taken
from tocsin.model_limits import Known

VERIFIER: Final = "verifier"
"""Code of the agent of a Provenance who answers for what it is about (provenance-participant-type)."""

ACT: Final = "urn:tocsin:verdict"
"""Code system of what a clinician did, on the activity of a Provenance and as an extension of the report."""
CLASSES: Final = "urn:tocsin:class"
"""Code system of the class that a clinician names in a correction."""


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


@dataclass(frozen=True, slots=True)
class Person:
    """Whose picture it is."""

    name: str
    born: date | None
    identifier: str
    """The medical record number, else the first identifier."""


def signature(stored: Stored) -> Signature:
    """The latest act of a clinician on the report, by its Provenance; else by the report itself, which may name its interpreter."""
    acts = sorted((each for each in stored.acts if any(map(_verifies, objects(each.get("agent"))))), key=_recorded)
    if acts:
        who = next(each.get("who") for each in objects(acts[-1].get("agent")) if _verifies(each))
        reason = next(filter(None, map(_displayed, objects(acts[-1].get("reason")))), "")
        return Signature(_named(who), instant(acts[-1].get("recorded")), _code(acts[-1].get("activity"), ACT), reason)
    said = next((each for each in objects(stored.report.get("extension")) if each.get("url") == ACT), {})
    parts = {text(each.get("url")): each for each in objects(said.get("extension"))}
    act, when = text(parts.get("act", {}).get("valueCode")), instant(parts.get("at", {}).get("valueInstant"))
    return Signature(_named(next(iter(objects(stored.report.get("resultsInterpreter"))), {})), when, act)


def class_named(report: Json) -> str:
    """The class that a clinician named in the place of the model's, as the record displays it; empty where none did."""
    named = (each for each in objects(report.get("conclusionCode")) if _code(each, CLASSES))
    return next(filter(None, map(_displayed, named)), "")


def made(report: Json) -> datetime | None:
    """When the report became what it says: its version's time, else when it was issued."""
    return instant(an_object(report.get("meta")).get("lastUpdated")) or instant(report.get("issued"))


def known_of(stored: Stored) -> Known:
    """What is known of the picture and its patient, as far as a model's limits may ask."""
    if stored.known is not None:
        return stored.known
    media = stored.media or {}
    return Known(
        ages=_ages(stored),
        body_site_codes=frozenset(each.code for each in codings(media.get("bodySite"))),
        modality_codes=frozenset(each.code for name in ("modality", "type") for each in codings(media.get(name))),
    )


def person(patient: Json) -> Person:
    """The patient as a banner names them: an official or usual name before others."""
    names = sorted(objects(patient.get("name")), key=lambda each: _rank(text(each.get("use")), ("official", "usual", "")))
    born = date_time(patient.get("birthDate"))
    numbers = sorted(objects(patient.get("identifier")), key=lambda each: not _is_record_number(each))
    return Person(
        name=_name(names[0]) if names else "",
        born=born.first if born is not None and born.first == born.last else None,
        identifier=next(filter(None, (text(each.get("value")) for each in numbers)), ""),
    )


def _ages(stored: Stored) -> tuple[float, float] | None:
    if stored.patient is None or stored.media is None:
        return None
    when = taken(stored.media, announced=instant(stored.report.get("effectiveDateTime")), stored=datetime(9000, 1, 1)).days
    return ages(birth(stored.patient.get("birthDate")), when if when.last is not None else Days(None, None))


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


def _displayed(concept: Json) -> str:
    displays = (text(each.get("display")) for each in objects(concept.get("coding")))
    return text(concept.get("text")) or next(filter(None, displays), "")


def _name(name: Json) -> str:
    given = name.get("given")
    first = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    return text(name.get("text")) or " ".join(filter(None, (*first, text(name.get("family")))))


def _rank(value: str, order: Sequence[str]) -> int:
    return order.index(value) if value in order else len(order)


def _is_record_number(identifier: Json) -> bool:
    return any(text(each.get("code")) == "MR" for each in objects(an_object(identifier.get("type")).get("coding")))
