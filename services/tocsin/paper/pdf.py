"""Document -> PDF/A-2b (ISO 19005-2): fonts embedded, colours in sRGB, marked for reading aloud. Pure: equal documents, equal bytes."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from datetime import UTC
from html import escape
from io import BytesIO
from typing import Final, Literal, assert_never

from fpdf.enums import XPos, YPos
from fpdf.prefs import ViewerPreferences

from tocsin.paper.letters import FAMILY, FILES, printable
from tocsin.paper.tags import Tagged
from tocsin.paper.types import Block, Document, Facts, Figure, Heading, Lines, Notice, Paragraph, Result, Table, Tone

Size = Literal["A4", "letter"]

PRODUCER: Final = "Tocsin"
MARGIN_MM: Final = 22.0
TOP_MM: Final = 20.0
FOOT_MM: Final = 24.0
"""Room below the text, in which the foot stands."""
MM_PT: Final = 25.4 / 72
"""One point in millimetres."""
LEADING: Final = 1.42
"""Height of a line, in that of its letters."""

TEXT_PT: Final = 10.0
SMALL_PT: Final = 8.5
TITLE_PT: Final = 17.0
SAID_PT: Final = 20.0
HEADING_PT: Final = 11.5

Colour = tuple[int, int, int]
INK: Final[Colour] = (26, 30, 36)
QUIET: Final[Colour] = (84, 92, 102)
"""On white 7 : 1, as WCAG 2.2 asks of small letters at its highest level."""
RULE: Final[Colour] = (208, 213, 219)
TONES: Final[dict[Tone, tuple[Colour, Colour]]] = {
    Tone.OPEN: ((176, 98, 0), (253, 245, 230)),
    Tone.SIGNED: ((30, 110, 80), (236, 246, 241)),
    Tone.VOID: ((170, 24, 32), (252, 236, 236)),
}
"""The rule beside a notice, and what it lies on."""
PICTURE_MM: Final = 62.0
"""Longest side of a picture."""
GUTTER_MM: Final = 8.0
CUT: Final = "…"
COUNT_MM: Final = 24.0
"""Room for the page's number."""
NUMBERS_MM: Final = 34.0
"""Room for a table's last column."""
NAMES_MM: Final = 40.0
"""Room for the names of facts."""


def to_pdf(document: Document, size: Size = "A4") -> bytes:
    """The document as PDF/A-2b on pages of this size."""
    page = Page(document, size)
    page.set_document()
    page.title_block()
    for block in document.blocks:
        page.block(block)
    if not page.complete:
        page.block(Notice((document.missing,), Tone.OPEN))
    return bytes(page.output())


