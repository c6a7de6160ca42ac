"""A document: what stands on paper, in its order, whatever it is printed by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tocsin.image.printed import Photograph


class Tone(Enum):
    """How a notice is set, besides its words: colour alone says nothing."""

    OPEN = "open"
    """Nobody has reviewed it."""
    SIGNED = "signed"
    """A clinician has."""
    VOID = "void"
    """It holds no more."""


@dataclass(frozen=True, slots=True)
class Heading:
    """Begins a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences that belong together."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What nobody may overlook: each of its sentences on a line of its own, the first one strong."""

    sentences: tuple[str, ...]
    tone: Tone


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
    """Rows under a heading; the last column holds numbers."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with what it shows, for those who do not see it, and what is said below it."""

    picture: Photograph
    instead: str
    caption: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the document is about: one line that is read first, what it means, and the picture beside it."""

    said: str
    paragraphs: tuple[Paragraph, ...]
    figure: Figure | None = None


Block = Heading | Paragraph | Notice | Lines | Facts | Table | Result


@dataclass(frozen=True, slots=True)
class Document:
    """One document; equal documents print to equal bytes."""

    language: str
    """BCP 47 tag."""
    title: str
    """Names nobody: programs show it where others may look on."""
    subtitle: str
    blocks: tuple[Block, ...]
    foot: tuple[str, ...]
    """Lines that stand on each page, so that none is read without them."""
    page: str
    """How a page is counted, with {page} and {pages}."""
    missing: str
    """What is said where letters of it cannot be printed."""
    key: str
    """Names this state of the report: its reference and version."""
    made: datetime
    """When the report became what the document says, aware and to the second; no clock is asked, so that equal reports print alike."""
