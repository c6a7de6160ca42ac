"""What the store of reports needs of a write strategy: one for each way in which FHIR servers take a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.fhir.datatypes import Json
from tocsin.report.types import Report


class Writer(Protocol):
    """A write strategy. Safe for threads; it decides nothing but how what it is given comes into the record.

    Each method raises Deferred where the record is away or busy, Contended where it was changed meanwhile, and FhirRejected (Refused) where
    it will not have it.
    """

    def create(self, report: Report) -> None:
        """Write a report, which was not found, and its parts. Raises Contended, too, where another process wrote it meanwhile."""

    def overwrite(self, bundle: Json, stands: Sequence[Json], reference: str) -> None:
        """Write the bundle's resources, all or none, over what `stands` as it was read; any that was changed since is left as it is.

        `reference` is the DiagnosticReport/<id> that it is about, for whoever reads a refusal.
        """