class Page(Tagged):
    """Sets a document, a block after the other; each piece of one lies on one page."""

    def __init__(self, document: Document, size: Size) -> None:
        super().__init__(format=size, enforce_compliance="PDF/A-2B")
        self._document = document
        self.complete = True
        """Whether all letters so far could be printed."""
        for style, file in FILES.items():
            self.add_font(FAMILY, style, file)

    def set_document(self) -> None:
        """What programs read of the document as a whole, and its first page."""
        document = self._document
        made = document.made.astimezone(UTC).replace(microsecond=0)
        self.set_lang(document.language)
        self.set_title(document.title)
        self.set_producer(PRODUCER)
        self.set_creation_date(made)
        self.set_xmp_metadata(_xmp(document, made.isoformat()))
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.set_margins(MARGIN_MM, TOP_MM, MARGIN_MM)
        self.set_auto_page_break(True, FOOT_MM)
        self.add_page()

    def file_id(self) -> str:
        """See FPDF: of the document's own, since the default goes by the bytes."""
        name = hashlib.sha256(f"{self._document.key}\n{self._document.language}".encode()).hexdigest()[:32].upper()
        return f"<{name}><{name}>"

    def footer(self) -> None:
        """See FPDF: what the report is, and which page this is."""
        with self.furniture():
            self.set_draw_color(*RULE)
            self.set_line_width(0.2)
            self.line(self.l_margin, self.h - FOOT_MM + 6, self.w - self.r_margin, self.h - FOOT_MM + 6)
            self._letters(SMALL_PT, colour=QUIET)
            for number, each in enumerate(self._document.foot):
                self.set_xy(self.l_margin, self.h - FOOT_MM + 7.5 + number * SMALL_PT * MM_PT * LEADING)
                self.cell(self.epw - COUNT_MM, SMALL_PT * MM_PT * LEADING, self._fitting(self._print(each), self.epw - COUNT_MM))
            counted = self._document.page.format(page=self.page, pages=self.str_alias_nb_pages)
            width = self.get_string_width(counted.replace(self.str_alias_nb_pages or "", "0"))  # fewer pages than ten
            self.set_xy(self.w - self.r_margin - width, self.h - FOOT_MM + 7.5)
            self.cell(width, SMALL_PT * MM_PT * LEADING, counted)

    def title_block(self) -> None:
        """The document's name and what it is about."""
        self._text("H1", self._document.title, TITLE_PT, bold=True)
        if self._document.subtitle:
            self._gap(0.5)
            self._text("P", self._document.subtitle, TEXT_PT + 1, colour=QUIET)
        self._gap(5)

    def block(self, block: Block) -> None:
        """Set one block below what stands there."""
        match block:
            case Heading():
                self._heading(block)
            case Paragraph():
                self._text("P", block.text, TEXT_PT, bold=block.strong)
                self._gap(1.8)
            case Notice():
                self._notice(block)
            case Lines():
                self._lines(block)
            case Facts():
                self._facts(block)
            case Table():
                self._table(block)
            case Result():
                self._result(block)
            case _:
                assert_never(block)

    def _heading(self, heading: Heading) -> None:
        self._gap(4)
        self._keep(HEADING_PT, 4)
        self._text("H2", heading.text, HEADING_PT, bold=True)
        self._gap(1.6)

    def _notice(self, notice: Notice) -> None:
        edge, ground = TONES[notice.tone]
        inner, width = 4.0, self.epw - 8.0
        heights = [self._height(each, TEXT_PT, width, bold=number == 0) for number, each in enumerate(notice.sentences)]
        height = sum(heights) + 1.0 * (len(heights) - 1) + 5.0
        self._keep_mm(height)
        top = self.y
        with self.furniture():
            self.set_fill_color(*ground)
            self.rect(self.l_margin, top, self.epw, height, style="F")
            self.set_fill_color(*edge)
            self.rect(self.l_margin, top, 1.2, height, style="F")
        self.set_y(top + 2.5)
        for number, each in enumerate(notice.sentences):
            self._text("P", each, TEXT_PT, bold=number == 0, x=self.l_margin + inner, width=width)
            self._gap(1.0)
        self.set_y(top + height)
        self._gap(5)

    def _lines(self, lines: Lines) -> None:
        for each in lines.items:
            self._text("P", f"•  {each}", TEXT_PT, hanging=3.8)
            self._gap(1.2)
        self._gap(0.6)

    def _facts(self, facts: Facts) -> None:
        width = self.epw - NAMES_MM
        for name, value in facts.rows:
            height = max(self._height(name, SMALL_PT + 0.5, NAMES_MM - 3), self._height(value, SMALL_PT + 0.5, width))
            self._keep_mm(height)
            top = self.y
            with self.piece("P"):
                self._set(name, SMALL_PT + 0.5, self.l_margin, NAMES_MM - 3, colour=QUIET)
                self.set_y(top)
                self._set(value, SMALL_PT + 0.5, self.l_margin + NAMES_MM, width)
            self.set_y(top + height)
            self._gap(0.9)
        self._gap(3)

    def _table(self, table: Table) -> None:
        columns = len(table.heading)
        last = NUMBERS_MM
        first = (self.epw - last) * (0.62 if columns > 2 else 1.0)
        middle = [(self.epw - last - first) / max(1, columns - 2)] * (columns - 2)
        widths = [first, *middle, last]
        self._row(table.heading, widths, SMALL_PT, heading=True)
        for row in table.rows:
            self._row(row, widths, TEXT_PT)
        self._gap(2)

    def _row(self, cells: tuple[str, ...], widths: list[float], points: float, *, heading: bool = False) -> None:
        pad = 1.0
        height = max(self._height(cell, points, width - 2) for cell, width in zip(cells, widths, strict=True)) + 2 * pad
        self._keep_mm(height * (2 if heading else 1))
        top, x = self.y, self.l_margin
        with self.piece("P"):
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                self.set_y(top + pad)
                align: Literal["L", "R"] = "R" if number == len(cells) - 1 else "L"
                self._set(cell, points, x, width - (0 if align == "R" else 2), colour=QUIET if heading else INK, align=align)
                x += width
        with self.furniture():
            self.set_draw_color(*(QUIET if heading else RULE))
            self.set_line_width(0.3 if heading else 0.15)
            self.line(self.l_margin, top + height, self.w - self.r_margin, top + height)
        self.set_y(top + height)

    def _result(self, result: Result) -> None:
        beside = 0.0 if result.figure is None else PICTURE_MM + GUTTER_MM
        width = self.epw - beside
        words = self._height(result.said, SAID_PT, width, bold=True) + sum(
            self._height(each.text, TEXT_PT, width, bold=each.strong) + 1.8 for each in result.paragraphs
        )
        self._keep_mm(max(words, 0.0 if result.figure is None else self._figure_height(result.figure)))
        top = self.y
        below = top if result.figure is None else self._figure(result.figure, self.l_margin + width + GUTTER_MM)
        self.set_y(top - SAID_PT * MM_PT * (LEADING - 1) / 2)
        self._text("P", result.said, SAID_PT, bold=True, width=width)
        self._gap(1.5)
        for each in result.paragraphs:
            self._text("P", each.text, TEXT_PT, bold=each.strong, width=width)
            self._gap(1.8)
        self.set_y(max(self.y, below))
        self._gap(2)

    def _figure(self, figure: Figure, x: float) -> float:
        """Set the figure at this place; where it ends."""
        width, height = _fitted(figure)
        top = self.y
        with self.piece("Figure", instead=figure.instead):
            self.image(BytesIO(figure.picture.jpeg), x, top, width, height)
        self.set_y(top + height + 1.5)
        self._text("P", figure.caption, SMALL_PT, x=x, width=PICTURE_MM, colour=QUIET)
        return float(self.y)

    def _figure_height(self, figure: Figure) -> float:
        return _fitted(figure)[1] + 1.5 + self._height(figure.caption, SMALL_PT, PICTURE_MM)

    def _text(
        self,
        kind: Literal["H1", "H2", "P"],
        text: str,
        points: float,
        *,
        bold: bool = False,
        colour: Colour = INK,
        x: float | None = None,
        width: float | None = None,
        hanging: float = 0.0,
    ) -> None:
        """One piece of text below what stands there, on one page."""
        left, room = self.l_margin if x is None else x, self.epw if width is None else width
        self._keep_mm(self._height(text, points, room - hanging, bold=bold))
        with self.piece(kind):
            if hanging:
                mark, _, text = text.partition("  ")
                top = self.y
                self._set(mark, points, left, hanging, colour=colour)
                self.set_y(top)
            self._set(text, points, left + hanging, room - hanging, bold=bold, colour=colour)

    def _set(
        self,
        text: str,
        points: float,
        x: float,
        width: float,
        *,
        bold: bool = False,
        colour: Colour = INK,
        align: Literal["L", "R"] = "L",
    ) -> None:
        self._letters(points, bold=bold, colour=colour)
        self.set_x(x)
        height = points * MM_PT * LEADING
        self.multi_cell(width, height, self._print(text), align=align, padding=0, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _height(self, text: str, points: float, width: float, *, bold: bool = False) -> float:
        """Height in millimetres of the text where it has so much room."""
        self._letters(points, bold=bold)
        tall = self.multi_cell(width, 1, self._print(text), align="L", dry_run=True, output="HEIGHT")
        return max(1.0, float(tall)) * points * MM_PT * LEADING  # type: ignore[arg-type] # a number, since a height was asked for

    def _fitting(self, text: str, width_mm: float) -> str:
        """The text, cut where one line of this width ends: what is longer would lie over what stands beside it, and off the page."""
        if self.get_string_width(text) <= width_mm:
            return text
        ends = bisect_right(range(len(text)), width_mm, key=lambda end: self.get_string_width(text[:end] + CUT))
        return text[: max(0, ends - 1)].rstrip() + CUT

    def _print(self, text: str) -> str:
        spelt, whole = printable(text)
        self.complete = self.complete and whole
        return spelt

    def _letters(self, points: float, *, bold: bool = False, colour: Colour = INK) -> None:
        self.set_font(FAMILY, "B" if bold else "", points)
        self.set_text_color(*colour)
        self.c_margin = 0

    def _gap(self, mm: float) -> None:
        self.set_y(self.y + mm)

    def _keep(self, points: float, lines: int) -> None:
        self._keep_mm(points * MM_PT * LEADING * lines)

    def _keep_mm(self, height: float) -> None:
        """Begin a new page where this one has no room for so much."""
        if self.y + height > self.h - FOOT_MM:
            self.add_page()


def _fitted(figure: Figure) -> tuple[float, float]:
    """Width and height in millimetres."""
    longest = max(figure.picture.width_px, figure.picture.height_px)
    return PICTURE_MM * figure.picture.width_px / longest, PICTURE_MM * figure.picture.height_px / longest


def _xmp(document: Document, made: str) -> str:
    """What PDF/A asks to be said of a document in XMP (ISO 16684): the same as its information dictionary, with no time of printing."""
    title, language = escape(document.title), escape(document.language)
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" '
        f'xmp:CreateDate="{made}" xmp:ModifyDate="{made}" xmp:MetadataDate="{made}" pdf:Producer="{PRODUCER}">'
        "<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>"
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>'
        f"<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
