"""What every archive keeps, the fake and a real FHIR server alike: whoever reads on from page to page misses no picture."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import orjson
import pytest
from tocsin.archive.fhir import PAGE_MAX, FhirArchive
from tocsin.archive.ports import Archive, SearchRefused
from tocsin.archive.sources import sources_preflight
from tocsin.archive.types import Candidate, Cursor, Page, Query, ReportSummary
from tocsin.clock import utc_now
from tocsin.errors import ContractError, Deferred
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.client import FhirClient
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.model_card import ModelCard
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.device import device
from tocsin.report.resources.identity import part_id
from tocsin.risk.judge import judge
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import BackfillSettings, FhirSettings
from tocsin.telemetry.preflight import Check

from tests.builders import card, event_json, findings, grounds_on, picture
from tests.fakes.archive import FakeArchive, Image
from tests.support.proxy import proxy
from tests.support.relay import Request, relay
from tests.support.web import Reply, web

Json = dict[str, Any]


class Store(Protocol):
    """A record with pictures of this test alone."""

    archive: Archive
    mark: str

    def put(self, *ids: str, **changes: Any) -> list[str]:
        """Write completed dermoscopy pictures, all at one time; gives their references."""

    def report(self, media: str, study: str | None = None) -> str:
        """Write a report of this installation on a picture; gives its reference."""


class FakeStore:
    """The record in memory; its clock moves with each writing."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(4)
        self._fake = FakeArchive()
        self.archive: Archive = self._fake
        self._now = utc_now()

    def put(self, *ids: str, **changes: Any) -> list[str]:
        self._now += timedelta(milliseconds=1)
        references = [f"Media/{self.mark}-{each}" for each in ids]
        for each in references:
            self._fake.put(Image(each, self._now, **{"identifier": self.mark} | changes))
        return references

    def report(self, media: str, study: str | None = None) -> str:
        self._now += timedelta(milliseconds=1)
        reference = f"DiagnosticReport/on-{media.partition('/')[2]}"
        as_of = self._fake.images[media].updated
        self._fake.reports[reference] = ReportSummary(reference, media, self._now, as_of, calls=True, study=study)
        return reference


class FhirStore:
    """The record on a real FHIR server."""

    def __init__(self, base_url: str, settings: BackfillSettings) -> None:
        self.mark = secrets.token_hex(4)
        self.source = f"urn:test:{self.mark}"
        self.fhir = FhirClient(FhirSettings(base_url=base_url))
        self.archive: Archive = FhirArchive(self.fhir, self.source, settings, utc_now)
        self.fhir.put({"resourceType": "Patient", "id": f"p-{self.mark}"})
        self._card: ModelCard = card()
        self.fhir.put(device(self._card, self.source))

    def put(self, *ids: str, **changes: Any) -> list[str]:
        whole: Json = {"subject": f"Patient/p-{self.mark}", "status": "completed", "modality": "DMS", "created": "2026-03-01"} | changes
        media = [self._media(f"{self.mark}-{each}", whole) for each in ids]
        entries = [
            {"fullUrl": f"{self.fhir.base_url}/Media/{each['id']}", "resource": each, "request": _put(f"Media/{each['id']}")}
            for each in media
        ]
        self.fhir.transact({"resourceType": "Bundle", "type": "transaction", "entry": entries}, "Media")
        return [f"Media/{each['id']}" for each in media]

    def _media(self, media_id: str, whole: Json) -> Json:
        fields: Json = {
            "type": whole.get("type") and {"coding": [{"system": DICOM_MODALITY, "code": whole["type"]}]},
            "subject": whole["subject"] and {"reference": whole["subject"]},
            "modality": whole["modality"] and {"coding": [{"system": DICOM_MODALITY, "code": whole["modality"]}]},
            "createdDateTime": f"{whole['created']}T09:00:00Z",
        }
        media: Json = {"resourceType": "Media", "id": media_id, "status": whole["status"], "identifier": [{"value": self.mark}]}
        content = {"contentType": "image/jpeg", "data": "AAAA", "title": secrets.token_hex(4)}
        return media | {name: value for name, value in fields.items() if value} | {"content": content}

    def report(self, media: str, study: str | None = None) -> str:
        subject = f"Patient/p-{self.mark}"
        if study is not None:
            self.fhir.put({"resourceType": "ImagingStudy", "id": study.partition("/")[2], "status": "available"} | _of(subject))
        event = ImagingEvent.model_validate_json(orjson.dumps(event_json(media=media, subject=subject, study=study)))
        judgement = judge(findings(), self._card)
        issuer = Issuer(self._card, self.source)
        as_of = next(each.updated for each in self.archive.named([media]))
        report = compose(event, picture(media=media, subject=subject, as_of=as_of), grounds_on("0c"), judgement, issuer, utc_now())
        wanted = {report.reference, *(f"Observation/{part_id(report.id, f'score {each}')}" for each in ("mel", "bcc"))}
        entries = [each for each in report.bundle["entry"] if each["request"]["url"] in wanted]
        self.fhir.transact(report.bundle | {"entry": entries}, report.reference)
        return report.reference


