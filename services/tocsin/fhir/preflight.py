"""Can this FHIR server do what Tocsin asks of it? Its CapabilityStatement (FHIR R4, http.html#capabilities) and a few reads tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from tocsin.clock import utc_now
from tocsin.errors import Deferred, FhirRejected, Refused, Stop
from tocsin.fhir.client import FhirClient, accepted, is_absent, json_of
from tocsin.fhir.datatypes import Json, an_object, objects, text
from tocsin.fhir.http import HeadedAnswer, NoAnswer, Step
from tocsin.fhir.search import resources_of
from tocsin.telemetry.preflight import Check, check, skipped

PART: Final = "fhir"

READ: Final = (
    "Media",
    "ImagingStudy",
    "DiagnosticReport",
    "Observation",
    "RiskAssessment",
    "Device",
    "DocumentReference",
    "Provenance",
    "AuditEvent",
)
SEARCHED: Final = {
    "DiagnosticReport": ("media", "issued", "identifier", "_id", "_lastUpdated"),
    "Media": ("created", "modality", "site", "_id", "_lastUpdated"),
    "Device": ("identifier", "_lastUpdated"),
}
"""Resource type -> the search parameters that Tocsin uses: `media` of a report for every event, the rest by `tocsin work`."""
WRITTEN: Final = ("DiagnosticReport", "Observation", "RiskAssessment", "Provenance", "Device", "DocumentReference", "AuditEvent")

NOBODY: Final = "Patient/tocsin-check"
"""No patient has this id, and a server that lets Tocsin read patients says so."""

STEP_FIXES: Final[dict[Step, str]] = {
    "name": "set TOCSIN_FHIR__BASE_URL to a host that this machine can resolve, or TOCSIN_FHIR__PROXY_URL to a proxy that it can",
    "connection": "see whether the server (or TOCSIN_FHIR__PROXY_URL) is up, and whether this machine may reach the port of "
    "TOCSIN_FHIR__BASE_URL",
    "TLS": "set TOCSIN_FHIR__TLS_CA_FILE to the authority of the server's certificate, and name the server in TOCSIN_FHIR__BASE_URL as its "
    "certificate does; write http:// there if it speaks no TLS on this port",
    "answer": "see the server's log: it was reached and did not answer within TOCSIN_FHIR__REQUEST_TIMEOUT_S",
}

CLOCK_DIFFERENCE_S_MAX: Final = 30.0
"""Seconds that the server's clock and Tocsin's may differ: half of what TOCSIN_BACKFILL__SETTLE_S allows for.

Pictures are read in the order of the server's times, and reports carry Tocsin's.
"""


def attempt(what: str, look: Callable[[], str], fix: str) -> Check:
    """A check that passes with what `look` found, and fails with the reason why a journey would not go on."""
    try:
        return check(PART, what, True, look(), "")
    except (Deferred, Refused, Stop) as error:
        return check(PART, what, False, str(error), fix)


def fhir_preflight(fhir: FhirClient, now: Callable[[], datetime] = utc_now) -> Iterator[Check]:
    """Check version, clocks, own address, reads as this client, transactions, and each resource type's interactions and searches."""
    try:
        answer = accepted(fhir.get_with_headers("metadata"), "metadata")
        statement = json_of(answer, "metadata")
    except NoAnswer as error:
        yield check(PART, error.step, False, f"{fhir.base_url}: {error}", STEP_FIXES[error.step])
        return
    except (Deferred, FhirRejected, Stop) as error:
        fix = "set TOCSIN_FHIR__BASE_URL to the server's FHIR R4 base address, and see whether it answers /metadata"
        yield check(PART, "server", False, f"{fhir.base_url}: {error}", fix)
        return
    yield _server(fhir, statement)
    yield _clocks(answer, now())
    yield _may_read(fhir)
    yield _own_address(fhir)
    yield from (_read(fhir, kind) for kind in READ)
    yield from _rest(next(iter(objects(statement.get("rest"))), {}))


def _server(fhir: FhirClient, statement: Json) -> Check:
    version = str(statement.get("fhirVersion"))
    software = " ".join(filter(None, map(text, an_object(statement.get("software")).values())))
    found = f"{fhir.base_url}: FHIR {version}, {software or 'software not stated'}"
    return check(PART, "server", version.startswith(("4.0", "4.3")), found, "Tocsin needs the FHIR R4 (4.0.1) endpoint of this server")


