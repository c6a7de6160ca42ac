"""What an EHR tells of a card that a reader answered: feedback, which is no verdict.

A card's feedback names a card and an EHR, and no person (CDS Hooks 3.0.0, "Feedback"). It is kept to be learned from, signs no report and
changes nothing in the record: deploy/decisions/0030.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Final, Literal, Protocol

from pydantic import AwareDatetime, ConfigDict, Field

from tocsin.fhir.datatypes import FHIR_ID
from tocsin.kafka.records import Contract
from tocsin.report.resources.identity import repeatable_id

Outcome = Literal["accepted", "overridden"]

NAMESPACE: Final = uuid.UUID("7a1f0f0e-5a0c-5b5e-9d0e-2c6f1a6b9f11")
UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
CODE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""A reason's code as far as it is kept: a longer one, or one with spaces, may be somebody's own words."""


class Reason(Contract):
    """The coded reason for which a card was put away."""

    system: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,200}$", description="Code system: URI.")]
    code: Annotated[str, Field(pattern=rf"^{CODE}$")]


class Feedback(Contract):
    """A reader answered a card: schemas/events/feedback.v1.schema.json. Key: the card. Delivered at least once.

    What the reader wrote is not kept: it may tell of the patient.
    """

    model_config = ConfigDict(title="Feedback v1")

    version: Literal[1] = Field(description="Version of this schema.")
    id: Annotated[str, Field(pattern=rf"^{UUID}$", description="The same for the same answer sent again.")]
    source: str = Field(description="URI of the installation.")
    issuer: str = Field(description="The EHR that tells of it (iss).")
    card: Annotated[str, Field(pattern=rf"^{UUID}$", description="Id of the card, which every reader of that version shares.")]
    report: Annotated[str, Field(pattern=rf"^DiagnosticReport/{FHIR_ID}$")] | None = Field(
        None, description="What the card was about; absent where that is not known any more."
    )
    report_version: str | None = Field(None, description="Version of the report that the card told of, as the server counts it.")
    outcome: Outcome
    reason: Reason | None = Field(None, description="Why the card was put away, where the EHR says so in a code.")
    commented: bool = Field(description="Whether the reader also wrote something, which is not kept.")
    answered_at: AwareDatetime = Field(description="When the reader answered, by the EHR's clock.")
    received_at: AwareDatetime


class Feedbacks(Protocol):
    """Keeps feedback. Safe for threads."""

    def keep(self, feedback: Sequence[Feedback]) -> None:
        """Return once the bus has all of it. Raises Unavailable(kafka): some of it may have been kept, and all may be sent again."""


def feedback_id(issuer: str, card: str, outcome: Outcome, reason: Reason | None, answered_at: str) -> str:
    """The id of one answer: an EHR may tell of it again, and then it is the same one."""
    said = "" if reason is None else f"{reason.system} {reason.code}"
    return repeatable_id(NAMESPACE, issuer, card, outcome, said, answered_at)
