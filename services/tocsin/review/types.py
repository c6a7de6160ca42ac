"""A clinician's act on one report, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from pydantic import AwareDatetime, Field

from tocsin.kafka.records import Contract


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


class Verdict(Contract):
    """One act, as it was decided: what stands on the bus before the record is touched. References and codes only."""

    version: int = 1
    id: str = Field(description="The same for the same submission sent again: a UUID (RFC 9562) that the page, card or command made.")
    source: str = Field(description="URI of the installation.")
    report: str = Field(description="DiagnosticReport/<id>.")
    report_version: str = Field(description="Version of the report that the clinician had before their eyes, as the server counts it.")
    media: str
    subject: str
    act: Act
    code: str | None = Field(None, description="Coded reason of an override or withdrawal, or the class that a correction names.")
    undoes: str | None = Field(None, description="Id of the verdict that an undo takes back.")
    clinician: str = Field(description="Practitioner/<id> or PractitionerRole/<id>.")
    issuer: str = Field(description="Base address of the server that vouches for the clinician.")
    surface: Surface
    first_look: str | None = Field(None, description="What the clinician said before the result was shown, where the site asks.")
    opened_at: AwareDatetime | None = Field(None, description="When the result was before their eyes; with decided_at the time to verdict.")
    decided_at: AwareDatetime


class Standing(Contract):
    """What became of a verdict, as the bus says it."""

    version: int = 1
    verdict: str = Field(description="Id of the verdict.")
    report: str
    state: State
    report_status: str | None = Field(None, description="FHIR diagnostic-report-status after the act, where it is recorded.")
    report_version: str | None = None
    reason: str | None = Field(None, description="Code: why it is not recorded.")
    at: AwareDatetime


class Verdicts(Protocol):
    """Takes verdicts. Safe for threads."""

    def submit(self, verdict: Verdict) -> Standing:
        """Return once the bus has the verdict and the record was tried once; the same verdict again is the same act.

        The caller has shown, with the clinician's own token, that the clinician may read the report and act on it. Raises
        Unavailable(kafka) where the bus does not take it: then nothing happened, and the clinician is told so.
        """
