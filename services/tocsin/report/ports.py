"""What the report stage needs of its neighbours."""

from __future__ import annotations

from typing import Protocol

from tocsin.report.flag import Flag
from tocsin.report.model import Report, Standing


class Reports(Protocol):
    """The record."""

    def write(self, report: Report) -> Standing:
        """The report as it stands in the record afterwards; one that stands already is left as it is.

        Raises ReportUnsafe or FhirRejected (both Refused), and Deferred(fhir).
        """


class Flags(Protocol):
    """The bus's listeners."""

    def announce(self, flag: Flag) -> None:
        """Return once Kafka has the flag event. Raises Deferred(kafka)."""
