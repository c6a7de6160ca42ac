"""What the report stage needs of its neighbours."""

from __future__ import annotations

from typing import Protocol

from tocsin.report.flag import Flag
from tocsin.report.model import Report, Standing


class Reports(Protocol):
    """The record."""

    def write(self, report: Report) -> Standing:
        """The report as it stands in the record afterwards.

        One that says the same already is left as it is, and so is one that a clinician has acted on, whatever it says. One that is still
        preliminary and says something else is replaced. Raises ReportUnsafe or FhirRejected (both Refused), Deferred(fhir), and
        ContractError (Stop) where the record will not know the model.
        """


class Flags(Protocol):
    """The bus's listeners."""

    def announce(self, flag: Flag) -> None:
        """Return once Kafka has the flag event. Raises Deferred(kafka)."""
