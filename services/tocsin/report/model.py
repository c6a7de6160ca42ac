"""What is known after the report stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """A composed report, not yet written."""

    id: str
    """Of the DiagnosticReport; the same whenever the same picture is judged by the same model version."""
    subject: str
    """Patient/<id>."""
    code: str
    """What it says: the band's code, or the reason why it is not assessable."""
    parts: tuple[str, ...]
    """References of everything that a report on this picture may hold, whatever it says; this one may hold less."""
    bundle: Json = field(repr=False)
    """A FHIR R4 transaction that holds the DiagnosticReport and all that belongs to it."""

    @property
    def reference(self) -> str:
        """DiagnosticReport/<id>."""
        return f"DiagnosticReport/{self.id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A report as it stands in the record."""

    reference: str
    """DiagnosticReport/<id>."""
    status: str
    """FHIR diagnostic-report-status; whatever a clinician made of it stays."""
    code: str
    """What it says, as in Report; empty where a clinician wrote another conclusion."""
