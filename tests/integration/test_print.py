"""A stored report is printed from a real record, by the command and for a reader of the pages, and never another patient's."""

from __future__ import annotations

import base64
import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from pypdf import PdfReader
from tocsin.bootstrap import paper as bootstrap
from tocsin.cli.commands import app
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import FhirClient
from tocsin.paper.attached import Attached
from tocsin.report.resources.compose import compose
from tocsin.report.resources.device import card_document, device
from tocsin.report.resources.status import DOCUMENT
from tocsin.report.words import Wording
from tocsin.risk.judge import judge
from tocsin.sandbox.fhir import Fhir
from tocsin.serve.app import make_app
from tocsin.serve.paper import blueprint
from tocsin.serve.types import Role, Session
from tocsin.settings import FhirSettings, ServeSettings, Settings
from typer.testing import CliRunner

from tests.builders import event_json, grounds_on, picture
from tests.support.house import CANARY, JPEG, Record
from tests.support.papers import ARM, CARD, ISSUED, ISSUER, findings
from tests.support.pictures import encoded, textured

Print = Callable[..., Any]
NOT_REVIEWED: Final = "AI result, not yet reviewed by a clinician."


@dataclass(frozen=True)
class Hospital:
    """A record with one patient's report."""

    record: Record
    settings: Settings
    patient: str
    report: str
    """DiagnosticReport/<id>."""

    @property
    def ident(self) -> str:
        """The report's id."""
        return self.report.partition("/")[2]


@pytest.fixture
def hospital(fhir_server: Fhir, request: pytest.FixtureRequest) -> Hospital:
    mark = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    record = Record(fhir_server.base_url)
    patient = record.patient(f"paper-{mark}")
    media = record.media(f"paper-{mark}", patient, bodySite=ARM)
    for each in (card_document(CARD, ISSUER.source), device(CARD, ISSUER.source)):
        record.fhir.put(each)
    event = ImagingEvent.model_validate(event_json(media=media, subject=patient))
    image = replace(picture(body_site=ARM), media=media, subject=patient, content=JPEG, content_sha256=hashlib.sha256(JPEG).hexdigest())
    made = compose(event, image, grounds_on(), judge(findings(0.83), CARD), ISSUER, ISSUED)
    record.fhir.transact(made.bundle, made.reference)
    return Hospital(record, Settings(fhir=FhirSettings(base_url=fhir_server.base_url)), patient, made.reference)


@pytest.fixture
def tocsin_print(hospital: Hospital) -> Print:
    environment = {"TOCSIN_FHIR__BASE_URL": hospital.settings.fhir.base_url, "COLUMNS": "200"}
    return lambda *words: CliRunner().invoke(app, ["print", *words], env=environment)


def in_pdf(file: Path) -> tuple[str, int]:
    """What the PDF says, and how many pictures it holds."""
    pages = PdfReader(file).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split()), sum(len(page.images) for page in pages)


def test_the_text_of_a_report_is_printed_in_the_language_that_is_asked_for(hospital: Hospital, tocsin_print: Print) -> None:
    done = tocsin_print(hospital.ident, "--text")
    assert done.exit_code == 0, done.output
    assert f"! {NOT_REVIEWED}" in done.output
    assert "Malignancy score 0.830" in done.output
    assert CANARY not in done.output
    assert "Malignitätsscore 0,830" in tocsin_print(hospital.report, "--text", "--language", "de").output


