"""The results as a picture: four rows of bars in one SVG file, written by hand, since nothing else here needs a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from tests.benchmarks.contenders import CELERY, DOCUMENTED, GIVEN, TOCSIN
from tests.benchmarks.results import PACED, SATURATED, Figure, Part, Results, cpu, memory, p50

SHOWN: Final = (TOCSIN, GIVEN, DOCUMENTED, CELERY)
COLOURS: Final = ("#0b6e4f", "#7d8597", "#9aa1b0", "#b9bec9")
"""Of each contender in its order: Tocsin's stands out also where colours are not seen."""
INK, GREY = "#1f2430", "#5b6270"
WIDTH, NAME_WIDTH, PANEL_WIDTH = 980, 280, 150
BAR, GAP, TOP = 22, 8, 64


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    load: str
    figure: Figure
    digits: int
    with_floor: bool = False


def as_svg(results: Results) -> bytes:
    """The first kind of picture: CPU, latency and memory of each contender; a dashed line is the floor.

    Whoever did not keep up with the rate has no bar there, and what it reached in its place.
    """
    part = results.parts[0]
    height = TOP + len(SHOWN) * (BAR + GAP) + 30
    svg = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    SubElement(svg, "title").text = f"What one event costs: {part.kind}"
    SubElement(svg, "rect", width=str(WIDTH), height=str(height), fill="#ffffff")
    text(svg, 10, 22, f"{part.kind}. Less is better.", GREY)
    for number, name in enumerate(SHOWN):
        text(svg, 10, _middle(number), name, INK, bold=name == TOCSIN)
    for number, panel in enumerate(_panels(results.rate)):
        _draw(svg, NAME_WIDTH + number * (PANEL_WIDTH + 25), panel, part, results.rate)
    text(svg, 10, height - 10, f"{results.machine}. Dashed: every pixel decoded by libjpeg-turbo and the tensor alone.", GREY)
    return tostring(svg)


def _panels(rate: float) -> Sequence[_Panel]:
    return (
        _Panel("CPU ms, saturated", SATURATED, cpu, 1, with_floor=True),
        _Panel(f"CPU ms, {rate:g} a second", PACED, cpu, 1, with_floor=True),
        _Panel(f"p50 ms, {rate:g} a second", PACED, p50, 0),
        _Panel("memory MB", SATURATED, memory, 0),
    )


def _draw(svg: Element, left: int, panel: _Panel, part: Part, rate: float) -> None:
    text(svg, left, TOP - 14, panel.title, INK)
    values = [None if _fell_behind(part, name, panel, rate) else part.median(name, panel.load, panel.figure) for name in SHOWN]
    scale = (PANEL_WIDTH - 45) / max((value for value in values if value), default=1.0)
    for number, (name, value, colour) in enumerate(zip(SHOWN, values, COLOURS, strict=True)):
        wide, top = (value or 0.0) * scale, TOP + number * (BAR + GAP)
        SubElement(svg, "rect", x=str(left), y=str(top), width=f"{wide:.1f}", height=str(BAR), fill=colour)
        none = f"took {part.reached(name):.1f} a second" if _fell_behind(part, name, panel, rate) else "-"
        text(svg, left + wide + 5, _middle(number), none if value is None else f"{value:.{panel.digits}f}", INK)
    if panel.with_floor and any(values):
        at, bottom = f"{left + part.floor_ms * scale:.1f}", str(TOP + len(SHOWN) * (BAR + GAP))
        SubElement(svg, "line", {"x1": at, "x2": at, "y1": str(TOP - 6), "y2": bottom, "stroke": INK, "stroke-dasharray": "4 3"})


def _fell_behind(part: Part, contender: str, panel: _Panel, rate: float) -> bool:
    """Whether the panel is about a rate that the contender was given and did not keep up with."""
    return panel.load == PACED and bool(part.of(contender, PACED)) and not part.kept_up(contender, rate)


def _middle(number: int) -> float:
    return TOP + number * (BAR + GAP) + BAR / 2 + 5


def text(svg: Element, x: float, y: float, said: str, colour: str, *, bold: bool = False) -> None:
    """Writes a line whose left end is at these coordinates."""
    style = {"font-family": "sans-serif", "font-size": "13", "font-weight": "bold" if bold else "normal"}
    SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "fill": colour, **style}).text = said
