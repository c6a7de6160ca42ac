"""Text of others in GitHub's markdown: it is shown as it stands, and never becomes a tag, a link, a picture or a heading."""

from __future__ import annotations

import re
from typing import Final

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
"""Any ASCII punctuation may be escaped with a backslash (GitHub Flavored Markdown, 2.4); that also breaks entities and bare addresses."""


def escaped(text: str) -> str:
    """The text on one line, with everything escaped that markdown could read; characters that are not printable are left out."""
    return _PUNCTUATION.sub(r"\\\1", plain(text))


def plain(text: str) -> str:
    """The text on one line, without characters that are not printable."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
