"""The model in the record: its card and its Device, to which every report refers."""

from __future__ import annotations

import threading

from tocsin.errors import Contended, ContractError, FhirRejected
from tocsin.fhir.client import NEIGHBOUR, FhirClient, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import Json, reference_to, text, version_of
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.device import card_document, device, site_resources
from tocsin.report.store.reading import NO_MEDIA, reports_on


class Registration:
    """Registers the model once in each process, before its first report. Safe for threads."""

    def __init__(self, fhir: FhirClient, issuer: Issuer, *, wait_s: float) -> None:
        """`wait_s`: longest wait for another thread that registers the model."""
        self._fhir = fhir
        self._issuer = issuer
        self._wait_s = wait_s
        self._busy = threading.Lock()
        self._done = False

    def ensure(self) -> None:
        """Make sure that the record holds the model's card and Device, and the site file's, and finds reports by their Media.

        A Device that stands is never written again: a hospital that marks it inactive withdraws the model. Raises ContractError (Stop)
        then, and where the server refuses any of this; Deferred where it is away, or another thread is still registering the model.
        """
        if not self._busy.acquire(timeout=self._wait_s):
            raise Contended(NEIGHBOUR, "the model is not known to the record yet")
        try:
            if not self._done:
                reports_on(self._fhir, NO_MEDIA)
                self._register()
                self._done = True
        except FhirRejected as refused:
            raise ContractError(
                f"the FHIR server refuses the card (DocumentReference) or a Device of {self._issuer.card.model}, "
                f"see `journey: write the card` in `tocsin check`: {refused}"
            ) from None
        finally:
            self._busy.release()

    def _register(self) -> None:
        card, source = self._issuer.card, self._issuer.source
        register_card(self._fhir, self._issuer)
        for each in (device(card, source), *site_resources(card, source)):
            self._keep(each)

    def _keep(self, wanted: Json) -> None:
        """Write the resource where it is absent. Raises ContractError where a Device stands that is not active."""
        reference = reference_to(wanted)
        answer = self._fhir.get_with_headers(reference)
        if is_absent(answer):
            self._fhir.put(wanted)
            return
        stands = resource_of(accepted(answer, reference), reference)
        if wanted["resourceType"] == "Device" and stands.get("status") != "active":
            raise ContractError(f"{reference} ({named(wanted)}) is not active in the record: this version was withdrawn; deploy another")


def named(device: Json) -> str:
    """What a Device that Tocsin made stands for: a model's version, or a site file."""
    return text(device["identifier"][0]["value"])


def register_card(fhir: FhirClient, issuer: Issuer) -> None:
    """Write the model's card into the record, only where it is absent or says something else.

    A stored card is replaced only while its version stands (If-Match): servers may insist on it. Raises Deferred or FhirRejected.
    """
    wanted = card_document(issuer.card, issuer.source)
    reference = f"DocumentReference/{wanted['id']}"
    answer = fhir.get_with_headers(reference)
    if is_absent(answer):
        fhir.put(wanted)
        return
    stands = resource_of(accepted(answer, reference), reference)
    if not holds(stands, wanted):
        fhir.put(wanted, version=version_of(stands))


def holds(stands: object, wanted: object) -> bool:
    """Whether what stands says all that is wanted, whatever a server added to it."""
    if isinstance(wanted, dict):
        return isinstance(stands, dict) and all(holds(stands.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(stands, list) and len(stands) == len(wanted) and all(map(holds, stands, wanted))
    return stands == wanted
