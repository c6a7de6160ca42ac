"""Write strategy for servers that take updates under ids of our own: a report and all its parts in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.errors import Contended, FhirRejected
from tocsin.fhir.client import NEIGHBOUR, FhirClient, is_absent, status_of
from tocsin.fhir.datatypes import Json
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.mark import as_written
from tocsin.report.store.parts import Parts
from tocsin.report.store.reading import as_it_stands
from tocsin.report.store.sending import conditional, is_stale, send
from tocsin.report.types import Report

CREATED: Final = 201


class TransactionWriter:
    """Adapter of the Writer port: update as create (FHIR R4, http.html#upsert), all or nothing. Safe for threads."""

    def __init__(self, fhir: FhirClient, issuer: Issuer) -> None:
        """Sends no request yet."""
        self._fhir = fhir
        self._parts = Parts(fhir, issuer)

    def create(self, report: Report) -> None:
        """See Writer.create. A status other than 201 means that another process wrote the report, whose verdict may be the newer one."""
        try:
            first, *_ = send(self._fhir, report.bundle, report.reference)
        except (FhirRejected, Contended) as refused:
            over = self._over_leftovers(report)
            if over is None:
                if isinstance(refused, FhirRejected) and not is_absent(as_it_stands(self._fhir, report.reference)):
                    raise Contended(NEIGHBOUR, f"another process wrote {report.reference} meanwhile") from None
                raise
            first, *_ = send(self._fhir, over, report.reference)
        if status_of(first) != CREATED:
            raise Contended(NEIGHBOUR, f"another process wrote {report.reference} meanwhile")

    def overwrite(self, bundle: Json, stands: Sequence[Json], reference: str) -> None:
        """See Writer.overwrite. Each version is named (If-Match), so that a change meanwhile makes the server refuse all entries (412).

        Servers that insist on If-Match refuse with 400 what somebody else has made meanwhile: that is a lost race, too.
        """
        guarded = conditional(self._fhir, bundle, stands)
        try:
            send(self._fhir, guarded, reference)
        except FhirRejected:
            if is_stale(self._fhir, guarded):
                raise Contended(NEIGHBOUR, f"another process wrote {reference}, or a part of it, meanwhile") from None
            raise

    def _over_leftovers(self, report: Report) -> Json | None:
        """The bundle with the versions of parts that already stand: some servers take no write over a part without its version.

        Such parts are left by a write that was broken off, or by a report that was removed. None where no part stands, where somebody
        acted on one, and where the report itself stands by now.
        """
        if not is_absent(as_it_stands(self._fhir, report.reference)):
            return None
        left = self._parts.untouched(report.parts(), as_written(report))
        return conditional(self._fhir, report.bundle, left) if left else None
