"""Text of the record as one line of letters: whoever wrote it must steer neither a terminal nor a page."""

from __future__ import annotations

import unicodedata
from typing import Final

NO_BREAK: Final = "\u00a0"
"""A space at which no line ends."""
_UNSEEN: Final = frozenset({"Cc", "Cf"})
"""Categories of Unicode that no letter has: controls, and marks that have no form."""


def plain(text: str) -> str:
    """The text, composed (NFC), in single spaces, without controls; a number stays with its per cent sign."""
    composed = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(each for each in composed if unicodedata.category(each) not in _UNSEEN).replace(" %", f"{NO_BREAK}%")
