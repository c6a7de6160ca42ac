"""The record: idempotent writes to the FHIR R4 server that never undo what a clinician did."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Final

from tocsin.errors import ContractError, Deferred, FhirRejected, ReportDeleted, ReportOfAnother
from tocsin.fhir.canonical import BANDS, OBSTACLES
from tocsin.fhir.client import NEIGHBOUR, FhirClient, Json, accepted, is_absent, json_of
from tocsin.report.bundle import reference_to, transaction
from tocsin.report.check import check_bundle
from tocsin.report.compose import Issuer
from tocsin.report.device import card_document, device
from tocsin.report.identity import device_id
from tocsin.report.model import Report, Standing

_NOBODY_ACTED: Final = ("preliminary", "entered-in-error")
"""What a report and its parts are while nobody but Tocsin has touched them."""


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
        found = self._found_report(report)
        if found is None:
            return self._send(report, report.bundle)
        standing = Standing(report.reference, str(found.get("status")), _code(found))
        bundle = None if standing.code in ("", report.code) else self._replacing(report, found)
        return standing if bundle is None else self._send(report, bundle)

    def _send(self, report: Report, bundle: Json) -> Standing:
        self._register_model()
        if self._validate_every and next(self._written) % self._validate_every == 0:
            check_bundle(report.bundle)
        self._fhir.transact(bundle, report.reference)
        return Standing(report.reference, "preliminary", report.code)

    def _found_report(self, report: Report) -> Json | None:
        answer = self._fhir.get(f"{report.reference}?_elements=status,subject,conclusionCode,meta")
        if is_absent(answer):
            if answer.status == 410:
                raise ReportDeleted("HTTP 410", reference=report.reference)
            return None
        found = json_of(accepted(answer, report.reference), report.reference)
        if _subject(found) != report.subject:
            raise ReportOfAnother(f"it was to be written for {report.subject}", reference=report.reference)
        return found

    def _replacing(self, report: Report, found: Json) -> Json | None:
        """The report's bundle, and what only the report before it held, entered in error; None where a clinician has acted on any of it.

        The version that was read is named, so that an act between the reading and the writing makes the server refuse (412, deferred).
        """
        parts = list(self._existing(report.parts))
        if any(each.get("status") not in _NOBODY_ACTED for each in (found, *parts)):
            return None
        kept = {reference_to(entry["resource"]) for entry in report.bundle["entry"]}
        withdrawn = transaction(each | {"status": "entered-in-error"} for each in parts if reference_to(each) not in kept)
        versions = {reference_to(each): each.get("meta", {}).get("versionId") for each in (found, *parts)}
        entries = [_only_if(entry, versions.get(reference_to(entry["resource"]))) for entry in report.bundle["entry"] + withdrawn["entry"]]
        return report.bundle | {"entry": entries}

    def _existing(self, references: Iterable[str]) -> Iterator[Json]:
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
    """Code of the band or of the obstacle, as `report/compose.py` writes it; empty where a clinician wrote another conclusion."""
    concepts = report.get("conclusionCode") or [{}]
    codings = concepts[0].get("coding") or [{}]
    return str(codings[0].get("code", "")) if codings[0].get("system") in (BANDS, OBSTACLES) else ""


def _only_if(entry: Json, version: str | None) -> Json:
    """The entry, to be taken only while this version of its resource stands (FHIR R4, http.html#concurrency)."""
    return entry if version is None else entry | {"request": entry["request"] | {"ifMatch": f'W/"{version}"'}}
