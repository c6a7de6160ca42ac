"""What pathology found later about a lesion on a picture: an outcome of its own kind, never mixed with who agreed with the model. Pure.

A resource counts where it names what the picture names: the Media itself, the order for which it was taken, or the specimen. Its words are
not read: what was found is its codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tocsin.fhir.datatypes import FHIR_ID, Json, codings, instant, objects, text
from tocsin.fhir.reference import ServiceBase
from tocsin.kafka.records import Contract

SETTLED: Final = frozenset({"final", "amended", "corrected", "appended"})
"""Statuses in which pathology's word holds (FHIR R4, observation-status and diagnostic-report-status)."""


class Link(StrEnum):
    """By what an outcome is known to be about the picture, the surest first."""

    MEDIA = "media"
    SPECIMEN = "specimen"
    ORDER = "order"


class Finding(BaseModel):
    """A code of what was found."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    system: Annotated[str, Field(max_length=512)] | None = None
    code: Annotated[str, Field(pattern=r"^\S{1,100}(?: \S{1,100}){0,4}$")]


class Outcome(Contract):
    """Pathology spoke about a lesion on a picture: schemas/events/outcome.v1.schema.json. Key: the report.

    Of one `found` the last one holds.
    """

    model_config = ConfigDict(title="Outcome v1")

    version: Literal[1] = Field(1, description="Version of this schema.")
    kind: Literal["outcome"] = Field("outcome", description="Tells it from the other records of its topic, which all state theirs.")
    source: str = Field(description="URI of the installation.")
    report: Annotated[str, Field(pattern=rf"^DiagnosticReport/{FHIR_ID}$", description="Tocsin's report on the picture.")]
    media: Annotated[str, Field(pattern=rf"^Media/{FHIR_ID}$")]
    subject: Annotated[str, Field(pattern=rf"^Patient/{FHIR_ID}$")]
    found: Annotated[str, Field(pattern=rf"^(Observation|DiagnosticReport)/{FHIR_ID}$", description="Where pathology says it.")]
    status: str = Field(description="Its FHIR status; whatever follows it may take it back.")
    link: Link = Field(description="By what it is known to be about the picture.")
    findings: tuple[Finding, ...] = Field(description="Codes of what was found, as it states them; empty where it states none.")
    issued_at: AwareDatetime | None = Field(None, description="When pathology said it, where that is stated.")
    at: AwareDatetime = Field(description="When Tocsin found it.")


@dataclass(frozen=True, slots=True)
class Picture:
    """What a report's picture can be recognised by; all are references Type/<id>."""

    report: str
    media: str
    subject: str
    orders: frozenset[str] = frozenset()
    """What the Media was taken for: ServiceRequests and CarePlans."""
    specimens: frozenset[str] = frozenset()
    """Specimens that were taken for one of these orders."""


def recognised(resource: Json, picture: Picture, source: str, base: ServiceBase, now: datetime) -> Outcome | None:
    """The outcome that an Observation or DiagnosticReport is for this picture; None where it is none.

    It must be about the same patient, settled, made by no model, and name the picture, its order or its specimen. `now` is aware.
    """
    kind, status = text(resource.get("resourceType")), text(resource.get("status"))
    if kind not in ("Observation", "DiagnosticReport") or status not in SETTLED or base.local(resource.get("subject")) != picture.subject:
        return None
    found = f"{kind}/{resource.get('id')}"
    if found == picture.report or _is_an_ais(resource):
        return None
    link = _link(resource, picture, base)
    if link is None:
        return None
    return Outcome(
        source=source,
        report=picture.report,
        media=picture.media,
        subject=picture.subject,
        found=found,
        status=status,
        link=link,
        findings=tuple(_findings(resource)),
        issued_at=instant(resource.get("issued")),
        at=now,
    )


def _link(resource: Json, picture: Picture, base: ServiceBase) -> Link | None:
    def named(*elements: object) -> set[str]:
        return {base.local(each) for each in elements} - {""}

    shown = named(*objects(resource.get("derivedFrom")), *(each.get("link") for each in objects(resource.get("media"))))
    if picture.media in shown:
        return Link.MEDIA
    specimen = resource.get("specimen")
    if not picture.specimens.isdisjoint(named(*objects(specimen), specimen)):
        return Link.SPECIMEN
    return Link.ORDER if not picture.orders.isdisjoint(named(*objects(resource.get("basedOn")))) else None


def _is_an_ais(resource: Json) -> bool:
    meta = resource.get("meta")
    labels = objects(meta.get("security")) if isinstance(meta, dict) else []
    return any(each.get("code") == "AIAST" for each in labels)


def _findings(resource: Json) -> Iterator[Finding]:
    """What an Observation's value or a report's conclusion says in codes."""
    concepts = (
        [resource.get("valueCodeableConcept")] if resource["resourceType"] == "Observation" else objects(resource.get("conclusionCode"))
    )
    for concept in concepts:
        yield from (Finding(system=each.system, code=each.code) for each in codings(concept))
