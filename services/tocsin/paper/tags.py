"""PDF with the marks that readers aloud go by: a kind for each piece, and page furniture that they pass over (PDF 1.7, 14.7 and 14.8).

fpdf2 marks figures alone; this is the one module that uses what it keeps to itself. Pieces lie flat below the document: a table is read row
by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from fpdf import FPDF

VERIFIED: Final = {"fpdf2": "2.8.9"}
"""The version whose private parts were looked at; tests/unit/paper/test_pdf.py fails where another is installed."""


class Tagged(FPDF):
    """A PDF whose pieces say what they are."""

    @contextmanager
    def piece(self, kind: Literal["H1", "H2", "P", "Figure"], *, instead: str | None = None) -> Iterator[None]:
        """All that is printed in this block, on one page, is one piece; `instead` is what is read aloud in its place."""
        page = self.page
        number = self.struct_builder.next_mcid_for_page(page)
        _, parents = self.struct_builder.add_marked_content(page, f"/{kind}", number, alt_text=instead)
        self.pages[page].struct_parents = parents
        self._out(f"/{kind} <</MCID {number}>> BDC")
        yield
        self._out("EMC")
        assert self.page == page, "a piece lies on one page"

    @contextmanager
    def furniture(self) -> Iterator[None]:
        """What is printed in this block is no part of the text: rules, colours, page numbers."""
        self._out("/Artifact BMC")
        yield
        self._out("EMC")
