"""Settings of documents: the paper that reports are printed on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tocsin.settings.values import Group


class PaperSettings(Group):
    """How a report is printed, where somebody asks for a document."""

    size: Literal["A4", "letter"] = Field("A4", description="Size of a page: A4 (210 x 297 mm) or letter (8.5 x 11 inches).")
    picture_side_px_max: int = Field(
        900,
        ge=100,
        le=4000,
        description="Longest side of the picture in a document, in pixels; a larger one is made smaller. 900 print at 370 dots an inch.",
    )
