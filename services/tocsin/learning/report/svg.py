"""A plot -> inline SVG: without script, with what it says in words, in colours that the page's style names (so that they follow it)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from tocsin.learning.report.figures import Bar, Dot, Figure, Line, Mark
from tocsin.learning.report.frame import LEGEND_ROW, Frame

WIDTH: Final = 640.0
"""In units of the drawing; the page sets it as wide as there is room."""
DASHES: Final = {"whole": "", "dashed": ' stroke-dasharray="7 5"', "dotted": ' stroke-dasharray="2 4"'}


def svg(figure: Figure) -> str:
    """The plot as an element that stands in HTML."""
    frame = Frame.of(figure, WIDTH)
    parts = [
        *_grid(figure, frame),
        *(part for mark in figure.marks for part in _mark(mark, frame)),
        *_words(figure, frame),
        *_legend(figure, frame),
    ]
    name = escape(figure.name)
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH:g} {frame.height:g}" role="img" '
        f'aria-labelledby="{name}-title" aria-describedby="{name}-words">'
        f'<title id="{name}-title">{escape(figure.title)}</title><desc id="{name}-words">{escape(figure.instead)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _grid(figure: Figure, frame: Frame) -> Iterator[str]:
    for value, _ in figure.y.ticks:
        y = frame.y(value)
        yield f'<line class="grid" x1="{frame.left:.1f}" x2="{frame.right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    for value, _ in figure.x.ticks:
        x = frame.x(value)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top:.1f}" y2="{frame.bottom:.1f}"/>'


def _mark(mark: Mark, frame: Frame) -> Iterator[str]:
    match mark:
        case Line():
            path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in mark.points)
            yield f'<polyline class="line {mark.tint}"{DASHES[mark.dash]} points="{path}"/>'
        case Bar():
            x, y = frame.x(mark.left), frame.y(mark.high)
            wide, tall = frame.x(mark.right) - x, frame.y(mark.low) - y
            yield f'<rect class="fill {mark.tint}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"/>'
        case Dot():
            kind = "hollow" if mark.hollow else "fill"
            yield f'<circle class="{kind} {mark.tint}" cx="{frame.x(mark.x):.1f}" cy="{frame.y(mark.y):.1f}" r="4.5"/>'


def _words(figure: Figure, frame: Frame) -> Iterator[str]:
    for value, word in figure.x.ticks:
        yield f'<text class="tick" text-anchor="middle" x="{frame.x(value):.1f}" y="{frame.bottom + 18:.1f}">{escape(word)}</text>'
    for value, word in figure.y.ticks:
        yield f'<text class="tick" text-anchor="end" x="{frame.left - 8:.1f}" y="{frame.y(value) + 4.5:.1f}">{escape(word)}</text>'
    middle = (frame.left + frame.right) / 2
    yield f'<text class="axis" text-anchor="middle" x="{middle:.1f}" y="{frame.bottom + 40:.1f}">{escape(figure.x.title)}</text>'
    if figure.y.title:
        yield f'<text class="axis" x="0" y="16">{escape(figure.y.title)}</text>'


def _legend(figure: Figure, frame: Frame) -> Iterator[str]:
    y = frame.bottom + 62
    for line in (mark for mark in figure.marks if isinstance(mark, Line) and mark.label):
        across = f'x1="{frame.left:.1f}" x2="{frame.left + 30:.1f}" y1="{y - 4:.1f}" y2="{y - 4:.1f}"'
        yield f'<line class="line {line.tint}"{DASHES[line.dash]} {across}/>'
        yield f'<text class="tick" x="{frame.left + 40:.1f}" y="{y:.1f}">{escape(line.label)}</text>'
        y += LEGEND_ROW
    for word, tint in figure.keys:
        yield f'<rect class="fill {tint}" x="{frame.left + 8:.1f}" y="{y - 12:.1f}" width="14" height="14"/>'
        yield f'<text class="tick" x="{frame.left + 40:.1f}" y="{y:.1f}">{escape(word)}</text>'
        y += LEGEND_ROW