def _of(subject: str) -> Json:
    return {"subject": {"reference": subject}}


def _put(reference: str) -> Json:
    return {"method": "PUT", "url": reference}


SETTINGS = BackfillSettings(settle_s=0)


@pytest.fixture
def fhir_store(fhir_server: Fhir) -> FhirStore:
    return FhirStore(fhir_server.base_url, SETTINGS)


@pytest.fixture(params=["fake", "fhir"])
def store(request: pytest.FixtureRequest) -> Store:
    return FakeStore() if request.param == "fake" else request.getfixturevalue("fhir_store")


def of(store: Store, **changes: Any) -> Query:
    """Finds the pictures of this test alone."""
    return Query(where=(f"identifier={store.mark}",), **changes)


def pages(store: Store, query: Query, count: int, cursor: Cursor | None = None) -> Iterator[Page]:
    """From page to page, each read by nothing but the cursor of the one before."""
    for _ in range(100):
        page = store.archive.media(query, cursor, count)
        yield page
        if page.last:
            return
        cursor = Cursor.model_validate_json(page.cursor.model_dump_json()) if page.cursor else None
    raise AssertionError("it goes on for ever")


def names(candidates: tuple[Candidate, ...] | list[Candidate]) -> list[str]:
    return [each.media for each in candidates]


def test_page_after_page_gives_every_picture_once_and_the_one_changed_first_first(store: Store) -> None:
    written = [reference for number in range(23) for reference in store.put(f"{number:02}")]
    read = list(pages(store, of(store), 5))
    assert [name for page in read for name in names(page.candidates)] == written
    assert [len(page.candidates) for page in read] == [5, 5, 5, 5, 3]


def test_pictures_that_one_import_wrote_at_one_time_are_all_read_however_small_the_page(store: Store) -> None:
    before, together, after = store.put("before"), store.put(*map(str, range(60))), store.put("after")
    read = list(pages(store, of(store), 10))
    assert Counter(name for page in read for name in names(page.candidates)) == Counter([*before, *together, *after])
    assert max(len(page.candidates) for page in read) <= 10


def test_a_picture_changed_while_pages_are_read_is_read_as_it_became_and_no_other_is_missed(store: Store) -> None:
    written = [reference for number in range(12) for reference in store.put(f"{number:02}")]
    read: list[Candidate] = []
    for number, page in enumerate(pages(store, of(store), 4)):
        read += page.candidates
        if number == 0:
            store.put("01", "06")
    assert set(names(read)) == set(written)
    assert Counter(names(read))[written[6]] == 1
    assert {each.version for each in read if each.media == written[1]} == {"1", "2"}
    assert {each.version for each in read if each.media == written[6]} == {"2"}


def test_a_picture_changed_within_a_large_import_hides_none_of_it(store: Store) -> None:
    together = store.put(*(f"{number:02}" for number in range(60)))
    first = store.archive.media(of(store), None, 5)
    assert first.cursor is not None
    assert first.cursor.after is not None
    store.put(first.cursor.after.rpartition("-")[2])
    rest = [name for page in pages(store, of(store), 5, first.cursor) for name in names(page.candidates)]
    assert {*names(first.candidates), *rest} == set(together)


def test_what_may_not_be_announced_is_counted_with_its_reason(store: Store) -> None:
    good = store.put("good")
    store.put("planned", status="preparation")
    store.put("nobody", subject=None)
    page = store.archive.media(of(store), None, 10)
    assert (names(page.candidates), page.skipped) == (good, {"not-completed": 1, "no-local-patient": 1})


