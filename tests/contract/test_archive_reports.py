"""What an archive says of this installation's reports, and of those of another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tocsin.archive.sources import sources_preflight
from tocsin.clock import utc_now
from tocsin.fhir.canonical import MARK
from tocsin.sandbox.fhir import Fhir
from tocsin.telemetry.preflight import Check

from tests.support.archives import SETTINGS, FhirStore, Json, Store


def test_reports_of_this_installation_are_found_with_their_picture(store: Store) -> None:
    media = store.put("judged")[0]
    began = utc_now() - timedelta(seconds=60)
    report = store.report(media)
    [reports] = store.archive.summaries(began, utc_now() + timedelta(seconds=60))
    [candidate] = store.archive.named([media])
    assert (reports.report, reports.media, reports.as_of, reports.calls, reports.study) == (report, media, candidate.updated, True, None)
    assert store.archive.existing([report, "DiagnosticReport/none"]) == {report}
    assert list(store.archive.summaries(began - timedelta(days=2), began)) == []
    assert list(store.archive.summaries(reports.touched, reports.touched)) == [reports]


def test_reports_come_in_the_order_in_which_the_record_changed_them(store: Store) -> None:
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
    began = utc_now()
    status_put(fhir_store, report, **changes)
    assert [each.report for each in fhir_store.archive.summaries(began - timedelta(seconds=1), utc_now() + timedelta(seconds=60))] == [
        report
    ]
    [reports] = fhir_store.archive.summaries(utc_now() - timedelta(seconds=60), utc_now() + timedelta(seconds=60))
    assert reports.calls is calls


def test_reports_of_another_installation_on_the_same_server_are_not_ours(fhir_store: FhirStore, fhir_server: Fhir) -> None:
    other = FhirStore(fhir_server.base_url, SETTINGS)
    other.report(other.put("judged")[0])
    assert list(fhir_store.archive.summaries(utc_now() - timedelta(seconds=60), utc_now() + timedelta(seconds=60))) == []


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


def test_a_rehearsals_report_is_an_ending_and_calls_nobody(fhir_store: FhirStore) -> None:
    media = fhir_store.put("rehearsed")[0]
    reference = fhir_store.report(media)
    extensions = fhir_store.fhir.read(reference, unknown=AssertionError)["extension"]
    [mark] = [each for each in extensions if each["url"] == MARK]
    rehearsal = {"url": "rehearsal", "valueString": "r-1"}
    status_put(
        fhir_store,
        reference,
        extension=[mark | {"extension": [*mark["extension"], rehearsal]}, *(each for each in extensions if each is not mark)],
    )
    [found] = fhir_store.archive.reports_on([media])
    assert (found.media, found.calls) == (media, False)
