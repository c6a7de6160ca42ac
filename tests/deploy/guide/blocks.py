"""The commands of a document, in their order: fenced blocks, each with the mark in the comment above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
_PIECE: Final = re.compile(
    r"^## (?P<heading>[^\n]+)$|(?:^<!-- (?P<mark>[^>\n]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$|^<!-- then (?P<target>\S+) -->$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a document."""

    place: str
    """Document and line."""
    mark: str
    """`run`, `run once`, `stays NAME`, `file NAME` or `hospital`: what the walk does with it. Empty: it is only read."""
    language: str
    text: str


def blocks(document: Path, section: str | None = None) -> Iterator[Block]:
    """The document's blocks; of one section, by the anchor of its heading, where one is named. What `then` names comes in its place."""
    content, heading = document.read_text("utf-8"), ""
    for piece in _PIECE.finditer(content):
        if piece["heading"] is not None:
            heading = anchor(piece["heading"])
        elif section is not None and section != heading:
            continue
        elif piece["target"] is not None:
            file, _, part = piece["target"].partition("#")
            yield from blocks(document.parent / file, part or None)
        else:
            line = content.count("\n", 0, piece.start("text")) + 1
            yield Block(f"{document.relative_to(ROOT)}:{line}", piece["mark"] or "", piece["language"], piece["text"])


def anchor(heading: str) -> str:
    """The name by which a link finds a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
