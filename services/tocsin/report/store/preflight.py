"""Does this FHIR server take what a journey asks of it? The checks send the journey's own requests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from tocsin.errors import Contended, ContractError, FhirRejected
from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of, status_of
from tocsin.fhir.datatypes import Json, reference_to, text, version_of
from tocsin.fhir.preflight import attempt
from tocsin.report.resources.bundle import transaction
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.device import card_document, device, site_resources
from tocsin.report.store.reading import NO_MEDIA, as_it_stands, reports_on
from tocsin.report.store.registration import named, register_card
from tocsin.report.store.sending import conditional, send
from tocsin.telemetry.preflight import Check

NO_REPORT: Final = "DiagnosticReport/tocsin-check"
"""No report has this id."""

WRITE_FIX: Final = (
    "allow Tocsin's client transactions, and updates under its own ids (update as create). Where the server redirects, set "
    "TOCSIN_FHIR__BASE_URL to the address that it names, with its slash where it ends with one"
)

GUARD_FIX: Final = (
    "have the server refuse an entry of a transaction whose `ifMatch` names another version than the current one (FHIR R4, "
    "http.html#concurrency), and no gateway drop `ifMatch` on the way. Else Tocsin would overwrite a report that a clinician changed at "
    "the same moment"
)


def report_preflight(fhir: FhirClient, issuer: Issuer) -> Iterator[Check]:
    """Read a report, search reports by their Media, write the model's card, and read the model's Device.

    The card is written as the first event would, and a second time over itself, by transaction and with If-Match: no other request shows
    whether reports will be taken.
    """
    yield attempt(
        "journey: read a report",
        lambda: _looked_for(fhir),
        "let Tocsin's client read DiagnosticReport, and let the server answer 404 with an OperationOutcome where there is none",
    )
    yield attempt(
        "journey: reports on a Media",
        lambda: f"{len(reports_on(fhir, NO_MEDIA))} on {NO_MEDIA}",
        "let Tocsin's client search DiagnosticReport by `media` (search parameter `media` on the server). Without it Tocsin cannot "
        "replace older reports, and `tocsin consume` stops",
    )
    yield attempt("journey: write the card", lambda: _written(fhir, issuer), WRITE_FIX)
    yield attempt("journey: nothing written over", lambda: _guarded(fhir, issuer), GUARD_FIX)
    stated, *of_site = (
        each
        for each in (device(issuer.card, issuer.source), *site_resources(issuer.card, issuer.source))
        if each["resourceType"] == "Device"
    )
    yield attempt(
        "journey: the model's Device",
        lambda: _device(fhir, stated),
        "deploy another version of the model, or set the Device to active again if the withdrawal was not meant",
    )
    for each in of_site:
        yield attempt(
            "journey: the site file's Device",
            partial(_device, fhir, each),
            "use another site file, or set the Device to active again if the withdrawal was not meant",
        )


def _looked_for(fhir: FhirClient) -> str:
    answer = as_it_stands(fhir, NO_REPORT)
    if not is_absent(answer):
        accepted(answer, NO_REPORT)
    return f"HTTP {answer.status} for {NO_REPORT}"


def _written(fhir: FhirClient, issuer: Issuer) -> str:
    register_card(fhir, issuer)
    card = card_document(issuer.card, issuer.source)
    reference = reference_to(card)
    stands = resource_of(accepted(fhir.get_with_headers(reference), reference), reference)
    first, *_ = send(fhir, conditional(fhir, transaction([card]), [stands]), reference)
    after = resource_of(accepted(fhir.get_with_headers(reference), reference), reference)
    if text(after.get("description")) != card["description"]:
        raise ContractError(f"{reference} was written, and holds something else when it is read again")
    if version_of(after) is None:
        raise ContractError(f"the server states no version of {reference}, without which Tocsin overwrites nothing")
    return f"HTTP {status_of(first)} for {reference}, version {version_of(after)}"


def _guarded(fhir: FhirClient, issuer: Issuer) -> str:
    """Write the card over a version that it never had. Raises ContractError where the server takes it, and so looks at no version."""
    card = card_document(issuer.card, issuer.source)
    reference = reference_to(card)
    elsewhen = f"{version_of(resource_of(accepted(fhir.get_with_headers(reference), reference), reference))}0"
    try:
        send(fhir, conditional(fhir, transaction([card]), [card | {"meta": {"versionId": elsewhen}}]), reference)
    except (Contended, FhirRejected) as refused:
        return f"version {elsewhen} of {reference} is not taken: {refused}"
    raise ContractError(f"the server took a change of version {elsewhen} of {reference}, which never had that version")


def _device(fhir: FhirClient, wanted: Json) -> str:
    reference = reference_to(wanted)
    answer = fhir.get_with_headers(reference)
    if is_absent(answer):
        return f"{reference} is written before the first report"
    status = text(resource_of(accepted(answer, reference), reference).get("status"))
    if status != "active":
        raise ContractError(f"{reference} ({named(wanted)}) is {status or 'without status'}: this version was withdrawn")
    return f"{reference} is active"
