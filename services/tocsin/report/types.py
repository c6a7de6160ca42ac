"""What is known after the report stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from tocsin.fhir.datatypes import Json

PRELIMINARY: Final = "preliminary"
"""Status of a report and its parts until a clinician acts (FHIR diagnostic-report-status)."""

IN_ERROR: Final = "entered-in-error"

REVIEWED: Final = frozenset({"final", "amended", "corrected", "appended"})
"""Statuses that a report has once a clinician acted on it, here or by another program, until it is withdrawn."""

STATUSES: Final = frozenset(
    {"registered", "partial", PRELIMINARY, "final", "amended", "corrected", "appended", "cancelled", IN_ERROR, "unknown"}
)
"""Statuses that a DiagnosticReport may have (FHIR R4, diagnostic-report-status: a required binding)."""

CODE: Final = r"[a-z0-9][a-z0-9-]*"
"""Code of a band or an obstacle, as a regular expression."""
CODE_CHARACTERS_MAX: Final = 64

TRACE_ID: Final = r"(?!0{32})[0-9a-f]{32}"
"""Id of a trace, as a regular expression (W3C Trace Context: one of zeros alone is invalid)."""


class Rank(NamedTuple):
    """Rank of a version that judges: of two verdicts on the same facts, the one of the greater rank holds."""

    edition: int
    """Number of the deployment: settings.report.edition."""
    judging: int
    """Version of the code: JUDGING in report/grounds.py."""
    model: int
    """Version of the model."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a verdict on one picture rests on besides the pixels, and who would give it."""

    fingerprint: str
    """Hex SHA-256 of the facts and of the rule by which they are judged."""
    facts: str
    """Hex SHA-256 of the facts alone; only code of the same `rank.judging` reads them alike."""
    rank: Rank
    rehearsal: str | None = None
    """Id of the rehearsal for which the verdict is given; None for a verdict on which somebody may act."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a report says and rests on, in machine-readable form: enough to recognise the report and to announce it again."""

    content_sha256: str
    """Hex SHA-256 of the picture that was judged."""
    as_of: datetime
    """When the version of the Media that held this picture was stored; aware."""
    fetched: datetime
    """The time just before that Media was read, by the clock of the process that judged it; aware."""
    grounds: str
    """Fingerprint of whatever else the verdict rests on (report/grounds.py), as in Grounds."""
    model_version: str
    code: str
    """The band's code, or the reason why the picture is not assessable."""
    score: float | None
    """The model's score for malignancy, 0..1; None where the picture is not assessable."""
    flagged: bool
    """Whether a clinician is to look sooner."""
    facts: str | None = None
    """Fingerprint of the facts, as in Grounds; None in a mark from before decision 0015, which no verdict is recognised by."""
    edition: int = 0
    judging: int = 0
    """`edition` and `judging` as in Rank; both are 0 in a mark from before decision 0015."""
    rehearsal: str | None = None
    """Id of the rehearsal that made the report; None in a report on which somebody may act."""
    trace_id: str | None = field(default=None, compare=False)
    """Id of the trace of the journey that composed the report; None where none is known.

    It is no part of what the report says: marks that differ in it alone are equal.
    """
    site_file: str | None = field(default=None, compare=False)
    """<name>/<version> of the site file by which the score is read; None where the card was used alone, or before a mark named it.

    What it changes in a verdict is in `grounds`: marks that differ in it alone are equal.
    """

    @property
    def rank(self) -> Rank:
        """Rank of the version that judged."""
        return Rank(self.edition, self.judging, int(self.model_version))

    @property
    def recency(self) -> tuple[datetime, datetime]:
        """Recency of the picture that was judged, as in Picture.recency; the greater is the newer."""
        return self.as_of, self.fetched


class Place(Protocol):
    """Whose report on which picture: what a report composed, stored or still to be made has in common with the others."""

    @property
    def reference(self) -> str:
        """DiagnosticReport/<id>."""

    @property
    def subject(self) -> str:
        """Patient/<id>."""

    @property
    def media(self) -> str:
        """Media/<id>."""


class Wanted(NamedTuple):
    """The place of the report on one picture, whether it stands or not."""

    reference: str
    subject: str
    media: str


@dataclass(frozen=True, slots=True)
class Report:
    """A composed report, not yet written."""

    id: str
    """Id of the DiagnosticReport; the same whenever the same picture is judged by the same model version."""
    subject: str
    """Patient/<id>."""
    media: str
    """Media/<id>."""
    grounds: Grounds
    mark: Mark
    parts: Callable[[], tuple[str, ...]] = field(compare=False, repr=False)
    """References of everything that a report on this picture may hold, whatever its verdict; this report may hold less."""
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
    """Code of its conclusion, as in Mark; empty where a clinician wrote another conclusion."""
    issued: datetime | None
    mark: Mark | None
    """None where another program that changed the report dropped it."""
    parts: tuple[str, ...] = ()
    """References of what the report holds: its results, and its RiskAssessment where its conclusion is a band."""
    superseded_by: str | None = None
    """DiagnosticReport/<id> of the report that took its place."""
    rehearsed: bool = False
    """Whether the report is in error because the rehearsal that made it is over."""
    version: str | None = field(default=None, compare=False)
    """Version of the resource, as the server counts it."""

    @property
    def verbatim(self) -> bool:
        """Whether the report still says what Tocsin wrote."""
        return self.mark is not None and self.code == self.mark.code

    @property
    def gave_way(self) -> bool:
        """Whether the report is in error because another took its place, and not because a clinician withdrew it."""
        return self.status == IN_ERROR and self.superseded_by is not None

    @property
    def taken_back(self) -> bool:
        """Whether the report is in error by Tocsin's own act, and not because a clinician withdrew it."""
        return self.gave_way or self.rehearsed

    def says_what(self, other: StoredReport) -> bool:
        """Whether the report says what `other` says, so that a flag of the one holds for the other."""
        return (self.status, self.mark) == (other.status, other.mark)


class Found(NamedTuple):
    """What the record holds on a picture before it is judged."""

    standing: StoredReport | None
    """The report that leaves nothing to judge; None where there is none, or one that may have to be replaced."""
    alone: bool
    """Whether no other report on the Media could take its place, or would have to give way to it."""
    told_at: datetime | None = None
    """When the picture was taken, aware, as an earlier report on its bytes was told; None also where that is not asked for.

    It is asked for an undated picture that has to be judged.
    """
