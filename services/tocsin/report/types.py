"""What is known after the report stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from tocsin.fhir.datatypes import Json

PRELIMINARY: Final = "preliminary"
"""What a report and its parts are until a clinician acts (FHIR diagnostic-report-status)."""

IN_ERROR: Final = "entered-in-error"

STATUSES: Final = frozenset(
    {"registered", "partial", PRELIMINARY, "final", "amended", "corrected", "appended", "cancelled", IN_ERROR, "unknown"}
)
"""FHIR R4, diagnostic-report-status: a required binding."""

CODE: Final = r"[a-z0-9][a-z0-9-]*"
"""What a band or an obstacle is called, as a regular expression."""
CODE_CHARACTERS_MAX: Final = 64


class Rank(NamedTuple):
    """The order of versions that judge: of two verdicts on the same facts the greater one's holds."""

    edition: int
    """Of the deployment: settings.report.edition."""
    judging: int
    """Of the code: report/grounds.py."""
    model: int
    """Of the model."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a verdict on one picture rests on besides the pixels, and who would give it."""

    fingerprint: str
    """Hex SHA-256 of the facts and of the rule by which they are judged."""
    facts: str
    """Hex SHA-256 of the facts alone; only code of the same `rank.judging` reads them alike."""
    rank: Rank
    before: str = ""
    """The fingerprint as it was before decision 0015."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a report says and what it rests on, as it says it to machines: enough to recognise it and to announce it again."""

    content_sha256: str
    """Of the picture that was judged."""
    as_of: datetime
    """When the version of the Media that held this picture was stored; aware."""
    fetched: datetime
    """Just before that Media was read, by the clock of the process that judged it; aware."""
    grounds: str
    """Fingerprint of whatever else the verdict rests on (report/grounds.py), as in Grounds."""
    model_version: str
    code: str
    """The band's code, or the reason why it is not assessable."""
    score: float | None
    """For malignancy, 0..1; None where it is not assessable."""
    flagged: bool
    """Whether a clinician is to look sooner."""
    facts: str | None = None
    """As in Grounds; None in a mark from before decision 0015."""
    edition: int = 0
    judging: int = 0
    """As in Rank; 0 in such a mark."""

    @property
    def rank(self) -> Rank:
        """Who judged."""
        return Rank(self.edition, self.judging, int(self.model_version))

    @property
    def recency(self) -> tuple[datetime, datetime]:
        """As Picture.recency: the greater, the newer is what was judged."""
        return self.as_of, self.fetched


@dataclass(frozen=True, slots=True)
class Report:
    """A composed report, not yet written."""

    id: str
    """Of the DiagnosticReport; the same whenever the same picture is judged by the same model version."""
    subject: str
    """Patient/<id>."""
    media: str
    """Media/<id>."""
    grounds: Grounds
    mark: Mark
    parts: tuple[str, ...]
    """References of everything that a report on this picture may hold, whatever it says; this one may hold less."""
    bundle: Json = field(repr=False)
    """A FHIR R4 transaction that holds the DiagnosticReport, as its first entry, and all that belongs to it."""

    @property
    def reference(self) -> str:
        """DiagnosticReport/<id>."""
        return f"DiagnosticReport/{self.id}"


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report as it stands in the record."""

    reference: str
    """DiagnosticReport/<id>."""
    subject: str
    """Patient/<id>; empty where it names no patient of this server."""
    media: str
    """Media/<id>; empty where it names none of this server."""
    status: str
    """FHIR diagnostic-report-status; whatever a clinician made of it stays."""
    code: str
    """What its conclusion says, as in Mark; empty where a clinician wrote another conclusion."""
    issued: datetime | None
    mark: Mark | None
    """None where another program that changed the report dropped it."""
    parts: tuple[str, ...] = ()
    """References of what it holds: its results, and its RiskAssessment where it says that the picture was assessed."""
    superseded_by: str | None = None
    """DiagnosticReport/<id> of the one that took its place."""
    version: str | None = field(default=None, compare=False)
    """Of the resource, as the server counts it."""

    @property
    def verbatim(self) -> bool:
        """Whether it still says what Tocsin wrote."""
        return self.mark is not None and self.code == self.mark.code

    @property
    def gave_way(self) -> bool:
        """Whether it is in error because another took its place, and not because a clinician withdrew it."""
        return self.status == IN_ERROR and self.superseded_by is not None
