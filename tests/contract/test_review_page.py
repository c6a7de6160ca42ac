"""The review page reads a real FHIR server: one report with its picture, its earlier pictures, its classes and its history."""

from __future__ import annotations

from tocsin.review.types import Act
from tocsin.sandbox.fhir import Fhir

from tests.fakes.page import CLINICIAN, NAME, clinic, media_of, verdict_on
from tests.support.page_on_fhir import page_on
from tests.support.pictures import encoded, textured

PICTURE = encoded(textured(64, 48))


def test_shows_all_that_belongs_to_a_report_and_hands_on_its_very_bytes(fhir_server: Fhir) -> None:
    made = clinic(PICTURE)
    made.record.keep(media_of("page-m0", encoded(textured(64, 48, seed=2)), day="2025-06-11"))
    made.desk.submit(verdict_on(made, Act.ACCEPT, CLINICIAN))
    browser = page_on(fhir_server.base_url, made).test_client()
    page = browser.get(made.path).get_data(as_text=True)
    assert NAME in page
    assert "Look at this lesion: malignancy is possible." in page
    assert "June 11, 2025" in page
    assert "Same lesion" in page
    assert ">0.120<" in page.replace(" ", "").replace("\n", "")
    assert "Dr. Ada Muster" in page
    assert browser.get(f"{made.path}/picture").data == PICTURE
    assert "Raised" in browser.get("/reports", follow_redirects=True).get_data(as_text=True)
    assert browser.get("/reports/none-such").status_code == 404