def test_only_the_wanted_modality_is_found_and_a_missing_one_where_it_is_wanted_too(store: Store) -> None:
    dermoscopy, missing = store.put("dms"), store.put("none", modality=None)
    store.put("xray", modality="DX")
    token = f"{DICOM_MODALITY}|DMS"
    assert names(store.archive.media(of(store, modality=(token,)), None, 10).candidates) == dermoscopy
    assert names(store.archive.media(of(store, modality=(token, "absent")), None, 10).candidates) == [*dermoscopy, *missing]
    assert store.archive.count(of(store, modality=(token,))) == 1
    assert store.archive.count(of(store, modality=(token, "absent"))) == 3
    assert store.archive.count(of(store)) == 3


def test_what_a_picture_is_may_stand_in_its_modality_or_its_type_or_both_and_it_is_found_once(store: Store) -> None:
    token = f"{DICOM_MODALITY}|DMS"
    changes: list[dict[str, Any]] = [{}, {"modality": None, "type": "DMS"}, {"type": "DMS"}, {"modality": "XC", "type": "DMS"}]
    written = [store.put(str(number), **each)[0] for number, each in enumerate(changes)]
    store.put("other", modality="DX", type="DX")
    together = store.put("a", "b", "c", modality="DMS", type="DMS") + store.put("d", "e", modality=None, type="DMS")
    query = of(store, modality=(token,))
    assert store.archive.count(query) == len(written) + len(together)
    for count in (1, 2, 3, 100):
        found = [name for page in pages(store, query, count) for name in names(page.candidates)]
        assert found[:4] == written
        assert sorted(found[4:]) == sorted(together)
    since = store.archive.media(query, None, 1).candidates[0].updated
    assert sorted(names(list(store.archive.changed(query, since, since + timedelta(hours=1))))) == sorted(written + together)


def test_both_days_of_creation_are_included(store: Store) -> None:
    references = {day: store.put(f"day-{day}", created=date(2026, 3, day))[0] for day in (1, 2, 3, 4)}
    found = store.archive.media(of(store, created_from=date(2026, 3, 2), created_to=date(2026, 3, 3)), None, 10)
    assert names(found.candidates) == [references[2], references[3]]
    assert found.candidates[0].occurred_at == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_pictures_changed_between_two_times_are_found(store: Store) -> None:
    written = [reference for number in range(9) for reference in store.put(str(number))]
    store.put("planned", status="preparation")
    all_of_them = store.archive.media(of(store), None, 20).candidates
    since, until = all_of_them[2].updated, all_of_them[6].updated
    assert names(list(store.archive.changed(of(store), since, until))) == written[2:7]


def test_pictures_are_found_by_name_where_they_exist_and_may_be_announced(store: Store) -> None:
    good = store.put(*map(str, range(120)))
    store.put("withdrawn", status="entered-in-error")
    assert set(names(store.archive.named([*good, f"Media/{store.mark}-withdrawn", "Media/none"]))) == set(good)
    assert store.archive.named([]) == []


@pytest.mark.parametrize(
    "status", ["preparation", "in-progress", "on-hold", "stopped", "completed", "unknown", "not-done", "entered-in-error"]
)
def test_pictures_of_whatever_status_the_journey_judges_are_found_by_name(store: Store, status: str) -> None:
    media = store.put("one", status=status)
    assert names(store.archive.named(media)) == ([] if status in WITHDRAWN_MEDIA else media)


def test_reports_of_this_installation_are_found_with_their_picture(store: Store) -> None:
    media = store.put("judged")[0]
    began = utc_now() - timedelta(seconds=60)
    report = store.report(media)
    [reports] = store.archive.summaries(began, utc_now() + timedelta(seconds=60))
    [candidate] = store.archive.named([media])
    assert (reports.report, reports.media, reports.as_of, reports.calls, reports.study) == (report, media, candidate.updated, True, None)
    assert store.archive.existing([report, "DiagnosticReport/none"]) == {report}
    assert list(store.archive.summaries(began - timedelta(days=2), began)) == []
    assert list(store.archive.summaries(reports.issued, reports.issued)) == [reports]


def test_reports_come_in_the_order_in_which_they_were_composed(store: Store) -> None:
    media = store.put(*map(str, range(5)))
    reports = [store.report(each) for each in reversed(media)]
    found = list(store.archive.summaries(utc_now() - timedelta(seconds=60), utc_now() + timedelta(seconds=60)))
    assert [each.report for each in found] == reports


def test_reports_on_pictures_are_found_whenever_they_were_composed_with_the_study_they_name(store: Store) -> None:
    media = store.put(*map(str, range(60)))
    report, other = store.report(media[0], f"ImagingStudy/s-{store.mark}"), store.report(media[59])
    found = {each.report: (each.media, each.study) for each in store.archive.reports_on([*media, "Media/none"])}
    assert found == {report: (media[0], f"ImagingStudy/s-{store.mark}"), other: (media[59], None)}
    assert store.archive.reports_on([media[1]]) == store.archive.reports_on([]) == []


