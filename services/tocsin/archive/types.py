"""What the worker knows of the pictures that the record holds, and of a backfill over them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tocsin.fhir.datatypes import FHIR_ID
from tocsin.kafka.records import Contract

STATED_NOWHERE: Final = "absent"
"""In Query.modality: a Media that states no modality is wanted too."""

BACKFILL_ID: Final = r"[0-9a-f]{8}"
"""A backfill's id, as a regular expression."""

Token = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\s,]+$")]
_PEOPLE: Final = "patient|subject|operator|participant|performer|requester|practitioner"
_TRAITS: Final = "family|given|phonetic|birthdate|death-date|deceased|gender|address|address-[a-z]+|email|phone|telecom"
_NOT_HERE: Final = (
    r"^(?:(?:created|site|modality)[:=]"
    rf"|(?:[^=]*\.)?(?:{_PEOPLE})[.:]"
    r"|[^=]*:(?:Patient|Person|RelatedPerson|Practitioner|PractitionerRole)[.=]"
    rf"|[^=]*\.(?:{_TRAITS})[:=])"
)
"""Search parameters that have a field of their own, or that tell of a person.

A chained parameter may do so at any of its links; a query is kept and logged, so that it may name nobody.
"""

Where = Annotated[
    str,
    Field(
        max_length=512,
        pattern=r"^(?:[a-z][A-Za-z0-9:.-]*|_tag|_security|_profile|_source)=\S+$",
        description="A search parameter; none that asks what a patient is called or was born.",
        json_schema_extra={"not": {"pattern": _NOT_HERE}},
    ),
]
State = Literal["running", "paused", "done", "cancelled"]


class Query(Contract):
    """Which Media, in the words of FHIR R4's search parameters of Media; every part that is set must fit."""

    created_from: date | None = Field(None, description="First day of Media.created, as the FHIR server's clock has it.")
    created_to: date | None = Field(None, description="Last day of Media.created. A Media without it is found only where neither is set.")
    site: Token | None = Field(None, description="Body site, code or system|code.")
    where: tuple[Where, ...] = Field((), description="name=value: the hospital's own ways to tell (device, encounter, identifier, ...).")
    modality: tuple[Token, ...] = Field(
        (), description="system|code or code, any of these in Media.modality or Media.type; `absent`: stated nowhere. Empty: all."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.created_from and self.created_to and self.created_to < self.created_from:
            raise ValueError("created_to is before created_from")
        if any(re.match(_NOT_HERE, each) for each in self.where):
            raise ValueError("where: created, site and modality have fields of their own, and a query may not say who a patient is")
        return self


class Cursor(Contract):
    """How far the Media were read, in the order of their last update."""

    updated: str = Field(description="meta.lastUpdated of the last one, as the FHIR server writes it.")
    after: Annotated[str, Field(pattern=rf"^Media/{FHIR_ID}$")] | None = Field(
        None, description="The last one, where more of the same time of update may follow; absent: all of them were read."
    )


class Reconciliation(Contract):
    """How far the reconciliation has come: schemas/events/reconciliation.v1.schema.json.

    The record's key is `reconciliation`, or `reconciliation/asked` for what it was asked to look back to: events were lost.
    """

    model_config = ConfigDict(title="Reconciliation v1")

    version: Literal[1] = Field(description="Version of this schema.")
    next_from: AwareDatetime = Field(description="What came about before was compared: the next run goes on here.")
    whole: bool = Field(description="Whether that was all: the next run then begins a window back, or here where that is earlier.")
    size: PositiveInt = Field(description="Pictures, reports or flags that the next run compares together; fewer after a run that died.")
    updated_at: AwareDatetime
    asked_at: AwareDatetime | None = Field(None, description="When what it was asked last, and has answered or is answering, was asked.")


class Backfill(Contract):
    """How far a backfill has come: schemas/events/backfill.v1.schema.json.

    The record's key is `id`, or `id/order` for what an operator ordered last; of each key the last record holds.
    """

    model_config = ConfigDict(title="Backfill v1")

    version: Literal[1] = Field(description="Version of this schema.")
    id: Annotated[str, Field(pattern=rf"^{BACKFILL_ID}$", description="Names the backfill.")]
    query: Query
    cursor: Cursor | None = Field(None, description="Absent before the first step.")
    total: NonNegativeInt = Field(description="Media that matched when it was started.")
    announced: NonNegativeInt = Field(0, description="Pictures put on the backfill topic.")
    skipped: Mapping[str, NonNegativeInt] = Field(default_factory=dict, description="Media that were not announced, by reason.")
    state: State
    note: Annotated[str, Field(max_length=500)] | None = Field(None, description="Why it stands still; absent while it does not.")
    started_at: AwareDatetime
    updated_at: AwareDatetime
    next_at: AwareDatetime = Field(description="No step before this time.")
    per_second: PositiveFloat = Field(description="Pictures announced each second, on average.")

    @property
    def seen(self) -> int:
        """How many Media were read."""
        return self.announced + sum(self.skipped.values())


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that the record holds and that may be announced."""

    media: str
    """Media/<id>."""
    subject: str
    """Patient/<id>."""
    version: str
    """meta.versionId, or meta.lastUpdated where the server counts no versions."""
    occurred_at: datetime
    """Media.created where it has a time of day, else meta.lastUpdated; aware."""
    updated: datetime
    """meta.lastUpdated, aware."""
    study: str | None = None
    """ImagingStudy/<id> that the report on the picture names, where there is one; a repeated flag names the same study."""


@dataclass(frozen=True, slots=True)
class Page:
    """Media that follow one another in the order of their last update."""

    candidates: tuple[Candidate, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    """How many Media may not be announced, by reason."""
    cursor: Cursor | None = None
    """The place behind the last Media of the page."""
    last: bool = False
    """Whether no Media stands behind the page."""


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """A report of this installation, as it stands in the record."""

    report: str
    """DiagnosticReport/<id>."""
    media: str
    """Media/<id>."""
    issued: datetime
    """When Tocsin composed it, aware."""
    as_of: datetime | None
    """When the version of the Media that the report is about was stored, aware; None where another program dropped this time."""
    calls: bool
    """Whether the report is to have a flag: it is neither withdrawn nor concluded otherwise by a clinician, nor a rehearsal's."""
    study: str | None = None
    """ImagingStudy/<id>."""
    status: str | None = None
    """Its status, which its last flag is to say too; None where another program has put it into words that no flag contradicts."""
    changed: datetime | None = None
    """When the record changed it last, aware; None where that is not known."""

    @property
    def touched(self) -> datetime:
        """When the record changed it last, as far as that is known; aware."""
        return self.changed or self.issued
