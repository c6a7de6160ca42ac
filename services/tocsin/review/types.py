"""A clinician's act on one report, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Protocol, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from tocsin.fhir.datatypes import FHIR_ID
from tocsin.kafka.records import Contract
from tocsin.report.types import CODE, CODE_CHARACTERS_MAX


class Act(StrEnum):
    """What a clinician may do with a report: a closed set, and each of them is an act. Closing a page is none."""

    ACCEPT = "accept"
    """The clinician agrees: the report becomes final."""
    OVERRIDE = "override"
    """The clinician disagrees, with a coded reason: the report becomes final, and says so."""
    CORRECT = "correct"
    """Another class than the model's: the report is amended."""
    NOT_ASSESSABLE = "not-assessable"
    """The picture allows no judgement: the report is amended."""
    WITHDRAW = "withdraw"
    """Wrong patient, wrong lesion or wrong picture: the report is entered in error."""
    UNDO = "undo"
    """The clinician takes back an own act: the report is preliminary again, as a new version."""


class Surface(StrEnum):
    """Where the clinician acted."""

    PAGE = "page"
    CARD = "card"
    """A CDS Hooks card, by feedback."""
    COMMAND = "command"


class State(StrEnum):
    """What became of a verdict."""

    RECORDED = "recorded"
    """It stands in the record."""
    WAITING = "waiting"
    """The bus has it and the record does not yet: it is tried again, and shown as not yet in the record."""
    OVERTAKEN = "overtaken"
    """The report was changed after the clinician had read it: nothing was written, and the clinician decides again."""
    REFUSED = "refused"
    """The record refuses it for good; a person has to look, and the page shows it."""


Code = Annotated[str, Field(pattern=rf"^{CODE}$", max_length=CODE_CHARACTERS_MAX)]
VerdictId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,64}$")]

_CODED: Final = (Act.OVERRIDE, Act.CORRECT, Act.NOT_ASSESSABLE, Act.WITHDRAW)
"""Acts that carry a code."""

_ACT_RULE: Final[dict[str, Any]] = {
    "allOf": [
        {
            "if": {"properties": {"act": {"enum": list(_CODED)}}},
            "then": {"required": ["code"], "properties": {"code": {"type": "string"}}},
            "else": {"properties": {"code": {"type": "null"}}},
        },
        {
            "if": {"properties": {"act": {"const": Act.UNDO}}},
            "then": {"required": ["undoes"], "properties": {"undoes": {"type": "string"}}},
            "else": {"properties": {"undoes": {"type": "null"}}},
        },
    ]
}


class Verdict(Contract):
    """One act as it was decided, before the record is touched: schemas/events/verdict.v1.schema.json. Key: the report.

    References and codes only. It may stand on the topic more than once: of one `id` the first holds. Another one is the same act, sent
    again to a process that did not know of it, with the time of that: the record states the time of the one that reached it.
    """

    model_config = ConfigDict(title="Verdict v1", json_schema_extra=_ACT_RULE)

    version: Literal[1] = Field(1, description="Version of this schema.")
    kind: Literal["verdict"] = Field("verdict", description="Tells it from the other records of its topic, which all state theirs.")
    id: VerdictId = Field(description="The same for the same act sent again: a UUID (RFC 9562) made of the form and the act in it.")
    source: str = Field(description="URI of the installation.")
    report: Annotated[str, Field(pattern=rf"^DiagnosticReport/{FHIR_ID}$")]
    report_version: Version = Field(description="Version of the report that the clinician had before their eyes, as the server counts it.")
    media: Annotated[str, Field(pattern=rf"^Media/{FHIR_ID}$")]
    subject: Annotated[str, Field(pattern=rf"^Patient/{FHIR_ID}$")]
    act: Act
    code: Code | None = Field(
        None, description="Coded reason of an override, a withdrawal or of not assessable, or the class that a correction names."
    )
    undoes: VerdictId | None = Field(None, description="Id of the verdict that an undo takes back.")
    clinician: Annotated[str, Field(pattern=rf"^Practitioner(Role)?/{FHIR_ID}$")]
    issuer: Annotated[str, Field(pattern=r"^https?://\S{1,500}$")] = Field(
        description="Base address of the server that vouches for the clinician."
    )
    surface: Surface
    first_look: Code | None = Field(None, description="What the clinician said before the result was shown, where the site asks.")
    opened_at: AwareDatetime | None = Field(None, description="When the result was before their eyes; with decided_at the time to verdict.")
    decided_at: AwareDatetime

    @model_validator(mode="after")
    def _as_its_act_has_it(self) -> Self:
        if (self.code is not None) != (self.act in _CODED):
            raise ValueError("override, correct, not-assessable and withdraw go with a code, accept and undo without one")
        if (self.undoes is not None) != (self.act is Act.UNDO):
            raise ValueError("undo names the verdict that it takes back, and no other act does")
        return self


class Standing(Contract):
    """What became of a verdict: schemas/events/standing.v1.schema.json. Key: the report. Of one verdict the last one holds."""

    model_config = ConfigDict(title="Standing of a verdict v1")

    version: Literal[1] = Field(1, description="Version of this schema.")
    kind: Literal["standing"] = Field("standing", description="Tells it from the other records of its topic, which all state theirs.")
    verdict: VerdictId = Field(description="Id of the verdict.")
    report: Annotated[str, Field(pattern=rf"^DiagnosticReport/{FHIR_ID}$")]
    state: State
    report_status: str | None = Field(
        None, description="FHIR diagnostic-report-status of the report as it stood when this was said, where that is known."
    )
    report_version: Version | None = Field(None, description="Version of the report as it stood when this was said, where that is known.")
    reason: Code | None = Field(None, description="Why it is not recorded: one of the codes in deploy/verdicts.md.")
    at: AwareDatetime


class Verdicts(Protocol):
    """Takes verdicts. Safe for threads."""

    def submit(self, verdict: Verdict) -> Standing:
        """Return once the bus has the verdict and the record was tried once; the same verdict again is the same act.

        The caller has shown, with the clinician's own token, that the clinician may read the report and act on it. Raises
        Unavailable(kafka) where the bus does not say that it has it: the clinician is told that nothing was taken. It may have come all the
        same; the same verdict sent again is the same act.
        """
