"""The findings as one SVG file: a curve over the events for each figure, and bars for the numbers of processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from tests.benchmarks.plot import COLOURS, GREY, INK, text
from tests.benchmarks.scaling.cores import Together
from tests.benchmarks.scaling.growth import FIGURES, Stretch

CURVES: Final = ("CPU ms", "p50 ms", "RSS MB", "Redis MB")
WIDTH, PANEL, GAP, HEIGHT = 980, 210, 35, 120
TOP, BAR = 50, 22


def as_svg(title: str, machine: str, slices: Sequence[Stretch], together: Sequence[Together]) -> bytes:
    """All that was measured; every scale begins at nothing."""
    bars_top = TOP + HEIGHT + 70 if slices else TOP
    height = bars_top + len(together) * (BAR + 8) + 40
    svg = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    SubElement(svg, "title").text = title
    SubElement(svg, "rect", width=str(WIDTH), height=str(height), fill="#ffffff")
    text(svg, 10, 22, title, INK, bold=True)
    if slices:
        for number, name in enumerate(CURVES):
            _curve(svg, 10 + number * (PANEL + GAP), name, slices)
    _bars(svg, bars_top, together)
    text(svg, 10, height - 10, machine, GREY)
    return tostring(svg)


def _curve(svg: Element, left: float, name: str, slices: Sequence[Stretch]) -> None:
    points = [(each.last.events, FIGURES[name](each)) for each in slices]
    most_x, most_y = points[-1][0], max((value for _, value in points), default=0.0) or 1.0
    text(svg, left, TOP, f"{name}: {points[0][1]:.1f} to {points[-1][1]:.1f}", INK)
    bottom = TOP + 15 + HEIGHT
    at = " ".join(f"{left + events / most_x * PANEL:.1f},{bottom - value / most_y * HEIGHT:.1f}" for events, value in points)
    SubElement(svg, "polyline", {"points": at, "fill": "none", "stroke": COLOURS[0], "stroke-width": "2"})
    SubElement(svg, "line", {"x1": f"{left}", "x2": f"{left + PANEL}", "y1": f"{bottom}", "y2": f"{bottom}", "stroke": GREY})
    text(svg, left, bottom + 18, f"0 to {most_x:,} events", GREY)


def _bars(svg: Element, top: float, together: Sequence[Together]) -> None:
    most = max((each.stretch.events_a_second for each in together), default=1.0)
    for number, each in enumerate(together):
        reached, at = each.stretch.events_a_second, top + number * (BAR + 8)
        wide = reached / most * (WIDTH - 500)
        text(svg, 10, at + BAR / 2 + 5, f"{each.processes} process{'es' if each.processes > 1 else ''}", INK)
        SubElement(svg, "rect", x="130", y=f"{at}", width=f"{wide:.1f}", height=str(BAR), fill=COLOURS[0])
        told = f"{reached:.1f} events/s, {each.stretch.cpu_ms:.1f} ms CPU an event"
        text(svg, 140 + wide, at + BAR / 2 + 5, told, INK)
