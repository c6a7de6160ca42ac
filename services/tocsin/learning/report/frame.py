"""Where a plot's data lie on what it is drawn on: the same on a page and on paper, in units of which the plot is so many wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from tocsin.learning.report.figures import Axis, Figure, Line

UNITS: Final = 640.0
"""A plot's width in the units below."""
TOP: Final = 30.0
LEFT: Final = 62.0
RIGHT: Final = 16.0
AXIS: Final = 52.0
"""Room below for the x axis's numbers and title."""
LEGEND_ROW: Final = 22.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of the data; y grows downwards."""

    left: float
    right: float
    top: float
    bottom: float
    height: float
    """Of the whole plot, axes and legend included."""
    across: Axis
    upwards: Axis

    @classmethod
    def of(cls, figure: Figure, width: float = UNITS) -> Self:
        """The frame of a plot that is so wide."""
        scale = width / UNITS
        rows = sum(1 for mark in figure.marks if isinstance(mark, Line) and mark.label) + len(figure.keys)
        bottom = TOP * scale + width * figure.height
        return cls(
            left=max(LEFT * scale, figure.names_room * width),
            right=width - RIGHT * scale,
            top=TOP * scale,
            bottom=bottom,
            height=bottom + (AXIS + (LEGEND_ROW * rows + 4 if rows else 0)) * scale,
            across=figure.x,
            upwards=figure.y,
        )

    def x(self, value: float) -> float:
        """Where this value of the x axis lies; what lies beyond the axis lies on its end."""
        share = (value - self.across.low) / (self.across.high - self.across.low)
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Where this value of the y axis lies; what lies beyond the axis lies on its end."""
        share = (value - self.upwards.low) / (self.upwards.high - self.upwards.low)
        return self.bottom - min(1.0, max(0.0, share)) * (self.bottom - self.top)
