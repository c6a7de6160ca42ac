"""A report that is not FHIR is refused by the server, and nothing that it says is repeated."""

from __future__ import annotations

import pytest
from tocsin.errors import FhirRejected
from tocsin.report.types import Report

from tests.support.records import CANARY, FhirRecord, Record, of_kind, report


@pytest.mark.parametrize(
    "record",
    [pytest.param("fake", marks=pytest.mark.xfail(strict=True, reason="the fake: it takes any bundle")), "fhir"],
    indirect=True,
)
def test_a_report_that_is_not_fhir_is_refused_without_a_word_of_what_it_says(record: Record) -> None:
    with pytest.raises(FhirRejected, match="HTTP 422") as caught:
        record.reports.write(spoilt(record.mark))
    assert "bananas" not in str(caught.value)
    assert "Canary" not in str(caught.value)
    assert record.standing() == []


def test_a_refusal_names_the_element_that_is_wrong(fhir_record: FhirRecord) -> None:
    with pytest.raises(FhirRejected, match=r"error processing [^;]*DiagnosticReport[^;]*\.status"):
        fhir_record.reports.write(spoilt(fhir_record.mark))


def spoilt(mark: str) -> Report:
    made = report(mark)
    of_kind(made, "DiagnosticReport").update({"status": "bananas", "conclusion": CANARY})
    return made
