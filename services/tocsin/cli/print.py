"""tocsin print: writes stored reports as documents, PDF/A-2b or plain text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

import typer

from tocsin.bootstrap import paper as bootstrap
from tocsin.cli.language import Language
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import fhir_id
from tocsin.paper.desk import Desk, PatientNotShown, ReportAbsent, ResultsHidden, Wish
from tocsin.paper.pdf import to_pdf
from tocsin.paper.text import to_text
from tocsin.paper.types import Document
from tocsin.settings import Settings, read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import progress, say
from tocsin.whole_file import replace

ABSENT: Final = 1
CANNOT_WRITE: Final = 73
"""EX_CANTCREAT, sysexits.h."""
KIND: Final = "DiagnosticReport"
STANDARD_OUTPUT: Final = Path("-")


class Paper(StrEnum):
    """Sizes of a page."""

    A4 = "A4"
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class _Press:
    """How each report is printed."""

    desk: Desk
    record: FhirClient
    size: Paper
    language: Language
    patient: bool
    picture: bool

    def document(self, report: str) -> Document:
        return self.desk.document(self.record, Wish(report, self.language, None, self.patient, self.picture))

    def pdf(self, report: str) -> bytes:
        return to_pdf(self.document(report), self.size.value)

    def text(self, report: str) -> str:
        return to_text(self.document(report))


def _report(text: str) -> str:
    ident = text.removeprefix(f"{KIND}/")
    if fhir_id(ident) is None:
        raise typer.BadParameter(f"{text!r} is not like {KIND}/<id>")
    return f"{KIND}/{ident}"


def _zone(text: str) -> ZoneInfo:
    if text not in available_timezones():
        raise typer.BadParameter(f"{text!r} is no time zone of the IANA database, such as Europe/Berlin")
    return ZoneInfo(text)


Reports = Annotated[list[str], typer.Argument(metavar="REPORT...", parser=_report, help="DiagnosticReport/<id>, or the id alone.")]
Pdf = Annotated[
    Path | None,
    typer.Option("--pdf", metavar="FILE", help="Write PDF/A-2b into this file; - is standard output, where that is no terminal."),
]
AsText = Annotated[bool, typer.Option("--text", help="Plain text, which is printed where no folder is named.")]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", file_okay=False, help="Write a file for each report into it, named by the report's id."),
]
Tongue = Annotated[Language | None, typer.Option("--language", help="Language of the document; unset: TOCSIN_REPORT__LANGUAGE.")]
Zone = Annotated[
    ZoneInfo | None,
    typer.Option("--time-zone", metavar="ZONE", parser=_zone, help="Time zone of its times (IANA); unset: TOCSIN_SERVE__TIME_ZONE."),
]
Size = Annotated[Paper | None, typer.Option("--paper", help="Size of a page; unset: TOCSIN_PAPER__SIZE.", case_sensitive=False)]
Named = Annotated[bool, typer.Option("--patient", help="Say whose picture it is. Else the document names nobody.")]
Pictured = Annotated[bool, typer.Option("--picture/--no-picture", help="Whether the picture that was judged is in the PDF.")]

app = typer.Typer(add_completion=False)


@app.command("print")
def print_reports(
    reports: Reports,
    pdf: Pdf = None,
    as_text: AsText = False,
    folder: Folder = None,
    language: Tongue = None,
    zone: Zone = None,
    paper: Size = None,
    patient: Named = False,
    picture: Pictured = True,
) -> None:
    """Print stored reports as documents: PDF/A-2b (ISO 19005-2), or plain text for e-mail and for reading aloud.

    The document says what the record says now, in the words of the record: whether a clinician has reviewed the result, and who; what
    it means, its score and limits, all classes, what the model is known to be bad at, how it was made. The picture is the very one that
    was judged, or none. Nobody is named unless --patient asks for it: such a file is patient data, and is readable for its owner alone.

    Examples: a German PDF; then the text of one report, to read here; then a folder of PDFs on US paper:

    tocsin print DiagnosticReport/474cf483-8e0d-57b4-bd0c-6ff2a7a4d2a1 --pdf report.pdf --language de --time-zone Europe/Berlin

    tocsin print 474cf483-8e0d-57b4-bd0c-6ff2a7a4d2a1 --text

    tocsin print ID1 ID2 ID3 --folder printed --paper letter

    Exit codes: 0 all are printed; 1 the record has no such report, does not show Tocsin what the document needs, or it is not one
    patient's; 2 the options make no sense; 73 a file cannot be written; 75 the FHIR server does not answer; 78 a setting is wrong.
    """
    quiet_libraries()
    _check(reports, pdf, as_text, folder)
    settings = read_settings()
    press = _press(settings, zone, paper, language, patient, picture)
    with progress().step("printing", total=len(reports)) as step:
        for report in reports:
            with _known(report):
                _print(press, report, pdf, as_text, folder)
            step.advance(1)


def _check(reports: list[str], pdf: Path | None, as_text: bool, folder: Path | None) -> None:
    if pdf is not None and (as_text or folder is not None):
        raise typer.BadParameter("one of --pdf FILE, --text and --folder DIR; --text goes with --folder", param_hint="--pdf")
    if len(reports) > 1 and folder is None and (pdf is not None or not as_text):
        raise typer.BadParameter("several documents go into a folder", param_hint="--folder")
    if pdf == STANDARD_OUTPUT and sys.stdout.isatty():
        raise typer.BadParameter("a PDF is not for a terminal: name a file, or send it on with a pipe", param_hint="--pdf")


def _press(
    settings: Settings, zone: ZoneInfo | None, paper: Paper | None, language: Language | None, patient: bool, picture: bool
) -> _Press:
    size = paper or Paper(settings.paper.size)
    spoken = language or Language(settings.report.language)
    return _Press(bootstrap.desk(settings, zone or settings.serve.zone), bootstrap.record(settings), size, spoken, patient, picture)


def _print(press: _Press, report: str, pdf: Path | None, as_text: bool, folder: Path | None) -> None:
    name = report.partition("/")[2]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        content = press.text(report).encode() if as_text else press.pdf(report)
        _write(folder / f"{name}.{'txt' if as_text else 'pdf'}", content)
    elif pdf == STANDARD_OUTPUT:
        sys.stdout.buffer.write(press.pdf(report))
    elif pdf is not None:
        _write(pdf, press.pdf(report))
    else:
        typer.echo(press.text(report))


@contextmanager
def _known(report: str) -> Iterator[None]:
    try:
        yield
    except ReportAbsent:
        say(f"{report}: the record has no such report, or does not show it to Tocsin")
        raise typer.Exit(ABSENT) from None
    except PatientNotShown as patient:
        say(f"{report}: the record has no {patient}, whom --patient asks to name, or does not show it to Tocsin")
        raise typer.Exit(ABSENT) from None
    except ResultsHidden as hidden:
        say(f"{report}: the record does not show Tocsin {hidden}; without its results it is not printed: give Tocsin's token that right")
        raise typer.Exit(ABSENT) from None


def _write(file: Path, content: bytes) -> None:
    """The whole file or none, readable for its owner alone."""
    try:
        replace(file, content, 0o600)
    except OSError as error:
        say(f"{file} cannot be written ({error.strerror})")
        raise typer.Exit(CANNOT_WRITE) from None
