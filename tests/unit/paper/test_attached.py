"""A report may carry itself as a document, which goes as soon as it no longer says what the report's status says."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC
from io import BytesIO
from typing import Any, Literal

import pytest
from pypdf import PdfReader
from tocsin.bootstrap.journey import journey
from tocsin.event.types import ImagingEvent
from tocsin.paper.attached import Attached
from tocsin.report.resources.check import check_bundle
from tocsin.report.resources.compose import compose
from tocsin.report.resources.status import with_status
from tocsin.report.types import Report
from tocsin.report.words import Wording
from tocsin.risk.judge import judge
from tocsin.settings import ReportSettings, Settings

from tests.builders import event_json, grounds_on
from tests.fakes.bus import FakeBus, FakeSink
from tests.support.papers import CARD, ISSUED, ISSUER, PATIENT, findings, shots

PICTURE, _ = shots()
ATTACHED = Attached(Wording(CARD, "de"), UTC, "A4")
OTHER = {"contentType": "text/plain", "url": "https://ris.example.org/1"}


def composed() -> Report:
    return compose(ImagingEvent.model_validate(event_json()), PICTURE, grounds_on(), judge(findings(0.83), CARD), ISSUER, ISSUED)


def diagnostic(report: Report) -> dict[str, Any]:
    resource: dict[str, Any] = report.bundle["entry"][0]["resource"]
    return resource


def test_the_report_holds_itself_as_a_pdf_that_names_nobody_and_has_no_picture() -> None:
    [form] = diagnostic(ATTACHED(composed(), PICTURE))["presentedForm"]
    content = base64.b64decode(form["data"])
    read = PdfReader(BytesIO(content))
    words = " ".join(page.extract_text() for page in read.pages)
    assert "KI-Ergebnis, noch nicht ärztlich geprüft." in words
    assert not any(page.images for page in read.pages)
    assert PATIENT["name"][0]["family"] not in words
    assert (form["contentType"], form["language"], form["size"]) == ("application/pdf", "de", len(content))
    assert base64.b64decode(form["hash"]) == hashlib.sha1(content).digest()
    assert len(content) < 50_000


def test_it_is_fhir_and_says_the_same_as_without_it() -> None:
    plain, whole = composed(), ATTACHED(composed(), PICTURE)
    check_bundle(whole.bundle)
    assert {name: value for name, value in diagnostic(whole).items() if name != "presentedForm"} == diagnostic(plain)
    assert (whole.mark, whole.bundle["entry"][1:]) == (plain.mark, plain.bundle["entry"][1:])


def test_the_same_report_carries_the_same_bytes() -> None:
    assert diagnostic(ATTACHED(composed(), PICTURE)) == diagnostic(ATTACHED(composed(), PICTURE))


def test_after_a_clinicians_act_no_document_says_that_nobody_has_reviewed_it_and_others_documents_stay() -> None:
    resource = diagnostic(ATTACHED(composed(), PICTURE))
    signed = with_status(resource | {"presentedForm": [OTHER, *resource["presentedForm"]]}, "final")
    assert signed["presentedForm"] == [OTHER]
    assert "presentedForm" not in with_status(resource, "entered-in-error")


@pytest.mark.parametrize(("setting", "kind"), [("none", "function"), ("pdf", "Attached")])
def test_a_site_decides_whether_reports_carry_a_document_and_by_default_none_does(setting: Literal["none", "pdf"], kind: str) -> None:
    settings = Settings(report=ReportSettings(document=setting))
    finish = journey(settings, CARD, FakeSink(FakeBus()), lambda: None).publisher.finish
    assert type(finish).__name__ == kind
    assert Settings().report.document == "none"
