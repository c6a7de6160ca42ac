"""A PDF says the same every time, loses no letter, can be read aloud, and is small and quickly made."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader
from tocsin.image.printed import for_print
from tocsin.paper.compose import compose
from tocsin.paper.pdf import to_pdf
from tocsin.paper.tags import VERIFIED
from tocsin.paper.types import Lines, Paragraph
from tocsin.report.words import Wording

from tests.support.papers import CARD, PATIENT, ZONE, document, kinds
from tests.support.pictures import encoded, textured

KINDS = kinds()
MANY = (
    "import hashlib; from tests.support.papers import document, kinds; from tocsin.paper.pdf import to_pdf; "
    "print(hashlib.sha256(to_pdf(document(kinds()['high']()))).hexdigest())"
)


def read(content: bytes) -> PdfReader:
    return PdfReader(BytesIO(content), strict=True)


def words(content: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in read(content).pages).split())


@pytest.mark.parametrize("name", ["Maria Conceição " * 12, "W" * 200])
def test_a_long_name_is_cut_in_the_foot_of_each_page_and_the_patients_number_and_the_pages_stand(name: str) -> None:
    stored = replace(KINDS["high"](), patient=PATIENT | {"name": [{"text": name}]})
    pages = read(to_pdf(compose(stored, CARD, Wording(CARD, "de"), ZONE, names_patient=True))).pages
    for number, page in enumerate(pages, 1):
        foot = [line for line in page.extract_text().splitlines() if "…" in line]
        assert [line.startswith("MRN-0042, ") for line in foot] == [True]
        assert f"Seite {number} von {len(pages)}" in page.extract_text()
    whole = words(to_pdf(compose(stored, CARD, Wording(CARD, "de"), ZONE, names_patient=True)))
    assert "".join(name.split()) in whole.replace(" ", ""), "beside the picture it stands whole"


def test_the_version_of_fpdf2_is_the_one_whose_private_parts_were_looked_at() -> None:
    assert {name: version(name) for name in VERIFIED} == VERIFIED


def test_equal_documents_are_equal_bytes_in_every_process() -> None:
    environment = {"PYTHONHASHSEED": "2", "PYTHONPATH": "."}
    elsewhere = subprocess.run([sys.executable, "-c", MANY], env=environment, capture_output=True, text=True, check=True).stdout.strip()
    here, again = (hashlib.sha256(to_pdf(document(KINDS["high"]()))).hexdigest() for _ in range(2))
    assert here == again == elsewhere


def test_another_document_has_another_id() -> None:
    one, other = (read(to_pdf(document(KINDS[each]()))).trailer["/ID"] for each in ("high", "accepted"))
    assert one != other


def test_a_title_for_programs_a_language_and_page_numbers() -> None:
    found = read(to_pdf(document(KINDS["raised"](), "de", names_patient=True)))
    catalog: Any = found.trailer["/Root"]
    assert found.xmp_metadata is not None
    assert found.xmp_metadata.dc_title == {"x-default": "KI-Bildauswertung"}
    assert found.xmp_metadata.dc_creator == []
    assert catalog["/Lang"] == "de"
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"]
    assert [f"Seite {number} von 2" in page.extract_text() for number, page in enumerate(found.pages, 1)] == [True, True]


def test_each_piece_says_what_it_is_and_a_picture_what_it_shows() -> None:
    catalog: Any = read(to_pdf(document(KINDS["high"]()))).trailer["/Root"]
    pieces = [each.get_object() for each in catalog["/StructTreeRoot"]["/K"][0].get_object()["/K"]]
    kinds_of = [each["/S"] for each in pieces]
    assert catalog["/MarkInfo"]["/Marked"]
    assert kinds_of[0] == "/H1"
    assert kinds_of.count("/H2") == 3
    [figure] = [each for each in pieces if each["/S"] == "/Figure"]
    assert figure["/Alt"] == "The picture that was judged: Upper arm, picture of March 1, 2026"


def test_pages_begin_and_end_every_mark_that_they_hold() -> None:
    for page in read(to_pdf(document(KINDS["high"]()))).pages:
        content = page.get_contents()
        assert content is not None
        data = content.get_data()
        assert data.count(b"BDC") + data.count(b"BMC") == data.count(b"EMC")


@pytest.mark.parametrize("name", ["Grüße Łucja Ångström ğ ő ß", "Ελλάδα Παπαδοπούλου", "Москва Жуковская Ђорђе", "A\u030angstro\u0308m"])
def test_latin_greek_and_cyrillic_names_are_printed_as_they_are(name: str) -> None:
    found = words(to_pdf(replace(document(KINDS["high"]()), blocks=(Paragraph(name),))))
    assert name.replace("A\u030a", "Å").replace("o\u0308", "ö") in found
    assert "[U+" not in found


def test_a_letter_that_the_font_lacks_is_named_and_said_so() -> None:
    found = words(to_pdf(replace(document(KINDS["high"]()), blocks=(Paragraph("日本 Smith"),))))
    assert "[U+65E5][U+672C] Smith" in found
    assert "Letters that cannot be printed stand here" in found


def test_letters_that_can_be_printed_need_no_such_sentence() -> None:
    assert "Letters that cannot" not in words(to_pdf(document(KINDS["high"]())))


def test_hundreds_of_lines_are_printed_on_as_many_pages_as_they_need_and_none_is_lost() -> None:
    lines = tuple(f"Line {number} of the list, which somebody wrote at some length, and then wrote more." for number in range(300))
    found = read(to_pdf(replace(document(KINDS["high"]()), blocks=(Lines(lines),))))
    whole = " ".join(" ".join(page.extract_text() for page in found.pages).split())
    assert len(found.pages) > 5
    assert all(each in whole for each in lines)


def test_a_word_longer_than_the_page_is_broken_and_not_lost() -> None:
    found = words(to_pdf(replace(document(KINDS["high"]()), blocks=(Paragraph("x" * 400),))))
    assert found.count("x") >= 400


@pytest.mark.parametrize(("size", "points"), [("A4", (595, 842)), ("letter", (612, 792))])
def test_pages_have_the_size_that_the_site_prints_on(size: str, points: tuple[int, int]) -> None:
    box = read(to_pdf(document(KINDS["high"]()), size)).pages[0].mediabox  # type: ignore[arg-type] # the table's words
    assert (round(box.width), round(box.height)) == points


def test_a_large_picture_makes_a_small_document_in_less_than_a_second_of_cpu() -> None:
    photograph = encoded(textured(3000, 2000), "JPEG")
    began = time.process_time()
    picture = for_print(photograph, side_px_max=900, pixels_max=50_000_000, reference="Media/m1")
    stored = KINDS["high"]()
    content = to_pdf(document(type(stored)(stored.report, stored.results, stored.media, stored.patient, (), picture)))
    assert time.process_time() - began < 1.0
    assert (picture.width_px, picture.height_px) == (900, 600)
    assert len(content) < 1_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_report_is_printed(kind: str) -> None:
    assert len(read(to_pdf(document(KINDS[kind](), "de"))).pages) in (1, 2)
