"""The acts on one report as Provenance tells them, oldest first; and the last one as the report itself does. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tocsin.fhir.canonical import CLASSES, PARTICIPANT_TYPES
from tocsin.fhir.datatypes import Json, an_object, codings, instant, objects, text
from tocsin.fhir.reference import ServiceBase
from tocsin.report.resources.identity import part_id
from tocsin.report.types import PRELIMINARY
from tocsin.review.acted import before
from tocsin.review.reasons import reason_of
from tocsin.review.types import Act
from tocsin.review.view import display_of, name_of

CONTESTED: Final = frozenset({Act.OVERRIDE, Act.CORRECT, Act.NOT_ASSESSABLE})
"""Acts after which the AI's result is not what a reader is to go by."""

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_CLINICIANS: Final = ("Practitioner/", "PractitionerRole/")


@dataclass(frozen=True, slots=True)
class Entry:
    """One act on a report."""

    at: datetime | None
    """When it was done; aware; None where nobody says."""
    act: Act | None
    """None for the model's own result, for a report that gave way, and for the acts of other programs."""
    made: bool
    """Whether it made the result in the first place."""
    who: str
    """Practitioner/<id>, Device/<id> or another reference; empty where none of this server's is named."""
    name: str
    """The clinician's or program's name where the record has it; else empty."""
    reason: str
    """As the record displays it; empty where it does not."""
    code: str
    """Code of the reason, or of the class that a correction names; empty where there is none."""

    @property
    def by_clinician(self) -> bool:
        """Whether a person acted."""
        return self.who.startswith(_CLINICIANS)


def history(provenance: Iterable[Json], people: Mapping[str, Json], base: ServiceBase) -> tuple[Entry, ...]:
    """What was done to the report, oldest first; `people` are Practitioners by reference."""
    found = (_entry(each, people, base) for each in provenance)
    return tuple(sorted(found, key=lambda each: each.at or _BEGINNING))


def standing_act(entries: Sequence[Entry], status: str) -> Entry | None:
    """The clinician's act that stands on a report of this status; None where nobody has acted, or it was taken back."""
    acts = [each for each in entries if each.act is not None]
    return acts[-1] if acts and status != PRELIMINARY and acts[-1].act is not Act.UNDO else None


def act_told(report: Json, base: ServiceBase) -> Entry | None:
    """The clinician's act that stands by the report's own word, for whoever has no Provenance of it; None where it tells none.

    An act from before another program wrote another conclusion, or dropped the mark, stands no more.
    """
    stood = before(report, base)
    last = stood.acted
    if last is None or stood.status == PRELIMINARY or not stood.verbatim:
        return None
    known = base.reference(f"{last.issuer.rstrip('/')}/{last.clinician}") is not None
    reason = reason_of(last.act, last.code)
    return Entry(
        at=last.at,
        act=last.act,
        made=False,
        who=last.clinician if known else "",
        name="" if known else last.clinician,
        reason=class_named(report) if last.act is Act.CORRECT else "" if reason is None else reason.display,
        code=last.code or "",
    )


def may_contest(act: Entry | None) -> bool:
    """Whether a clinician who reviewed a result disagrees with it, or may: `act` is what they did, None where nobody says."""
    return act is None or act.act in CONTESTED


def class_named(report: Json) -> str:
    """The class that a clinician named in the place of the model's, as the record displays it; empty where none did."""
    named = (each for each in objects(report.get("conclusionCode")) if any(one.system == CLASSES for one in codings(each)))
    return next(filter(None, map(display_of, named)), "")


def is_recorded(verdict: str, report: str, provenance: Iterable[Json]) -> bool:
    """Whether the verdict with this id has its Provenance among those of DiagnosticReport/<id>."""
    wanted = part_id(report.removeprefix("DiagnosticReport/"), f"verdict {verdict}")
    return any(each.get("id") == wanted for each in provenance)


def _entry(provenance: Json, people: Mapping[str, Json], base: ServiceBase) -> Entry:
    agent = _actor(objects(provenance.get("agent")))
    who = base.local(agent.get("who"))
    act = _act(provenance)
    codings = [code for each in objects(provenance.get("reason")) for code in objects(each.get("coding"))]
    labelled = any(code.get("code") == "AIAST" for code in codings)
    return Entry(
        at=instant(provenance.get("occurredDateTime")) or instant(provenance.get("recorded")),
        act=act,
        made=labelled and act is None,
        who=who,
        name=name_of(people[who]) if who in people else _stated(an_object(agent.get("who"))),
        reason="" if labelled else next(filter(None, map(display_of, objects(provenance.get("reason")))), ""),
        code=next((text(code.get("code")) for code in codings), ""),
    )


def _actor(agents: Sequence[Json]) -> Json:
    """The clinician where one took part; else whoever is named first."""
    verifiers = [each for each in agents if _is_verifier(each)]
    return next(iter([*verifiers, *agents]), {})


def _is_verifier(agent: Json) -> bool:
    codes = objects(an_object(agent.get("type")).get("coding"))
    return any((each.get("system"), each.get("code")) == (PARTICIPANT_TYPES, "verifier") for each in codes)


def _stated(who: Json) -> str:
    """How a reference names somebody whom this reader cannot look up, or another server knows."""
    return text(who.get("display")) or text(an_object(who.get("identifier")).get("value"))


def _act(provenance: Json) -> Act | None:
    """The act that one of the activity's codes names."""
    codes = {text(each.get("code")) for each in objects(an_object(provenance.get("activity")).get("coding"))}
    return next((each for each in Act if each.value in codes), None)