def status_put(store: FhirStore, report: str, **changes: Any) -> None:
    store.fhir.put(store.fhir.read(report, unknown=AssertionError) | changes)


@pytest.mark.parametrize(
    ("changes", "calls"),
    [
        ({"status": "final"}, True),
        ({"status": "entered-in-error"}, False),
        ({"status": "amended", "conclusionCode": [{"text": "Naevus"}]}, False),
    ],
)
def test_a_report_calls_unless_it_was_withdrawn_or_a_clinician_concluded_otherwise(
    fhir_store: FhirStore, changes: Json, calls: bool
) -> None:
    report = fhir_store.report(fhir_store.put("judged")[0])
    status_put(fhir_store, report, **changes)
    [reports] = fhir_store.archive.summaries(utc_now() - timedelta(seconds=60), utc_now() + timedelta(seconds=60))
    assert reports.calls is calls


def test_reports_of_another_installation_on_the_same_server_are_not_ours(fhir_store: FhirStore, fhir_server: Fhir) -> None:
    other = FhirStore(fhir_server.base_url, SETTINGS)
    other.report(other.put("judged")[0])
    assert list(fhir_store.archive.summaries(utc_now() - timedelta(seconds=60), utc_now() + timedelta(seconds=60))) == []


def test_what_was_changed_a_moment_ago_is_read_last(fhir_server: Fhir) -> None:
    store = FhirStore(fhir_server.base_url, BackfillSettings(settle_s=60))
    written = [reference for number in range(4) for reference in store.put(str(number))]
    early = store.archive.media(of(store), None, 2)
    assert (early.candidates, early.cursor, early.last) == ((), None, False)
    whole = store.archive.media(of(store), None, 4)
    assert (names(whole.candidates), whole.last) == (written, True)


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


def changed_just_now(store: Store) -> Iterator[Candidate]:
    return store.archive.changed(of(store), utc_now() - timedelta(minutes=5), utc_now() + timedelta(minutes=5))


def test_pages_are_read_through_a_gateway_that_the_server_does_not_know_of(fhir_server: Fhir) -> None:
    origin, path = fhir_server.base_url.rsplit("/", 1)
    with proxy(origin) as gateway:
        store = FhirStore(f"{gateway.origin}/{path}", BackfillSettings(settle_s=0))
        asked: list[str] = []
        gateway.trouble = lambda _method, path: asked.append(path)
        together = store.put(*map(str, range(PAGE_MAX + 20)))
        assert set(names(list(changed_just_now(store)))) == set(together)
    assert sum("_getpages" in each for each in asked) >= 1


def test_a_search_that_the_server_forgot_half_way_is_made_anew_later(fhir_server: Fhir) -> None:
    origin, path = fhir_server.base_url.rsplit("/", 1)
    with proxy(origin) as gateway:
        store = FhirStore(f"{gateway.origin}/{path}", BackfillSettings(settle_s=0))
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


def said_of_sources(store: FhirStore) -> list[Check]:
    return list(sources_preflight(store.fhir, store.source))


def test_a_picture_that_two_sources_reported_on_is_a_failed_check_that_names_it_and_both(fhir_store: FhirStore, fhir_server: Fhir) -> None:
    other = FhirStore(fhir_server.base_url, SETTINGS)
    media = fhir_store.put("twice")[0]
    fhir_store.report(media)
    assert [each.passed for each in said_of_sources(fhir_store)] == [True, True]
    other.report(media)
    named, found = said_of_sources(fhir_store)
    assert (named.found, named.warning, found.passed) == (fhir_store.source, False, False)
    assert all(each in found.found for each in (media, fhir_store.source, other.source))
    assert "TOCSIN_REPORT__SOURCE" in found.fix
    status_put(other, report_of(other, media), status="entered-in-error")
    [_, found] = said_of_sources(fhir_store)
    assert (found.passed, found.warning, other.source in found.found) == (True, True, True)


def report_of(store: FhirStore, media: str) -> str:
    return store.archive.reports_on([media])[0].report


def test_the_source_that_nobody_chose_is_warned_of(fhir_store: FhirStore) -> None:
    first, *_ = sources_preflight(fhir_store.fhir, "urn:tocsin:site:local")
    assert (first.passed, first.warning) == (True, True)
    assert "set TOCSIN_REPORT__SOURCE" in first.fix
