"""What is known after the event stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tocsin.fhir.reference import FHIR_ID as FHIR_ID

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One ordered log of the bus."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands."""

    log: TopicPartition
    offset: int

    @property
    def next_offset(self) -> int:
        """What is committed once this record and all before it have ended."""
        return self.offset + 1

    def __str__(self) -> str:
        return f"{self.log.topic}[{self.log.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class Place:
    """What a group commits of one partition."""

    offset: int
    """The next one to read after a restart."""
    note: str = ""
    """The commit's metadata: for whoever owns the partition next."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands at a position and cannot be read."""

    last_offset: int
    """The last offset of what is passed over with it; the record's own where it is alone."""
    why: str
    """Ends the sentence "nobody can read it: ..."."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the bus delivered it; nothing about it has been believed yet."""

    position: Position
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes], ...] = field(repr=False)
    timestamp_ms: int
    """Its producer's or broker's, in milliseconds since 1970; -1 for none, and whatever else a producer wrote."""
    unreadable: Unreadable | None = None
    """Where it cannot be read, and key, value and headers are absent."""

    @property
    def at(self) -> datetime:
        """Its time, aware, in UTC; one that no calendar knows is put to the nearest that it does, a year off the ends of datetime."""
        return datetime.fromtimestamp(min(max(self.timestamp_ms / 1000, _FIRST.timestamp()), _LAST.timestamp()), UTC)


RETOLD: Final = frozenset({"urn:tocsin:backfill", "urn:tocsin:reconcile"})
"""Sources of events about pictures that the record holds already: their time is that of the record's last change."""


class ImagingEvent(BaseModel):
    """A picture was taken: schemas/events/imaging-event.v1.schema.json.

    The record's key is the subject (or the study), so that one patient's events stay in order within a partition.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="Imaging event v1")

    version: Literal[1] = Field(description="Version of this schema.")
    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9\-._:]+$", description="Unique within source.")]
    source: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S+$", description="URI of the system that took the picture.")]
    occurred_at: AwareDatetime = Field(description="When it was taken or changed, RFC 3339 with an offset from UTC.", strict=False)
    media: Annotated[str, Field(pattern=rf"^Media/{FHIR_ID}$", description="The FHIR Media to look at.")]
    subject: Annotated[str, Field(pattern=rf"^Patient/{FHIR_ID}$", description="Whose picture it is; must agree with the Media.")]
    study: Annotated[str, Field(pattern=rf"^ImagingStudy/{FHIR_ID}$")] | None = Field(None, description="The study, where there is one.")

    @property
    def taken_at(self) -> datetime | None:
        """When the picture was taken, aware, as its producer says; None where that is Tocsin itself, which was not there."""
        return None if self.source in RETOLD else self.occurred_at
