"""How often the record is asked, and that one look at the reports on a Media serves whoever wants to know of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest
from tocsin.errors import ReportOfAnother
from tocsin.fhir.client import FhirClient
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.mark import ELEMENTS, as_written
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.reading import COUNT
from tocsin.report.store.transaction import TransactionWriter
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings

from tests.builders import card, grounds_on
from tests.support.proxy import Proxy, proxy
from tests.support.records import GROUNDS, NOW, FhirRecord, Record, of_kind, own_picture, replaced, report, signed
from tests.support.web import Reply, web


@pytest.fixture
def between(fhir_server: Fhir) -> Iterator[Proxy]:
    with proxy(f"http://127.0.0.1:{fhir_server.port}") as standing:
        yield standing


@pytest.fixture
def asked(between: Proxy) -> list[str]:
    """What was asked: the method and what for, without ids."""
    found: list[str] = []

    def note(method: str, path: str) -> Reply | None:
        what, _, query = path.removeprefix("/fhir").lstrip("/").partition("?")
        found.append(f"{method} {what.partition('/')[0]}" + (" by media" if query.startswith("media=") else ""))
        return None

    between.trouble = note
    return found


def reports_of(fhir_record: FhirRecord, between: Proxy) -> FhirReports:
    fhir, issuer = FhirClient(FhirSettings(base_url=f"{between.origin}/fhir")), fhir_record.issuer
    return FhirReports(fhir, issuer, TransactionWriter(fhir, issuer), validate_every=0, registration_wait_s=20.0)


def test_a_first_report_costs_a_search_before_it_is_judged_and_a_read_a_write_and_a_search_after(
    fhir_record: FhirRecord, between: Proxy, asked: list[str]
) -> None:
    reports = reports_of(fhir_record, between)
    reports.supersede_older(reports.write(report(fhir_record.mark)), NOW)
    reports.find(own_picture(fhir_record.mark), GROUNDS)
    second = report(fhir_record.mark, grounds=grounds_on("0d"))
    del asked[:]
    fresh = replaced(fhir_record.mark)
    assert reports.find(own_picture(fhir_record.mark, content_sha256=fresh.mark.content_sha256), GROUNDS).standing is None
    assert asked == ["GET DiagnosticReport by media"]
    del asked[:]
    written = reports.write(fresh)
    assert asked == ["GET DiagnosticReport", "POST "]
    assert second.reference != written.reference


def test_a_report_that_stands_alone_costs_a_search_and_a_read_to_recognise_and_a_search_to_see_that_it_still_does(
    fhir_record: FhirRecord, between: Proxy, asked: list[str]
) -> None:
    made = report(fhir_record.mark)
    fhir_record.reports.write(made)
    reports = reports_of(fhir_record, between)
    found, alone, _ = reports.find(own_picture(fhir_record.mark), GROUNDS)
    assert found is not None
    assert (found.reference, alone) == (made.reference, True)
    assert reports.supersede_older(found, NOW) == [found]
    assert asked == ["GET DiagnosticReport by media", "GET DiagnosticReport", "GET DiagnosticReport by media"]


def test_a_search_that_shows_what_stood_before_a_clinician_acted_is_not_believed(
    fhir_record: FhirRecord, between: Proxy, asked: list[str]
) -> None:
    """The server's index, or a cache before it, is late."""
    written = fhir_record.reports.write(report(fhir_record.mark))
    late = fhir_record.fhir.get(f"DiagnosticReport?media={written.media}").body
    signed(fhir_record, written.reference)
    between.afterwards = lambda _method, path: Reply(200, late, {"Content-Type": "application/fhir+json"}) if "media=" in path else None
    reports = reports_of(fhir_record, between)
    found, _, _ = reports.find(own_picture(fhir_record.mark), GROUNDS)
    assert found is not None
    assert found.status == "final"
    [stands] = reports.supersede_older(found, NOW)
    assert stands.status == "final"