def _may_read(fhir: FhirClient) -> Check:
    """Everybody may read a CapabilityStatement; only a real read shows this client's rights."""
    fix = (
        "set TOCSIN_FHIR__BEARER_TOKEN to a token with which this server lets Tocsin read patients. Where it redirects, set "
        "TOCSIN_FHIR__BASE_URL to the address that it names. Where it answers 404, have it send an OperationOutcome: without one Tocsin "
        "waits"
    )
    try:
        answer = fhir.get(NOBODY)
    except (Deferred, FhirRejected) as error:
        return check(PART, "reading as this client", False, str(error), fix)
    able = answer.status == 200 or is_absent(answer)
    return check(PART, "reading as this client", able, f"HTTP {answer.status} for {NOBODY}", fix)


def _clocks(answer: HeadedAnswer, now: datetime) -> Check:
    """Compare the clocks by the answer's Date (RFC 9110, 6.6.1), which counts whole seconds."""
    fix = "set the clocks of both machines by the same source (NTP): Tocsin orders pictures and reports by them"
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return skipped(PART, "clocks", "the server states no Date")
    differ_s = abs(((theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - now).total_seconds())
    return check(PART, "clocks", differ_s <= CLOCK_DIFFERENCE_S_MAX, f"{differ_s:.0f} s apart, at most {CLOCK_DIFFERENCE_S_MAX:.0f}", fix)


def _read(fhir: FhirClient, kind: str) -> Check:
    """Read an absent resource as this client: a statement says what a server can do, not what it lets this client do."""

    def look() -> str:
        answer = fhir.get(f"{kind}/tocsin-check")
        if not is_absent(answer):
            accepted(answer, f"{kind}/tocsin-check")
        return f"HTTP {answer.status} for {kind}/tocsin-check"

    fix = f"allow Tocsin's client to read {kind}, and let the server answer 404 with an OperationOutcome where there is none"
    return attempt(f"read {kind}", look, fix)


def _own_address(fhir: FhirClient) -> Check:
    """Whether the server names its own resources below a known address, by the patient of any one picture.

    References below any other address are taken for another server's.
    """
    what = "its own address"
    fix = "set TOCSIN_FHIR__BASE_URL to this address, or add it to TOCSIN_FHIR__ALSO_KNOWN_AS if it is this same server's"
    try:
        found = resources_of(fhir.search("Media?_count=1&_elements=subject"), "Media")
    except (Deferred, Refused, Stop) as error:
        return skipped(PART, what, str(error))
    subject = next((text(an_object(each.get("subject")).get("reference")) for each in found), "")
    base, _, _ = subject.partition("/Patient/")
    if fhir.service_base.reference(subject) is not None or not base.startswith(("http://", "https://")):
        return check(PART, what, True, "a picture's patient is named as one of this server's" if subject else "no picture to see it by", "")
    parts = urlsplit(base)
    return check(PART, what, False, f"a picture's patient is named below {parts.scheme}://{parts.hostname}{parts.path}", fix)


def _rest(rest: Json) -> Iterator[Check]:
    system = {text(each.get("code")) for each in objects(rest.get("interaction"))}
    yield check(
        PART,
        "transaction",
        "transaction" in system,
        _said("transaction" in system),
        "have the server offer transactions: Tocsin writes a report whole or not at all",
    )
    resources = {text(each.get("type")): each for each in objects(rest.get("resource"))}
    for kind, names in SEARCHED.items():
        yield _searched(kind, names, resources.get(kind, {}), rest)
    for kind in WRITTEN:
        yield _written(kind, resources.get(kind, {}))


def _searched(kind: str, names: Iterable[str], resource: Json, rest: Json) -> Check:
    """Whether the server offers these search parameters; those of every resource type may be stated once for all."""
    stated = {text(each.get("name")) for each in (*objects(resource.get("searchParam")), *objects(rest.get("searchParam")))}
    missing = [name for name in names if name not in stated] if "search-type" in _interactions(resource) else list(names)
    fix = (
        f"let Tocsin's client search {kind} by {', '.join(missing)}. Without `media` and `issued` Tocsin cannot replace older reports, and "
        "`tocsin consume` stops; the others are for reconciliation and backfill (`tocsin work`)"
    )
    return check(PART, f"search {kind}", not missing, f"not offered: {', '.join(missing)}" if missing else "offered", fix)


def _written(kind: str, resource: Json) -> Check:
    able = "update" in _interactions(resource) and resource.get("updateCreate") is not False  # HAPI allows it and does not say so
    able = able and resource.get("versioning") != "no-version"
    fix = (
        f"allow update of {kind} under the client's own ids (updateCreate), so that a repeated event never becomes a second report. Have "
        "the server count versions, so that Tocsin overwrites nothing that somebody has changed meanwhile"
    )
    return check(PART, f"write {kind}", able, _said(able), fix)


def _interactions(resource: Json) -> set[str]:
    return {text(each.get("code")) for each in objects(resource.get("interaction"))}


def _said(able: bool) -> str:
    return "offered" if able else "not offered"