def test_a_pdf_holds_the_picture_that_was_judged_and_is_its_owners_alone(hospital: Hospital, tocsin_print: Print, tmp_path: Path) -> None:
    file = tmp_path / "report.pdf"
    done = tocsin_print(hospital.report, "--pdf", str(file), "--paper", "letter", "--time-zone", "Europe/Berlin", "--patient")
    assert (done.exit_code, done.output) == (0, "")
    words, pictures = in_pdf(file)
    assert (NOT_REVIEWED in words, CANARY in words, pictures) == (True, True, 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["report.pdf"]


def test_several_reports_go_into_a_folder_by_their_ids(hospital: Hospital, tocsin_print: Print, tmp_path: Path) -> None:
    done = tocsin_print(hospital.report, hospital.ident, "--folder", str(tmp_path / "new"), "--no-picture")
    assert done.exit_code == 0, done.output
    [file] = (tmp_path / "new").iterdir()
    assert file.name == f"{hospital.ident}.pdf"
    assert in_pdf(file)[1] == 0


def test_a_report_that_is_not_there_is_said_so_with_exit_code_1(hospital: Hospital, tocsin_print: Print) -> None:
    assert tocsin_print("DiagnosticReport/there-is-none", "--text").exit_code == 1


def test_where_another_picture_stands_in_its_place_none_is_shown(hospital: Hospital, tocsin_print: Print, tmp_path: Path) -> None:
    media = hospital.patient.removeprefix("Patient/")
    hospital.record.media(media, hospital.patient, encoded(textured(64, 48), "JPEG"))
    assert tocsin_print(hospital.report, "--pdf", str(tmp_path / "r.pdf")).exit_code == 0
    words, pictures = in_pdf(tmp_path / "r.pdf")
    assert pictures == 0
    assert "another one stands in its place by now" in words


def test_where_the_picture_is_another_patients_nothing_is_printed(hospital: Hospital, tocsin_print: Print, tmp_path: Path) -> None:
    other = hospital.record.patient(f"{hospital.patient.removeprefix('Patient/')}-x")
    hospital.record.media(hospital.patient.removeprefix("Patient/"), other)
    done = tocsin_print(hospital.report, "--pdf", str(tmp_path / "r.pdf"))
    assert done.exit_code != 0
    assert type(done.exception).__name__ == "SubjectMismatch"
    assert list(tmp_path.iterdir()) == []


def test_a_record_takes_a_report_that_carries_itself_and_hands_it_out(hospital: Hospital) -> None:
    report = hospital.record.fhir.read(hospital.report, unknown=AssertionError)
    made = Attached(Wording(CARD, "en"), ZoneInfo("UTC"), "A4")
    event = ImagingEvent.model_validate(event_json(media=report["media"][0]["link"]["reference"], subject=hospital.patient))
    image = replace(picture(body_site=ARM), media=event.media, subject=hospital.patient, content_sha256=hashlib.sha256(JPEG).hexdigest())
    whole = made(compose(event, image, grounds_on(), judge(findings(0.83), CARD), ISSUER, ISSUED), image)
    hospital.record.fhir.transact(whole.bundle, whole.reference)
    [form] = hospital.record.fhir.read(hospital.report, unknown=AssertionError)["presentedForm"]
    assert form["id"] == DOCUMENT
    assert base64.b64decode(form["data"]).startswith(b"%PDF-1.7")


def reader(hospital: Hospital, session: Session | None) -> FlaskClient:
    """A browser of the reader whose session this is."""

    class Fixed:
        def current(self) -> Session | None:
            return session

    def record_of(session: Session) -> FhirClient:
        return FhirClient(hospital.settings.fhir)

    room = blueprint(record_of, bootstrap.desk(hospital.settings, ZoneInfo("UTC")), "A4", lambda _session, _report: False)
    return make_app([room], Fixed(), ServeSettings()).test_client()


def session(hospital: Hospital, **changes: Any) -> Session:
    usual: dict[str, Any] = {
        "key": "0" * 64,
        "csrf": "form",
        "issuer": hospital.settings.fhir.base_url,
        "clinician": "Practitioner/c1",
        "roles": frozenset({Role.READER}),
        "token": SecretStr("a-token"),
        "until": datetime.now(UTC) + timedelta(hours=1),
        "patient": hospital.patient,
    }
    return Session(**usual | changes)


@pytest.mark.parametrize(("form", "kind"), [("pdf", "application/pdf"), ("txt", "text/plain; charset=utf-8")])
def test_a_reader_is_given_a_document_that_no_cache_keeps_under_a_name_that_names_nobody(hospital: Hospital, form: str, kind: str) -> None:
    answer = reader(hospital, session(hospital)).get(f"/reports/{hospital.ident}.{form}")
    assert (answer.status_code, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (200, kind, "no-store")
    assert answer.headers["Content-Disposition"] == f'inline; filename="report-{hospital.ident}.{form}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.data.startswith(b"%PDF-1.7" if form == "pdf" else b"AI image analysis\n")


def test_the_patient_is_named_where_the_ehr_shows_no_banner_or_the_reader_asks(hospital: Hospital) -> None:
    path, quiet = f"/reports/{hospital.ident}.txt", session(hospital, banner=False, language="de")
    named, unnamed, asked = (
        reader(hospital, each).get(f"{path}{query}").text for each, query in ((session(hospital), ""), (quiet, ""), (quiet, "?patient=yes"))
    )
    assert [CANARY in each for each in (named, unnamed, asked)] == [True, False, True]
    assert unnamed.startswith("KI-Bildauswertung\n")


def test_who_has_no_session_is_in_another_chart_or_asks_for_nothing_is_shown_nothing(hospital: Hospital) -> None:
    other = hospital.record.patient(f"{hospital.patient.removeprefix('Patient/')}-y")
    path = f"/reports/{hospital.ident}.pdf"
    answers = [
        reader(hospital, None).get(path),
        reader(hospital, session(hospital, patient=other)).get(path),
        reader(hospital, session(hospital)).get("/reports/none.pdf"),
        reader(hospital, session(hospital)).post(path),
    ]
    assert [each.status_code for each in answers] == [401, 409, 404, 405]
    assert not any(CANARY in each.text or hospital.patient in each.text for each in answers)