def test_a_report_beside_which_another_picture_was_judged_is_not_alone(record: Record) -> None:
    record.reports.write(report(record.mark))
    fresh = own_picture(record.mark, content_sha256=replaced(record.mark).mark.content_sha256)
    assert record.another().find(fresh, GROUNDS) == (None, False, None)
    record.reports.supersede_older(record.reports.write(replaced(record.mark)), NOW)
    assert record.another().find(fresh, GROUNDS).alone is False


def test_the_look_after_a_flag_says_what_a_clinician_made_of_the_report_meanwhile(fhir_record: FhirRecord) -> None:
    written = fhir_record.reports.write(report(fhir_record.mark))
    signed(fhir_record, written.reference)
    [stands] = fhir_record.another().supersede_older(written, NOW)
    assert (stands.reference, stands.status) == (written.reference, "final")


def test_a_report_that_names_another_patient_in_a_search_is_refused_by_a_read(
    fhir_record: FhirRecord, between: Proxy, asked: list[str]
) -> None:
    written = fhir_record.reports.write(report(fhir_record.mark))
    moved = {"subject": {"reference": f"Patient/p2-{fhir_record.mark}"}}
    fhir_record.fhir.put(fhir_record.read(written.reference) | moved)
    with pytest.raises(ReportOfAnother):
        reports_of(fhir_record, between).find(own_picture(fhir_record.mark), GROUNDS)
    with pytest.raises(ReportOfAnother):
        reports_of(fhir_record, between).supersede_older(written, NOW)
    assert asked == ["GET DiagnosticReport by media", "GET DiagnosticReport"] * 2


def test_a_report_that_a_search_does_not_show_is_read_before_it_is_taken_to_stand(
    fhir_record: FhirRecord, between: Proxy, asked: list[str]
) -> None:
    """Another program unlinked it from its Media, or the server's index is late."""
    written = fhir_record.reports.write(report(fhir_record.mark))
    signed(fhir_record, written.reference)
    nothing = Reply(200, orjson.dumps({"resourceType": "Bundle", "type": "searchset"}), {"Content-Type": "application/fhir+json"})
    between.afterwards = lambda _method, path: nothing if "media=" in path else None
    reports = reports_of(fhir_record, between)
    [stands] = reports.supersede_older(written, NOW)
    assert stands.status == "final"
    assert reports.write(report(fhir_record.mark, grounds=grounds_on("0d"))).status == "final"
    assert asked == ["GET DiagnosticReport by media", "GET DiagnosticReport", "GET DiagnosticReport"]


def test_a_search_that_answers_from_before_the_last_write_keeps_no_older_report_standing() -> None:
    """The picture came back to its Media, and its report was written over the one that had been there before."""
    first, rival, again = report("x"), replaced("x"), report("x", as_of=NOW + timedelta(hours=1))
    stood, beside, stands = (of_kind(each, "DiagnosticReport") | {"meta": {"versionId": "7"}} for each in (first, rival, again))
    with web() as site:
        search = f"/fhir/DiagnosticReport?media={again.media}&_count={COUNT}&_elements={ELEMENTS}"
        site.replies[search] = Reply(200, orjson.dumps({"resourceType": "Bundle", "entry": [{"resource": stood}, {"resource": beside}]}))
        site.replies[f"/fhir/{again.reference}?_elements={ELEMENTS}"] = Reply(200, orjson.dumps(stands))
        site.replies[f"/fhir/{rival.reference}"] = Reply(200, orjson.dumps(beside))
        taken = {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": {"status": "200 OK"}}] * 2}
        site.replies["/fhir"] = Reply(200, orjson.dumps(taken))
        fhir, issuer = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir")), Issuer(card(), "urn:tocsin:test:x")
        reports = FhirReports(fhir, issuer, TransactionWriter(fhir, issuer), validate_every=0, registration_wait_s=20.0)
        own, gave_way = reports.supersede_older(as_written(again), NOW)
    assert (own.reference, own.status, own.mark) == (again.reference, "preliminary", again.mark)
    assert (gave_way.reference, gave_way.superseded_by) == (rival.reference, again.reference)
