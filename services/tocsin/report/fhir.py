"""The record: idempotent writes to the FHIR R4 server that never undo what a clinician did."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

from tocsin.errors import ContractError, Deferred, FhirRejected, ReportDeleted, ReportOfAnother
from tocsin.fhir.client import NEIGHBOUR, FhirClient, Json, accepted, is_absent, json_of
from tocsin.report.bundle import reference_to, transaction
from tocsin.report.check import check_bundle
from tocsin.report.compose import Issuer
from tocsin.report.device import card_document, device
from tocsin.report.identity import device_id
from tocsin.report.model import Report, Standing


class FhirReports:
    """Adapter of the Reports port. Safe for threads."""

    def __init__(self, fhir: FhirClient, issuer: Issuer, *, validate_every: int, registration_wait_s: float) -> None:
        """Every `validate_every`-th bundle is checked before it is sent, the first one included; 0 checks none.

        `registration_wait_s`: longest wait for another thread that makes the model known to the record.
        """
        self._fhir = fhir
        self._issuer = issuer
        self._validate_every = validate_every
        self._registration_wait_s = registration_wait_s
        self._written = itertools.count()
        self._registering = threading.Lock()
        self._registered = False

    def write(self, report: Report) -> Standing:
        """See Reports.write. A repeated event costs one read."""
        standing = self._standing(report)
        if standing is not None and (standing.code == report.code or standing.status != "preliminary"):
            return standing
        self._register_model()
        if self._validate_every and next(self._written) % self._validate_every == 0:
            check_bundle(report.bundle)
        self._fhir.transact(report.bundle if standing is None else self._replacing(report), report.reference)
        return Standing(report.reference, "preliminary", report.code)

    def _standing(self, report: Report) -> Standing | None:
        answer = self._fhir.get(f"{report.reference}?_elements=status,subject,conclusionCode")
        if is_absent(answer):
            if answer.status == 410:
                raise ReportDeleted("HTTP 410", reference=report.reference)
            return None
        found = json_of(accepted(answer, report.reference), report.reference)
        if _subject(found) != report.subject:
            raise ReportOfAnother(f"it was to be written for {report.subject}", reference=report.reference)
        return Standing(report.reference, str(found.get("status")), _code(found))

    def _replacing(self, report: Report) -> Json:
        """The report's bundle, and what only the report before it held, entered in error."""
        kept = {reference_to(entry["resource"]) for entry in report.bundle["entry"]}
        gone = self._found(each for each in report.parts if each not in kept)
        withdrawn = transaction(resource | {"status": "entered-in-error"} for resource in gone)
        return report.bundle | {"entry": report.bundle["entry"] + withdrawn["entry"]}

    def _found(self, references: Iterator[str]) -> Iterator[Json]:
        for reference in references:
            answer = self._fhir.get(reference)
            if not is_absent(answer):
                yield json_of(accepted(answer, reference), reference)

    def _register_model(self) -> None:
        """Once a process, before the first report that refers to them, the model's card and Device go into the record.

        A Device that stands is never written again: a hospital that marks it inactive withdraws the model, and that stops Tocsin.
        """
        if not self._registering.acquire(timeout=self._registration_wait_s):
            raise Deferred(NEIGHBOUR, "the model is not known to the record yet")
        try:
            if not self._registered:
                self._register()
                self._registered = True
        except FhirRejected as refused:
            raise ContractError(f"the FHIR server refuses the card or Device of {self._issuer.card.model}: {refused}") from None
        finally:
            self._registering.release()

    def _register(self) -> None:
        card, source = self._issuer.card, self._issuer.source
        self._fhir.put(card_document(card, source))
        reference = f"Device/{device_id(source, card.model)}"
        answer = self._fhir.get(reference)
        if is_absent(answer):
            self._fhir.put(device(card, source))
        elif json_of(accepted(answer, reference), reference).get("status") != "active":
            raise ContractError(f"{reference} ({card.model}) is not active in the record: this version was withdrawn; deploy another")


def _subject(report: Json) -> str:
    """Patient/<id>, also where the server answers with a whole address."""
    return "/".join(str(report.get("subject", {}).get("reference", "")).split("/")[-2:])


def _code(report: Json) -> str:
    """Code of the band or of the obstacle, which `report/compose.py` writes first."""
    concepts = report.get("conclusionCode") or [{}]
    codings = concepts[0].get("coding") or [{}]
    return str(codings[0].get("code"))
