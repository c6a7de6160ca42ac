"""The flag event tells Kafka's readers that a report stands in the FHIR server. It holds ids and codes only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from tocsin.event.types import ImagingEvent
from tocsin.fhir.datatypes import FHIR_ID
from tocsin.kafka.records import Contract
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import part_id
from tocsin.report.types import CODE, CODE_CHARACTERS_MAX, IN_ERROR, Mark, StoredReport

Code = Annotated[str, Field(pattern=rf"^{CODE}$", max_length=CODE_CHARACTERS_MAX)]

WITHDRAWN: Final = frozenset({IN_ERROR, "cancelled"})
"""Statuses of a withdrawn report, which no longer asks a clinician to look."""

_ASSESSED: Final = ("band", "probability")
_NOT_ASSESSABLE: Final = ("reason",)

_SCHEMA_RULE: Final[dict[str, Any]] = {
    "if": {"properties": {"outcome": {"const": "assessed"}}},
    "then": {"required": list(_ASSESSED), "not": {"required": list(_NOT_ASSESSABLE)}},
    "else": {
        "required": list(_NOT_ASSESSABLE),
        "not": {"anyOf": [{"required": [name]} for name in _ASSESSED]},
        "properties": {"flagged": {"const": False}},
    },
}
"""An assessed picture has a band and a probability; one that is not assessable has a reason, and no number that could be read as low."""


class FlagModel(Contract):
    """Which model judged."""

    name: str
    version: str


class Flag(Contract):
    """A report was written: schemas/events/flag-event.v1.schema.json. Key: the subject.

    Delivered at least once, and again when a report that was still preliminary is replaced or gave way to one on a newer picture (status
    entered-in-error), and when a clinician acted on it (`event` is then the act's id): of one `id` the last one holds.
    """

    model_config = ConfigDict(title="Flag event v1", json_schema_extra=_SCHEMA_RULE)

    version: Literal[1] = Field(description="Version of this schema.")
    id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$", description="The same for every announcement of the same report.")]
    source: str = Field(description="URI of the installation that judged.")
    report: Annotated[str, Field(pattern=rf"^DiagnosticReport/{FHIR_ID}$")]
    status: str = Field(
        description="FHIR diagnostic-report-status of the report when this was announced; preliminary until a clinician acts."
    )
    media: Annotated[str, Field(pattern=rf"^Media/{FHIR_ID}$")]
    subject: Annotated[str, Field(pattern=rf"^Patient/{FHIR_ID}$")]
    study: Annotated[str, Field(pattern=rf"^ImagingStudy/{FHIR_ID}$")] | None = None
    outcome: Literal["assessed", "not-assessable"] = Field(description="not-assessable says nothing about the patient's risk.")
    band: Code | None = Field(None, description="Code of the model card's band; absent when not assessable.")
    flagged: bool = Field(
        description="Whether a clinician is to look sooner. False also when not assessable, which is no all-clear, or withdrawn."
    )
    probability: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="The model's score for malignancy; absent if none.")
    reason: Code | None = Field(None, description="Why it is not assessable; absent when assessed.")
    model: FlagModel
    content_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Of the picture that was judged.")]
    event: str = Field(description="Id of the imaging event, unique within event_source.")
    event_source: str
    announced_at: AwareDatetime
    issued: AwareDatetime | None = Field(
        None, description="When the report was issued, by which its age counts; absent where the record does not say."
    )

    @model_validator(mode="after")
    def _one_verdict(self) -> Self:
        wanted, unwanted = (_ASSESSED, _NOT_ASSESSABLE) if self.outcome == "assessed" else (_NOT_ASSESSABLE, _ASSESSED)
        if any(getattr(self, name) is None for name in wanted) or any(getattr(self, name) is not None for name in unwanted):
            raise ValueError("assessed goes with band and probability, not-assessable with a reason alone")
        if self.flagged and self.outcome != "assessed":
            raise ValueError("only an assessed picture can be flagged")
        return self


def flag_of(event: ImagingEvent, stored: StoredReport, mark: Mark, issuer: Issuer, now: datetime) -> Flag:
    """The flag for a report that stands in the record with this mark, whenever it was written; `event` led to it, `now` is aware."""
    assessed = mark.score is not None
    return Flag(
        version=1,
        id=part_id(stored.reference.removeprefix("DiagnosticReport/"), "flag"),
        source=issuer.source,
        report=stored.reference,
        status=stored.status,
        media=stored.media,
        subject=stored.subject,
        study=event.study,
        outcome="assessed" if assessed else "not-assessable",
        band=mark.code if assessed else None,
        flagged=mark.flagged and stored.status not in WITHDRAWN,
        probability=mark.score,
        reason=None if assessed else mark.code,
        model=FlagModel(name=issuer.card.name, version=mark.model_version),
        content_sha256=mark.content_sha256,
        event=event.id,
        event_source=event.source,
        announced_at=now,
        issued=stored.issued,
    )
