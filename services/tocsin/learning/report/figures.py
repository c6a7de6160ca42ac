"""Plots as values: axes, marks in data's own units, and what a plot says to those who do not see it. Drawn by svg.py and on paper.

Colours are those of Okabe and Ito (2008), told apart by people of every colour vision; each mark differs by form or dash as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Tint = Literal["ink", "quiet", "model", "benign", "malignant", "other"]
"""What a colour stands for, the same in every plot."""
OKABE_ITO: Final[dict[Tint, tuple[int, int, int]]] = {
    "ink": (26, 30, 36),
    "quiet": (110, 118, 128),
    "model": (0, 114, 178),
    "benign": (86, 180, 233),
    "malignant": (213, 94, 0),
    "other": (0, 158, 115),
}
Dash = Literal["whole", "dashed", "dotted"]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high`, with its ticks as they are written."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve."""

    points: tuple[tuple[float, float], ...]
    tint: Tint
    dash: Dash = "whole"
    label: str = ""
    """Its entry in the legend; empty: none."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A box."""

    left: float
    right: float
    low: float
    high: float
    tint: Tint


@dataclass(frozen=True, slots=True)
class Dot:
    """A figure; hollow where it is not shown to hold, or is but a help to the eye."""

    x: float
    y: float
    tint: Tint
    hollow: bool = False


Mark = Line | Bar | Dot


@dataclass(frozen=True, slots=True)
class Figure:
    """One plot."""

    name: str
    """A word for it within the file: letters and dashes."""
    title: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    keys: tuple[tuple[str, Tint], ...]
    """Legend of what is no line."""
    instead: str
    """What it shows, in words, for those who do not see it."""
    caption: str
    """What stands below it, for those who do."""
    height: float = 0.75
    """In parts of its width."""
    names_room: float = 0.0
    """Room for the y axis's words, in parts of the width; 0: numbers alone."""
