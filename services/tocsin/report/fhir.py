"""The record: idempotent writes to the FHIR R4 server that never undo what a clinician did."""

from __future__ import annotations

import itertools
import threading

from tocsin.errors import ReportDeleted, ReportOfAnother
from tocsin.fhir.client import FhirClient, Json, accepted, json_of
from tocsin.report.check import check_bundle, check_card_document
from tocsin.report.compose import Issuer
from tocsin.report.device import card_document, device
from tocsin.report.model import Report, Standing


class FhirReports:
    """Adapter of the Reports port. Safe for threads."""

    def __init__(self, fhir: FhirClient, issuer: Issuer, *, validate_every: int) -> None:
        """Every `validate_every`-th bundle is checked before it is sent, the first one included; 0 checks none."""
        self._fhir = fhir
        self._issuer = issuer
        self._validate_every = validate_every
        self._written = itertools.count()
        self._registering = threading.Lock()
        self._registered = False

    def write(self, report: Report) -> Standing:
        """See Reports.write. A repeated event costs one read; a report a clinician has touched is never written over."""
        standing = self._standing(report)
        if standing is not None:
            return standing
        self._register_model()
        if self._validate_every and next(self._written) % self._validate_every == 0:
            check_bundle(report.bundle)
        self._fhir.transact(report.bundle, report.reference)
        return Standing(report.reference, "preliminary")

    def _standing(self, report: Report) -> Standing | None:
        answer = self._fhir.get(f"{report.reference}?_elements=status,subject")
        if answer.status == 404:
            return None
        if answer.status == 410:
            raise ReportDeleted("HTTP 410", reference=report.reference)
        found = json_of(accepted(answer, report.reference), report.reference)
        if _subject(found) != report.subject:
            raise ReportOfAnother(f"it was to be written for {report.subject}", reference=report.reference)
        return Standing(report.reference, str(found.get("status")))

    def _register_model(self) -> None:
        """The model's card and Device go into the record once a process, before the first report.

        Each report's transaction holds the Device again, so that it stands on its own; but many first reports at once would all create
        it, and a server answers all but one of them 409.
        """
        with self._registering:
            if self._registered:
                return
            card, source = self._issuer.card, self._issuer.source
            document = card_document(card, source)
            check_card_document(document)
            self._fhir.put(document)
            self._fhir.put(device(card, source))
            self._registered = True


def _subject(report: Json) -> str:
    """Patient/<id>, also where the server answers with a whole address."""
    return "/".join(str(report.get("subject", {}).get("reference", "")).split("/")[-2:])
