"""What a reader saw of a report, and said of it, before their verdict. Kept for all processes (serve/sessions/looks.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Impression(StrEnum):
    """What a reader says of a picture before the AI's result is shown: a closed set."""

    SUSPICIOUS = "suspicious"
    BENIGN = "benign"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Look:
    """One reader's look at one version of a report."""

    impression: Impression | None = None
    """None where the reader was not asked, or has not answered yet."""
    opened_at: datetime | None = None
    """When the AI's result was first before their eyes; aware."""

    @property
    def is_none(self) -> bool:
        """Whether the reader has neither said what they see nor had the result before their eyes."""
        return self.impression is None and self.opened_at is None


class Looks(Protocol):
    """Looks by reader (Session.reader) and report, the same for all processes and launches, for `look_keep_s`. Safe for threads.

    Each of these raises Unavailable(redis): what is not known of a reader's look is never guessed.
    """

    def at(self, reader: str, report: str) -> Look:
        """The look of this reader; an empty one where none is kept."""

    def said(self, reader: str, report: str, impression: Impression) -> None:
        """Keep a reader's impression. The first one holds, and none that comes after the result was before their eyes is kept."""

    def opened(self, reader: str, report: str, at: datetime) -> Look:
        """Keep that the result is before the reader's eyes now, `at`, unless it was before; their look as it stands then."""
