"""The letters of a printed document: Fira Sans (SIL Open Font License 1.1), Latin, Greek and Cyrillic, from its package, unchanged.

fpdf2 embeds those letters that a document uses.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import fontpkg_fira_sans
from fontTools.ttLib import TTFont

from tocsin.paper.plain import plain

FAMILY: Final = "Fira Sans"
FILES: Final = {
    "": fontpkg_fira_sans.ROOT / "files" / "FiraSans-Regular.ttf",
    "B": fontpkg_fira_sans.ROOT / "files" / "FiraSans-SemiBold.ttf",
}
"""Style, as fpdf2 names it -> file."""


def printable(text: str) -> tuple[str, bool]:
    """The text as it can be printed in one paragraph, and whether all its letters could.

    A letter that the font lacks is named by its number, as [U+65E5]: it is never left out. White space becomes single spaces.
    """
    seen = list(plain(text))
    spelt = [each if ord(each) in _known() else f"[U+{ord(each):04X}]" for each in seen]
    return "".join(spelt), spelt == seen


@lru_cache(maxsize=1)
def _known() -> frozenset[int]:
    """Code points that both styles have."""
    fonts = [TTFont(each, lazy=True) for each in FILES.values()]
    try:
        return frozenset.intersection(*(frozenset(font.getBestCmap()) for font in fonts))
    finally:
        for font in fonts:
            font.close()
