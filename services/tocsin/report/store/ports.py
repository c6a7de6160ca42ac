"""What the store of reports needs of a write strategy: one for each way in which FHIR servers take a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.fhir.datatypes import Json
from tocsin.report.types import Report


class Writer(Protocol):
    """A write strategy decides how reports come into the record, and nothing else. Safe for threads.

    Each method raises Deferred where the record is away or busy, Contended where it was changed meanwhile, and FhirRejected (Refused) where
    it refuses the write for good.
    """

    def create(self, report: Report) -> None:
        """Write a report that was not found, and its parts. Raises Contended, too, where another process wrote the report meanwhile."""

    def overwrite(self, bundle: Json, stands: Sequence[Json], reference: str) -> None:
        """Write the bundle's resources, all or none, over the resources that were read, `stands`; one that changed since is left as it is.

        `reference` is the DiagnosticReport/<id> that the bundle is about, for whoever reads a refusal.
        """
