"""The patient's reports for a call: those that came with it, else those that its own token may read at its own server.

Whatever is about another patient refuses the whole call. The token goes to the base address that the settings name for the caller and
nowhere else, and is kept no longer than the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from pydantic import SecretStr, ValidationError

from tocsin.errors import Deferred, FhirRejected, Stop
from tocsin.fhir.address import NoAddress, address
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json, an_object, is_resource, objects, text
from tocsin.fhir.http import Http
from tocsin.fhir.reference import ServiceBase
from tocsin.fhir.search import answers, goes_on
from tocsin.report.resources.mark import stored_report
from tocsin.serve.cds.calls import Call
from tocsin.serve.cds.problems import Malformed, WithoutData, WrongPatient
from tocsin.settings import CdsIssuer, FhirSettings

REPORTS: Final = "reports"
PICTURES: Final = "pictures"
"""Keys of what is asked to be prefetched."""

PAGE: Final = 200
PAGES_MAX: Final = 2
"""Pages of a search that are read for one call: with two tries of 2/5 of the time and the pictures' 1/5, an answer comes in its time."""

PREFETCH: Final = {
    REPORTS: f"DiagnosticReport?patient={{{{context.patientId}}}}&identifier=urn:tocsin:report%7C&_count={PAGE}",
    PICTURES: (f"Media?patient={{{{context.patientId}}}}&_elements=subject,bodySite,createdDateTime,createdPeriod&_count={PAGE}"),
}
"""Prefetch key -> template. Cards need the reports; pictures add the body site and which lesion it is."""
_TOKEN: Final = "{{context.patientId}}"
_ABOUT_A_PATIENT: Final = frozenset({"DiagnosticReport", "Observation", "Media"})


@dataclass(frozen=True, slots=True)
class Found:
    """What is known for a call."""

    reports: list[Json] = field(repr=False)
    beside: list[Json] = field(repr=False)
    base: ServiceBase


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections to callers' FHIR servers, with the time that each search may take."""

    for_reports: Http
    for_pictures: Http
    answer_bytes_max: int


def records(call: Call, caller: CdsIssuer, base: ServiceBase, connections: Connections) -> Found:
    """What is known for the call; `base` is the caller's server. Raises WrongPatient, WithoutData and Malformed."""
    reports = _prefetched(call, REPORTS)
    if reports is None:
        reports = _fetched(call, caller, connections.for_reports, REPORTS, connections.answer_bytes_max)
    _of_one_patient(reports, call, base)
    marked = [each for each in reports if _is_report(each) and stored_report(each, base).mark is not None]
    pictures = _pictures(call, caller, connections) if marked else []
    _of_one_patient(pictures, call, base)
    return Found(marked, [*reports, *pictures], base)


def _is_report(resource: Json) -> bool:
    return is_resource(resource, "DiagnosticReport")


def _of_one_patient(resources: list[Json], call: Call, base: ServiceBase) -> None:
    """Raises WrongPatient where one of the resources is not the patient's."""
    for each in resources:
        if each.get("resourceType") in _ABOUT_A_PATIENT and base.local(each.get("subject")) != call.patient:
            raise WrongPatient(f"A {each['resourceType']} among the patient's resources has another subject than context.patientId.")


def _prefetched(call: Call, key: str) -> list[Json] | None:
    """The resources that came under this key; None where they did not come, or not all of them.

    null: the EHR looked, and there is nothing (CDS Hooks 3.0.0, "Prefetch Template").
    """
    if key not in call.prefetch:
        return None
    stated = call.prefetch[key]
    if stated is None:
        return []
    if not isinstance(stated, dict):
        raise Malformed(f"prefetch.{key} is no FHIR resource.")
    found = [an_object(entry.get("resource")) for entry in objects(stated.get("entry"))]
    whole = stated.get("resourceType") == "Bundle" and not goes_on(stated) and not any(_is_an_error(each) for each in found)
    total = stated.get("total")
    return found if whole and not (isinstance(total, int) and total > len(found)) else None


def _is_an_error(resource: Json) -> bool:
    severities = (text(issue.get("severity")) for issue in objects(resource.get("issue")))
    return resource.get("resourceType") == "OperationOutcome" and any(each in ("error", "fatal") for each in severities)


def _pictures(call: Call, caller: CdsIssuer, connections: Connections) -> list[Json]:
    """The pictures, as far as they can be had: without them each report's picture is a lesion of its own, and its site is not named."""
    found = _prefetched(call, PICTURES)
    if found is not None or call.token is None:
        return found or []
    try:
        return _fetched(call, caller, connections.for_pictures, PICTURES, connections.answer_bytes_max, pages_max=1)
    except WithoutData:
        return []


def _fetched(call: Call, caller: CdsIssuer, http: Http, key: str, answer_bytes_max: int, pages_max: int = PAGES_MAX) -> list[Json]:
    """What the caller's server answers to the template of this key. Raises WithoutData."""
    fhir = _client(call, caller, http, answer_bytes_max)
    path = PREFETCH[key].replace(_TOKEN, call.patient.removeprefix("Patient/"))
    pages = _pages(fhir, path)
    found = [an_object(entry.get("resource")) for page in islice(pages, pages_max) for entry in objects(page.get("entry"))]
    if any(_is_an_error(each) for each in found):
        raise WithoutData("The FHIR server's answer holds an error.")
    return found


def _pages(fhir: FhirClient, path: str) -> Iterator[Json]:
    try:
        for number, page in enumerate(answers(fhir, path), 1):
            if number == PAGES_MAX and goes_on(page):
                raise WithoutData(f"The patient has more than {PAGES_MAX} pages of these resources.")
            yield page
    except (Deferred, FhirRejected, Stop) as error:
        detail = error.detail if isinstance(error, Deferred | FhirRejected) else "it is not as it was set up"
        raise WithoutData(f"The resources did not come with the call, and the FHIR server did not give them: {detail}") from None


def _client(call: Call, caller: CdsIssuer, http: Http, answer_bytes_max: int) -> FhirClient:
    """A client with the call's token. Raises WithoutData where there is none, or where the call names another server than agreed."""
    if call.token is None:
        raise WithoutData(
            "prefetch lacks the key `reports` (complete, without a next page), and fhirAuthorization holds no token whose scope lets "
            "DiagnosticReports be searched."
        )
    if caller.fhir_base_url is None or not _same(call.fhir_server, caller.fhir_base_url):
        raise WithoutData("fhirServer is not the one that is agreed for this issuer (fhir_base_url of TOCSIN_CDS__ISSUERS).")
    return FhirClient(_settings(caller.fhir_base_url, caller, call.token, answer_bytes_max), http)


def _settings(base_url: str, caller: CdsIssuer, token: SecretStr, answer_bytes_max: int) -> FhirSettings:
    try:
        return FhirSettings(base_url=base_url, also_known_as=caller.also_known_as, bearer_token=token, answer_bytes_max=answer_bytes_max)
    except ValidationError:  # its text quotes what it refuses
        raise Malformed("fhirAuthorization holds no bearer token.") from None


def _same(stated: str | None, agreed: str) -> bool:
    try:
        one, other = (address(f"{each.rstrip('/')}/") for each in (stated or "", agreed))
    except NoAddress:
        return False
    return one == other
