"""A server that keeps references with a version in them (HAPI's auto_version_reference_at_paths): they name the same resources."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
from tocsin.archive.fhir import FhirArchive
from tocsin.clock import utc_now
from tocsin.report.resources.device import device
from tocsin.sandbox import fhir
from tocsin.settings import BackfillSettings

from tests.support.records import GROUNDS, NOW, FhirRecord, own_picture, replaced, report, statuses
from tests.support.stack import cached_jars, running

KEPT_WITH_A_VERSION: Final = (
    "DiagnosticReport.subject",
    "DiagnosticReport.media.link",
    "DiagnosticReport.result",
    "DiagnosticReport.imagingStudy",
    "Observation.subject",
    "Observation.device",
    "Observation.derivedFrom",
    "RiskAssessment.subject",
    "RiskAssessment.performer",
    "Media.subject",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fhir.Fhir]:
    folder = tmp_path_factory.mktemp("versioned")
    with running(lambda: fhir.start(cached_jars("fhir"), folder, versioned_references=KEPT_WITH_A_VERSION)) as part:
        yield part


@pytest.fixture
def record(server: fhir.Fhir) -> FhirRecord:
    return FhirRecord(server.base_url)


def test_a_report_that_was_written_before_a_kill_is_found_standing_by_the_next_attempt(record: FhirRecord) -> None:
    made = report(record.mark)
    record.reports.write(made)
    assert "/_history/" in record.read(made.reference)["subject"]["reference"]
    found = record.another().find(own_picture(record.mark), GROUNDS).standing
    assert found is not None
    assert (found.subject, found.media, found.mark) == (made.subject, made.media, made.mark)
    assert record.another().supersede_older(found, NOW) == [found]
    assert record.reports.refresh(found) == found


def test_an_older_report_gives_way_to_the_one_on_a_newer_picture(record: FhirRecord) -> None:
    older, newer = report(record.mark), replaced(record.mark)
    record.reports.write(older)
    own, gave_way = record.reports.supersede_older(record.reports.write(newer), NOW)
    assert (own.reference, own.status) == (newer.reference, "preliminary")
    assert (gave_way.reference, gave_way.superseded_by) == (older.reference, newer.reference)
    assert statuses(record) == {newer.reference: "preliminary", older.reference: "entered-in-error"}
    assert record.another().refresh(gave_way) == gave_way


def test_reconciliation_knows_its_own_pictures_and_reports(record: FhirRecord) -> None:
    made = report(record.mark, study=f"ImagingStudy/s1-{record.mark}", now=utc_now())
    record.reports.write(made)
    assert "/_history/" in str(record.read(made.reference)["imagingStudy"])
    archive = FhirArchive(record.fhir, record.issuer.source, BackfillSettings(), utc_now)
    assert record.read(f"Device/{device(record.issuer.card, record.issuer.source)['id']}")
    [summary] = archive.summaries(utc_now() - timedelta(minutes=1), utc_now() + timedelta(minutes=1))
    assert (summary.report, summary.media, summary.study) == (made.reference, made.media, f"ImagingStudy/s1-{record.mark}")
    assert [each.report for each in archive.reports_on([made.media])] == [made.reference]
    [named] = archive.named([made.media])
    assert named.subject == made.subject
