"""What is known after the event stage."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from tocsin.fhir.datatypes import FHIR_ID
from tocsin.kafka.records import Contract

REHEARSAL: Final = "urn:tocsin:rehearsal"
"""Source of the events by which `tocsin rehearse` tries the whole way; each has an id of its own. Nobody is to act on what they lead to."""

EVENT_ID: Final = r"[A-Za-z0-9\-._:]+"
"""An event's id, as a regular expression; its length has a bound of its own."""
EVENT_ID_CHARACTERS_MAX: Final = 128

RETOLD: Final = frozenset({"urn:tocsin:backfill", "urn:tocsin:reconcile", REHEARSAL})
"""Sources of Tocsin's own events about Media that the FHIR server already holds; `occurred_at` may then be the Media's last update."""


class ImagingEvent(Contract):
    """A picture was taken: schemas/events/imaging-event.v1.schema.json.

    The record's key is the subject (or the study), so that one patient's events stay in order within a partition.
    """

    model_config = ConfigDict(strict=True, title="Imaging event v1")

    version: Literal[1] = Field(description="Version of this schema.")
    id: Annotated[
        str, Field(min_length=1, max_length=EVENT_ID_CHARACTERS_MAX, pattern=rf"^{EVENT_ID}$", description="Unique within source.")
    ]
    source: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S+$", description="URI of the system that took the picture.")]
    occurred_at: AwareDatetime = Field(description="When it was taken or changed, RFC 3339 with an offset from UTC.", strict=False)
    media: Annotated[str, Field(pattern=rf"^Media/{FHIR_ID}$", description="The FHIR Media to look at.")]
    subject: Annotated[str, Field(pattern=rf"^Patient/{FHIR_ID}$", description="Whose picture it is; must agree with the Media.")]
    study: Annotated[str, Field(pattern=rf"^ImagingStudy/{FHIR_ID}$")] | None = Field(None, description="The study, where there is one.")

    @property
    def taken_at(self) -> datetime | None:
        """When the picture was taken, aware, as the event's source says; None where that source is Tocsin, which cannot know."""
        return None if self.source in RETOLD else self.occurred_at

    @property
    def rehearsal(self) -> str | None:
        """Id of the rehearsal that this event is; None for an event of a hospital's own."""
        return self.id if self.source == REHEARSAL else None
