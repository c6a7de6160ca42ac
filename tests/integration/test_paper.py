"""Every kind of report is printed as PDF/A-2b by the word of a judge of another make, and says there whatever the report says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfReader
from tocsin.learning.report.compose import composed
from tocsin.paper import go_live_pdf
from tocsin.paper.pdf import to_pdf
from tocsin.paper.plain import NO_BREAK
from tocsin.paper.types import Document, Facts, Heading, Lines, Notice, Paragraph, Result, Table
from tocsin.words.catalogue import LANGUAGES

from tests.support.evaluations import ENGLISH, GERMAN, evaluations, said_in
from tests.support.papers import document, kinds
from tests.support.verapdf import judged

PRINTED = [f"{kind}-{language}" for kind in kinds() for language in LANGUAGES]
GO_LIVE = {f"{kind}-en": composed(each, ENGLISH) for kind, each in evaluations().items()}
GO_LIVE |= {f"{kind}-de": composed(each, GERMAN) for kind, each in evaluations().items() if kind in ("whole", "scores")}


@dataclass(frozen=True)
class Press:
    """Everything that was printed, and what the judge says of it."""

    folder: Path
    documents: Mapping[str, Document]
    verdicts: Mapping[str, str]


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Press:
    folder = tmp_path_factory.mktemp("paper")
    documents = {}
    for kind, stored in kinds().items():
        for language in LANGUAGES:
            made = document(stored(), language, names_patient=kind in ("raised", "withdrawn"))
            documents[f"{kind}-{language}"] = made
            (folder / f"{kind}-{language}.pdf").write_bytes(to_pdf(made, "A4" if language == "de" else "letter"))
    for name, report in GO_LIVE.items():
        (folder / f"go-live-{name}.pdf").write_bytes(go_live_pdf.to_pdf(report))
    (folder / "no-archive.pdf").write_bytes((folder / "high-en.pdf").read_bytes().replace(b"<pdfaid:part>2", b"<pdfaid:part>1"))
    return Press(folder, documents, judged(folder))


def sentences(made: Document) -> list[str]:
    found = [made.title, made.subtitle, *made.foot]
    for each in made.blocks:
        match each:
            case Heading(text) | Paragraph(text, _):
                found.append(text)
            case Notice(said, _) | Lines(said):
                found += said
            case Facts(rows):
                found += [cell for row in rows for cell in row]
            case Table(heading, rows):
                found += [cell for row in (heading, *rows) for cell in row]
            case Result(said, paragraphs, figure):
                found += [said, *(paragraph.text for paragraph in paragraphs), *([] if figure is None else [figure.caption])]
    return found


def squeezed(text: str) -> str:
    """Without space: where a line ends is no part of what is said."""
    return "".join(text.replace(NO_BREAK, "").split())


@pytest.mark.parametrize("name", PRINTED)
def test_it_keeps_to_pdf_a_2b(press: Press, name: str) -> None:
    assert press.verdicts[f"{name}.pdf"] == ""


@pytest.mark.parametrize("name", GO_LIVE)
def test_a_go_live_report_keeps_to_pdf_a_2b_and_says_on_paper_what_it_says(press: Press, name: str) -> None:
    assert press.verdicts[f"go-live-{name}.pdf"] == ""
    read = squeezed(" ".join(page.extract_text() for page in PdfReader(press.folder / f"go-live-{name}.pdf").pages))
    assert [each for each in said_in(GO_LIVE[name]) if squeezed(each) not in read] == []


def test_the_judge_does_refuse(press: Press) -> None:
    assert press.verdicts["no-archive.pdf"].startswith("it fails")


@pytest.mark.parametrize("name", PRINTED)
def test_every_sentence_of_the_document_is_read_back_from_it(press: Press, name: str) -> None:
    read = squeezed(" ".join(page.extract_text() for page in PdfReader(press.folder / f"{name}.pdf").pages))
    missing = [each for each in sentences(press.documents[name]) if squeezed(each).replace("日本", "[U+65E5][U+672C]") not in read]
    assert missing == []
