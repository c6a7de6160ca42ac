"""`tocsin check` reads what a FHIR server says of itself, and whether it lets this client read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import SecretStr
from tocsin.fhir.client import FhirClient
from tocsin.fhir.preflight import fhir_preflight
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings
from tocsin.telemetry.preflight import Check

from tests.support.checks import Card
from tests.support.proxy import proxy
from tests.support.web import Reply, web


@pytest.mark.parametrize("status", [401, 403, 302, 307, 400, 500, 503])
def test_a_server_that_does_not_let_this_client_read_is_named_with_the_token_as_its_fix(status: int, fhir_server: Fhir) -> None:
    with proxy(fhir_server.base_url) as standing:
        standing.trouble = lambda _method, path: Reply(status) if path.endswith("/Patient/tocsin-check") else None
        checks = list(fhir_preflight(FhirClient(FhirSettings(base_url=standing.base_url))))
    (wrong,) = [each for each in checks if not each.passed]
    assert (wrong.what, wrong.found) == ("reading as this client", f"HTTP {status} for Patient/tocsin-check")
    assert "TOCSIN_FHIR__BEARER_TOKEN" in wrong.fix


def test_the_read_is_made_with_this_clients_own_token() -> None:
    statement = Reply(body=b'{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}')
    with web() as site:
        site.replies["/fhir/metadata"] = statement
        checks = list(fhir_preflight(FhirClient(FhirSettings(base_url=f"{site.origin}/fhir", bearer_token=SecretStr("secret-word")))))
        (asked,) = [each for each in site.asked if each.path == "/fhir/Patient/tocsin-check"]
    assert asked.headers["authorization"] == "Bearer secret-word"
    assert [each.passed for each in checks if each.what == "reading as this client"] == [True]
    assert "secret-word" not in str(checks)


def statement(resource: Card, **rest: Any) -> list[Check]:
    """What is said of a server whose statement knows this one resource type."""
    body = {"fhirVersion": "4.0.1", "rest": [{"resource": [resource], **rest}]}
    with web() as site:
        site.replies["/fhir/metadata"] = Reply(body=json.dumps(body).encode())
        return list(fhir_preflight(FhirClient(FhirSettings(base_url=f"{site.origin}/fhir"))))


def of_reports(*parameters: str, interaction: str = "search-type") -> Card:
    named = [{"name": each, "type": "token"} for each in parameters]
    return {"type": "DiagnosticReport", "interaction": [{"code": interaction}], "searchParam": named}


@pytest.mark.parametrize(
    ("resource", "common", "found"),
    [
        (of_reports("media", "issued", "identifier", "_id", "_lastUpdated"), (), "offered"),
        (of_reports("media", "issued", "identifier"), ("_id", "_lastUpdated"), "offered"),
        (of_reports("issued", "identifier", "_id", "_lastUpdated"), (), "not offered: media"),
        (of_reports("media", "_id", "_lastUpdated"), (), "not offered: issued, identifier"),
        (
            of_reports("media", "issued", "identifier", "_id", "_lastUpdated", interaction="read"),
            (),
            "not offered: media, issued, identifier, _id, _lastUpdated",
        ),
    ],
    ids=["all", "some-for-every-type", "no-media", "no-order-and-no-identifier", "no-search"],
)
def test_a_server_that_does_not_search_reports_as_tocsin_does_is_found_out(resource: Card, common: Sequence[str], found: str) -> None:
    checks = statement(resource, searchParam=[{"name": each} for each in common])
    [search] = [each for each in checks if each.what == "search DiagnosticReport"]
    assert (search.passed, search.found) == (found == "offered", found)
    assert search.passed or found.removeprefix("not offered: ") in search.fix


@pytest.mark.parametrize(("versioning", "passed"), [("versioned", True), ("no-version", False), (None, True)])
def test_a_server_that_counts_no_versions_is_found_out(versioning: str | None, passed: bool) -> None:
    checks = statement(of_reports(interaction="update") | ({} if versioning is None else {"versioning": versioning}))
    assert [each.passed for each in checks if each.what == "write DiagnosticReport"] == [passed]


def test_a_server_that_falls_silent_after_its_statement_is_a_failed_check() -> None:
    with web() as site:
        site.replies["/fhir/metadata"] = Reply(body=b'{"fhirVersion": "4.0.1"}')
        site.replies["/fhir/Patient/tocsin-check"] = Reply(headers={"Content-Length": "9"})
        checks = list(fhir_preflight(FhirClient(FhirSettings(base_url=f"{site.origin}/fhir", request_timeout_s=0.3))))
    assert [each.passed for each in checks if each.what == "reading as this client"] == [False]
