"""A go-live report as one value: what HTML and paper both say, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.learning.report.figures import Figure


@dataclass(frozen=True, slots=True)
class Number:
    """A figure that is read first."""

    name: str
    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences that belong together."""

    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names beside values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading, the first column naming the row; of how wide the columns are on paper, `widths` tells the shares."""

    caption: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]


Block = Paragraph | Lines | Facts | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class GoLive:
    """The report, in one language."""

    language: str
    """BCP 47 tag."""
    title: str
    subtitle: str
    verdict: str
    """The answer in one line."""
    shown: bool
    """Whether what was asked for was shown: it chooses how the verdict is set, which says it in words, too."""
    answer: tuple[str, ...]
    """The answer in a few sentences."""
    numbers: tuple[Number, ...]
    sections: tuple[Section, ...]
    made_at: datetime
    key: str
    """Names what was evaluated, by whichever hashes are known."""
