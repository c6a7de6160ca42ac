"""A go-live report on paper: its first page by itself, then its parts, as PDF/A-2b."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from tocsin.learning.report import types as said
from tocsin.learning.report.figures import Figure
from tocsin.paper import plots
from tocsin.paper.pdf import INK, QUIET, RULE, SMALL_PT, Page, Size
from tocsin.paper.types import Block, Document, Facts, Heading, Lines, Notice, Paragraph, Tone
from tocsin.words.catalogue import catalogue

CELL_PT: Final = 7.6
NUMBER_PT: Final = 21.0
BOX_MM: Final = 25.0
BOX_GAP_MM: Final = 4.0
PLOT_MM: Final = 130.0
"""Width of a plot."""
HEADING_MM: Final = 40.0
"""Room for a heading and a paragraph above a plot, and the words below it."""


def to_pdf(report: said.GoLive, size: Size = "A4") -> bytes:
    """The report as PDF/A-2b on pages of this size. Equal reports, equal bytes."""
    document = _document(report)
    page = _Page(document, size)
    page.set_document()
    page.title_block()
    page.first(report)
    for number, section in enumerate(report.sections):
        if number == 1:
            page.add_page()
        page.section(section)
    if not page.complete:
        page.block(Notice((document.missing,), Tone.OPEN))
    return bytes(page.output())


def _document(report: said.GoLive) -> Document:
    say = catalogue(report.language).say
    return Document(
        language=report.language,
        title=report.title,
        subtitle=report.subtitle,
        blocks=(),
        foot=(report.title,),
        page=say("Page {page} of {pages}", page="{page}", pages="{pages}"),
        missing=say("Letters that cannot be printed stand here as their Unicode numbers, for example [U+65E5]."),
        key=f"{report.key} {report.made_at.isoformat()}",
        made=report.made_at,
    )


class _Page(Page):
    """Sets what reports of pictures do not have: numbers in boxes, tables of many columns, plots."""

    def first(self, report: said.GoLive) -> None:
        """The answer."""
        self.block(Notice((report.verdict,), Tone.SIGNED if report.shown else Tone.OPEN))
        for number, each in enumerate(report.answer, 1):
            self._text("P", f"{number}.  {each}", 10.5, hanging=6.0)
            self._gap(1.6)
        self._gap(4)
        self._numbers(report.numbers)

    def section(self, section: said.Section) -> None:
        """One part under its heading, which is not left alone at a page's end."""
        plot = next((each for each in section.blocks[:2] if isinstance(each, Figure)), None)
        if plot is not None:
            self._keep_mm(plots.height_mm(plot, PLOT_MM) + HEADING_MM)
        self.block(Heading(section.heading))
        for block in section.blocks:
            match block:
                case said.Table():
                    self._grid(block)
                case Figure():
                    self._plot(block)
                case said.Paragraph() | said.Lines() | said.Facts():
                    self.block(_as_block(block))
                case _:
                    assert_never(block)

    def _numbers(self, numbers: tuple[said.Number, ...]) -> None:
        if not numbers:
            return
        width = (self.epw - BOX_GAP_MM * (len(numbers) - 1)) / len(numbers)
        self._keep_mm(BOX_MM)
        top = self.y
        for place, each in enumerate(numbers):
            x = self.l_margin + place * (width + BOX_GAP_MM)
            with self.furniture():
                self.set_draw_color(*RULE)
                self.set_line_width(0.3)
                self.rect(x, top, width, BOX_MM)
            with self.piece("P"):
                for words, points, below, colour, bold in (
                    (each.name, SMALL_PT, 2.5, QUIET, False),
                    (each.value, NUMBER_PT, 7.0, INK, True),
                    (each.interval, SMALL_PT, 18.0, QUIET, False),
                ):
                    self.set_y(top + below)
                    self._set(words, points, x + 3, width - 4, colour=colour, bold=bold)
        self.set_y(top + BOX_MM)
        self._gap(4)

    def _plot(self, figure: Figure) -> None:
        width = min(PLOT_MM, self.epw)
        tall = plots.height_mm(figure, width)
        self._keep_mm(tall + self._height(figure.caption, SMALL_PT, self.epw) + 4)
        plots.draw(self, figure, self.l_margin, self.y, width)
        self.set_y(self.y + tall + 1)
        self._text("P", f"{figure.title}. {figure.caption}", SMALL_PT, colour=QUIET)
        self._gap(4)

    def _grid(self, table: said.Table) -> None:
        widths = [share * self.epw for share in table.widths]
        self._keep_mm(sum(self._tall(row, widths) for row in (table.heading, *table.rows[:2])) + 8)
        self._text("P", table.caption, SMALL_PT, colour=QUIET)
        self._gap(0.5)
        self._cells(table.heading, widths, heading=True)
        for row in table.rows:
            if self.y + self._tall(row, widths) > self.page_break_trigger:
                self.add_page()
                self._cells(table.heading, widths, heading=True)
            self._cells(row, widths)
        self._gap(5)

    def _tall(self, cells: tuple[str, ...], widths: list[float]) -> float:
        return max(self._height(cell, CELL_PT, width - 2) for cell, width in zip(cells, widths, strict=True)) + 1.6

    def _cells(self, cells: tuple[str, ...], widths: list[float], *, heading: bool = False) -> None:
        tall = self._tall(cells, widths)
        top = self.y
        with self.piece("P"):
            for cell, x, width in zip(cells, _places(self.l_margin, widths), widths, strict=True):
                if cell:
                    self.set_y(top + 0.8)
                    self._set(cell, CELL_PT, x, width - 2, colour=QUIET if heading else INK)
        with self.furniture():
            self.set_draw_color(*(QUIET if heading else RULE))
            self.set_line_width(0.3 if heading else 0.15)
            self.line(self.l_margin, top + tall, self.w - self.r_margin, top + tall)
        self.set_y(top + tall)


def _places(left: float, widths: list[float]) -> Iterator[float]:
    """Where each column begins."""
    for width in widths:
        yield left
        left += width


def _as_block(block: said.Paragraph | said.Lines | said.Facts) -> Block:
    match block:
        case said.Paragraph():
            return Paragraph(block.text)
        case said.Lines():
            return Lines(block.items)
        case said.Facts():
            return Facts(block.rows)
