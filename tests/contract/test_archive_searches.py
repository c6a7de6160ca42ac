"""A search that a server does not understand, passes over, forgets or does not sort misses no picture and begins no backfill."""

from __future__ import annotations

from datetime import date

import orjson
import pytest
from tocsin.archive.fhir import PAGE_MAX, FhirArchive
from tocsin.archive.ports import SearchRefused
from tocsin.archive.types import Query
from tocsin.clock import utc_now
from tocsin.errors import ContractError, Deferred
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.client import FhirClient
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings

from tests.support.archives import SETTINGS, FhirStore, Json, changed_just_now, names, of
from tests.support.proxy import proxy
from tests.support.relay import Request, relay
from tests.support.web import Reply, web


@pytest.mark.parametrize("where", ["no-such-parameter=1", "device.no-such=1"])
def test_a_search_that_the_server_does_not_understand_is_refused_and_finds_nothing(fhir_store: FhirStore, where: str) -> None:
    fhir_store.put("one")
    with pytest.raises(SearchRefused, match=f"refuses the search parameter {where.partition('=')[0]} of Media"):
        fhir_store.archive.count(Query(where=(where,)))


def test_a_parameter_that_the_server_does_not_know_is_told_with_the_nearest_that_it_knows(fhir_store: FhirStore) -> None:
    with pytest.raises(SearchRefused, match=r"it knows no divice, did you mean device\? It knows .*encounter"):
        fhir_store.archive.count(Query(where=("divice=Device/camera-3",)))


@pytest.mark.parametrize(
    "where", ["device=Device/none", "device.device-name=none", "device:missing=true", "identifier:not=none", "view=none"]
)
def test_a_parameter_that_the_server_knows_is_never_taken_for_one_that_it_does_not(fhir_store: FhirStore, where: str) -> None:
    fhir_store.put("one")
    fhir_store.archive.count(of(fhir_store, created_from=date(2026, 1, 1), modality=(f"{DICOM_MODALITY}|DMS",)))
    fhir_store.archive.count(Query(where=(where,)))


@pytest.mark.parametrize(
    "query",
    [
        Query(where=("foo=bar",)),
        Query(where=("identifier:not=x",)),
        Query(created_from=date(2026, 1, 1)),
        Query(site="22943007"),
        Query(modality=("DMS",)),
    ],
    ids=lambda query: str(query.model_dump(exclude_defaults=True)),
)
def test_a_server_that_passes_over_a_parameter_whatever_it_is_told_begins_no_backfill_over_everything(query: Query) -> None:
    def everything(_request: Request) -> Reply:
        return Reply(200, b'{"resourceType": "Bundle", "type": "searchset", "total": 7}')

    with relay(everything) as origin:
        archive = FhirArchive(FhirClient(FhirSettings(base_url=f"{origin}/fhir")), "urn:test", SETTINGS, utc_now)
        with pytest.raises(SearchRefused, match="passes over the search parameter"):
            archive.count(query)
        assert archive.count(Query()) == 7


def test_pages_are_read_through_a_gateway_that_the_server_does_not_know_of(fhir_server: Fhir) -> None:
    with proxy(fhir_server.base_url) as gateway:
        store = FhirStore(gateway.base_url, SETTINGS)
        asked: list[str] = []
        gateway.trouble = lambda _method, path: asked.append(path)
        together = store.put(*map(str, range(PAGE_MAX + 20)))
        assert set(names(list(changed_just_now(store)))) == set(together)
    assert sum("_getpages" in each for each in asked) >= 1


def test_a_search_that_the_server_forgot_half_way_is_made_anew_later(fhir_server: Fhir) -> None:
    with proxy(fhir_server.base_url) as gateway:
        store = FhirStore(gateway.base_url, SETTINGS)
        store.put(*map(str, range(PAGE_MAX + 20)))
        gone = Reply(410, b'{"resourceType": "OperationOutcome"}')
        gateway.trouble = lambda _method, path: gone if "_getpages" in path else None
        with pytest.raises(Deferred):
            list(changed_just_now(store))


def test_a_server_that_does_not_sort_stops_the_reading_instead_of_losing_pictures() -> None:
    def entry(number: int) -> Json:
        meta = {"lastUpdated": f"2026-03-01T09:00:0{number}Z", "versionId": "1"}
        return {"resource": {"resourceType": "Media", "id": f"m{number}", "meta": meta}}

    bundle = {"resourceType": "Bundle", "entry": [entry(3), entry(1), entry(2)]}
    with web() as site:
        archive = FhirArchive(FhirClient(FhirSettings(base_url=f"{site.origin}/fhir")), "urn:test", SETTINGS, utc_now)
        search = "_sort=_lastUpdated%2C_id&_count=11&_elements=status%2Csubject%2Cmodality%2Ctype%2Ccreated%2Cmeta"
        site.replies[f"/fhir/Media?{search}"] = Reply(200, orjson.dumps(bundle))
        with pytest.raises(ContractError, match="does not sort"):
            archive.media(Query(), None, 10)
        assert site.asked[0].headers["cache-control"] == "no-cache"
        assert site.asked[0].headers["prefer"] == "handling=strict"
