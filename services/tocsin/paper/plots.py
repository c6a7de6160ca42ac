"""A plot drawn on paper, as the page draws it: the same frame, marks and colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.learning.report.figures import OKABE_ITO, Bar, Dot, Figure, Line, Mark
from tocsin.learning.report.frame import LEGEND_ROW, UNITS, Frame
from tocsin.paper.letters import FAMILY, printable
from tocsin.paper.tags import Tagged

GRID: Final = (232, 235, 239)
INK: Final = (26, 30, 36)
QUIET: Final = (84, 92, 102)
TEXT_PT: Final = 7.0
DASHES_MM: Final[dict[str, tuple[float, float]]] = {"whole": (0, 0), "dashed": (1.6, 1.1), "dotted": (0.5, 0.9)}
DOT_MM: Final = 1.9


def height_mm(figure: Figure, width_mm: float) -> float:
    """How much room the plot takes where it is so wide."""
    return Frame.of(figure, width_mm).height


def draw(page: Tagged, figure: Figure, x_mm: float, y_mm: float, width_mm: float) -> None:
    """Draw the plot with its upper left corner there, as one figure that is read aloud by its words."""
    with page.piece("Figure", instead=f"{figure.title}. {figure.instead}"):
        _Drawing(page, Frame.of(figure, width_mm), x_mm, y_mm, width_mm / UNITS).draw(figure)


class _Drawing:
    def __init__(self, page: Tagged, frame: Frame, x_mm: float, y_mm: float, unit_mm: float) -> None:
        self._page = page
        self._frame = frame
        self._left = x_mm
        self._top = y_mm
        self._unit = unit_mm

    def draw(self, figure: Figure) -> None:
        self._grid(figure)
        for mark in figure.marks:
            self._mark(mark)
        self._words(figure)
        self._legend(figure)
        self._page.set_dash_pattern()

    def _x(self, value: float) -> float:
        return self._left + self._frame.x(value)

    def _y(self, value: float) -> float:
        return self._top + self._frame.y(value)

    def _grid(self, figure: Figure) -> None:
        page, frame = self._page, self._frame
        page.set_draw_color(*GRID)
        page.set_line_width(0.2)
        for value, _ in figure.y.ticks:
            page.line(self._left + frame.left, self._y(value), self._left + frame.right, self._y(value))
        for value, _ in figure.x.ticks:
            page.line(self._x(value), self._top + frame.top, self._x(value), self._top + frame.bottom)

    def _mark(self, mark: Mark) -> None:
        page = self._page
        match mark:
            case Line():
                self._pen(mark)
                page.polyline([(self._x(x), self._y(y)) for x, y in mark.points])
            case Bar():
                page.set_dash_pattern()
                page.set_draw_color(*OKABE_ITO["quiet"])
                page.set_line_width(0.12)
                page.set_fill_color(*OKABE_ITO[mark.tint])
                x, y = self._x(mark.left), self._y(mark.high)
                page.rect(x, y, self._x(mark.right) - x, self._y(mark.low) - y, style="DF")
            case Dot():
                page.set_dash_pattern()
                page.set_draw_color(*OKABE_ITO[mark.tint])
                page.set_fill_color(*((255, 255, 255) if mark.hollow else OKABE_ITO[mark.tint]))
                page.set_line_width(0.4)
                page.ellipse(self._x(mark.x) - DOT_MM / 2, self._y(mark.y) - DOT_MM / 2, DOT_MM, DOT_MM, style="DF")

    def _pen(self, line: Line) -> None:
        page = self._page
        page.set_draw_color(*OKABE_ITO[line.tint])
        page.set_line_width(0.45)
        dash, gap = DASHES_MM[line.dash]
        page.set_dash_pattern(dash=dash, gap=gap) if dash else page.set_dash_pattern()

    def _words(self, figure: Figure) -> None:
        frame, unit = self._frame, self._unit
        for value, word in figure.x.ticks:
            self._write(word, self._x(value), self._top + frame.bottom + 16 * unit, align=0.5)
        for value, word in figure.y.ticks:
            self._write(word, self._left + frame.left - 8 * unit, self._y(value) + 4.5 * unit, align=1.0)
        middle = self._left + (frame.left + frame.right) / 2
        self._write(figure.x.title, middle, self._top + frame.bottom + 36 * unit, align=0.5, quiet=True)
        self._write(figure.y.title, self._left, self._top + 14 * unit, quiet=True)

    def _legend(self, figure: Figure) -> None:
        page, unit, left = self._page, self._unit, self._left + self._frame.left
        rows = self._rows()
        for line in (mark for mark in figure.marks if isinstance(mark, Line) and mark.label):
            y = next(rows)
            self._pen(line)
            page.line(left, y - 4 * unit, left + 30 * unit, y - 4 * unit)
            self._write(line.label, left + 40 * unit, y)
        for word, tint in figure.keys:
            y = next(rows)
            page.set_fill_color(*OKABE_ITO[tint])
            page.rect(left + 8 * unit, y - 11 * unit, 14 * unit, 12 * unit, style="F")
            self._write(word, left + 40 * unit, y)

    def _rows(self) -> Iterator[float]:
        """Base line of each row of the legend."""
        y = self._top + self._frame.bottom + 58 * self._unit
        while True:
            yield y
            y += LEGEND_ROW * self._unit

    def _write(self, words: str, x: float, y: float, *, align: float = 0.0, quiet: bool = False) -> None:
        """One line of letters from x on, or ending there (align 1), or around it."""
        if not words:
            return
        page, spelt = self._page, printable(words)[0]
        page.set_font(FAMILY, "", TEXT_PT)
        page.set_text_color(*(QUIET if quiet else INK))
        page.text(x - align * page.get_string_width(spelt), y, spelt)
