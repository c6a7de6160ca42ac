"""`tocsin check` asks the FHIR server what a journey will ask, and finds out before the first event whatever would stop them all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from tocsin.archive.fhir import FhirArchive
from tocsin.archive.preflight import archive_preflight
from tocsin.archive.types import Query
from tocsin.clock import utc_now
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.fhir.preflight import CLOCK_DIFFERENCE_S_MAX, fhir_preflight
from tocsin.image.content import Contents
from tocsin.image.preflight import binary_check, named_pictures
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.device import card_document, device
from tocsin.report.store.preflight import report_preflight
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import BackfillSettings, FhirSettings, ImageSettings
from tocsin.telemetry.preflight import Check

from tests.builders import card
from tests.support.other_servers import QUIRKS, other_server
from tests.support.web import Reply, web

OF_WORK_ALONE = {"sort-refused", "sorts-the-other-way", "elements-refused"}
"""`tocsin consume` does without; backfill and reconciliation do not."""

UNGUARDED = {"if-match-ignored"}
"""Every event ends; what a clinician changes at the same moment would be lost."""

CONTENT = {"contentType": "image/jpeg", "data": "AAAA"}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(card(), f"urn:tocsin:test:{secrets.token_hex(4)}")


def checks(base_url: str, issuer: Issuer, *stores: str) -> Iterator[Check]:
    """As `tocsin check` makes them (bootstrap/operate.py)."""
    fhir, answers = FhirClient(FhirSettings(base_url=base_url, request_timeout_s=10)), False
    for each in fhir_preflight(fhir):
        answers = answers or each.passed is True
        yield each
    if answers:
        yield binary_check(Contents(fhir, Http(connect_timeout_s=3, request_timeout_s=10), ImageSettings(url_origins_allowed=stores)))
        yield from report_preflight(fhir, issuer)
        yield from archive_preflight(fhir, FhirArchive(fhir, issuer.source, BackfillSettings(), utc_now), Query(), utc_now())


def failed(base_url: str, issuer: Issuer, *stores: str) -> dict[str, Check]:
    wrong = {each.what: each for each in checks(base_url, issuer, *stores) if each.passed is False}
    assert all(each.fix and each.found for each in wrong.values())
    return wrong


@pytest.mark.parametrize("quirk", [name for name, quirk in QUIRKS.items() if not quirk.serves])
def test_no_server_that_stops_or_defers_every_event_passes(quirk: str, fhir_server: Fhir, issuer: Issuer) -> None:
    _a_picture(fhir_server)
    with other_server(fhir_server.base_url, quirk) as server:
        wrong = failed(server.base_url, issuer)
    assert wrong
    assert any("TOCSIN_FHIR__" in each.fix or "Tocsin's client" in each.fix for each in wrong.values())


@pytest.mark.parametrize("quirk", [name for name, quirk in QUIRKS.items() if quirk.serves and name not in UNGUARDED])
def test_a_server_of_another_kind_that_serves_every_event_passes(quirk: str, fhir_server: Fhir, issuer: Issuer) -> None:
    _a_picture(fhir_server)
    with other_server(fhir_server.base_url, quirk) as server:
        wrong = failed(server.base_url, issuer, server.store)
    assert {what.partition(":")[0] for what in wrong} == ({"work"} if quirk in OF_WORK_ALONE else set())


@pytest.mark.parametrize("quirk", sorted(UNGUARDED))
def test_a_server_that_looks_at_no_version_does_not_pass(quirk: str, fhir_server: Fhir, issuer: Issuer) -> None:
    _a_picture(fhir_server)
    with other_server(fhir_server.base_url, quirk) as server:
        assert set(failed(server.base_url, issuer)) == {"journey: nothing written over"}


def _a_picture(server: Fhir) -> None:
    """Of one patient, by which a server shows how it names its own resources; several, so that their order shows."""
    fhir, mark = FhirClient(FhirSettings(base_url=server.base_url)), secrets.token_hex(4)
    fhir.put({"resourceType": "Patient", "id": f"p-{mark}"})
    for number in (2, 1):
        subject = {"reference": f"Patient/p-{mark}"}
        media = {"resourceType": "Media", "id": f"m{number}-{mark}", "status": "completed", "content": CONTENT}
        fhir.put(media | {"subject": subject})


def test_the_card_is_written_as_the_first_event_would_and_changes_nothing_after_that(fhir_server: Fhir, issuer: Issuer) -> None:
    assert failed(fhir_server.base_url, issuer) == {}
    fhir = FhirClient(FhirSettings(base_url=fhir_server.base_url))
    reference = f"DocumentReference/{card_document(issuer.card, issuer.source)['id']}"
    first = fhir.read(reference, unknown=AssertionError)
    assert failed(fhir_server.base_url, issuer) == {}
    assert fhir.read(reference, unknown=AssertionError) == first
    assert fhir.get(f"Device/{device(issuer.card, issuer.source)['id']}").status == 404


def test_a_model_that_the_hospital_withdrew_is_found_before_the_first_event(fhir_server: Fhir, issuer: Issuer) -> None:
    fhir = FhirClient(FhirSettings(base_url=fhir_server.base_url))
    assert failed(fhir_server.base_url, issuer) == {}
    fhir.put(device(issuer.card, issuer.source) | {"status": "inactive"})
    [wrong] = failed(fhir_server.base_url, issuer).values()
    assert (wrong.what, "inactive" in wrong.found) == ("journey: the model's Device", True)


@pytest.mark.parametrize(("apart_s", "passed"), [(0, True), (-20, True), (3600, False), (-3600, False)])
def test_clocks_that_differ_are_told_with_the_bound(apart_s: float, passed: bool) -> None:
    now = datetime.now(UTC)
    with web() as site:
        site.replies["/fhir/metadata"] = Reply(body=orjson.dumps({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}))
        found = list(fhir_preflight(FhirClient(FhirSettings(base_url=f"{site.origin}/fhir")), lambda: now + timedelta(seconds=apart_s)))
    [clocks] = [each for each in found if each.what == "clocks"]
    assert clocks.passed is passed
    assert f"at most {CLOCK_DIFFERENCE_S_MAX:.0f}" in clocks.found


def test_a_store_that_pictures_lie_in_and_no_setting_names_is_found_before_the_first_event(fhir_server: Fhir, issuer: Issuer) -> None:
    with other_server(fhir_server.base_url, "binary-in-a-store") as server:
        [wrong] = failed(server.base_url, issuer).values()
    assert (wrong.what, server.store in wrong.found) == ("read Binary", True)
    assert "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED" in wrong.fix


def test_each_picture_that_is_named_is_fetched_as_a_journey_would_and_its_address_not_repeated() -> None:
    with web() as site:
        site.replies["/picture.jpg?secret=1"] = Reply(body=b"\xff\xd8\xff\xe0 a picture")
        settings = ImageSettings(
            url_origins_allowed=(site.origin,),
            check_urls=(f"{site.origin}/picture.jpg?secret=1", f"{site.origin}/none.jpg?secret=2", "http://elsewhere.example.org/x.jpg"),
        )
        http = Http(connect_timeout_s=3, request_timeout_s=10, group="IMAGE")
        found = list(named_pictures(Contents(FhirClient(FhirSettings()), http, settings), settings))
    assert [(each.what, each.passed) for each in found] == [("picture 1", True), ("picture 2", False), ("picture 3", False)]
    assert all("TOCSIN_IMAGE__" in each.fix for each in found if each.passed is False)
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("base_url", "step", "setting"),
    [
        ("http://no-such-host.invalid/fhir", "name", "TOCSIN_FHIR__BASE_URL"),
        ("http://127.0.0.1:9/fhir", "connection", "TOCSIN_FHIR__BASE_URL"),
        ("https://{host}/fhir", "TLS", "TOCSIN_FHIR__TLS_CA_FILE"),
    ],
)
def test_the_step_at_which_a_server_is_not_reached_is_named_with_its_setting(base_url: str, step: str, setting: str) -> None:
    with web() as site:
        address = base_url.format(host=site.origin.removeprefix("http://"))
        found = list(fhir_preflight(FhirClient(FhirSettings(base_url=address, request_timeout_s=5))))
    [wrong] = found
    assert (wrong.what, wrong.passed, setting in wrong.fix) == (step, False, True)
