"""What verdicts need of the record."""

from __future__ import annotations

from typing import Protocol

from tocsin.report.types import StoredReport
from tocsin.review.types import Standing, Verdict


class Record(Protocol):
    """The patient record, as Tocsin's own credential may change it. Safe for threads."""

    def apply(self, verdict: Verdict) -> Standing:
        """Put the verdict into the record, whole or not at all, and say what became of it; raises nothing of a neighbour's.

        The same verdict again is recorded once, however often and by however many processes it is tried. Nothing is written where the
        report is another than the clinician saw.
        """

    def stored(self, report: str) -> StoredReport | None:
        """The report as it stands; None where the record has none. Raises Deferred, and FhirRejected (Refused)."""
