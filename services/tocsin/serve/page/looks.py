"""What a reader saw of a report, and said of it, before their verdict. Kept in this process alone, bounded, without a patient."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

KEPT_MAX: Final = 10_000
"""The most looks that are kept; of more, the oldest are forgotten: their readers are asked again."""


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
    """Looks by session and report. Safe for threads."""

    def at(self, session: str, report: str) -> Look:
        """The look of the session with this key; an empty one where none is kept."""

    def said(self, session: str, report: str, impression: Impression) -> None:
        """Keep a reader's impression; the first one holds."""

    def opened(self, session: str, report: str, at: datetime) -> datetime:
        """When the result was first before the reader's eyes: `at`, unless it was before."""


class LooksHere:
    """Looks in this process's memory. A restart forgets them: readers are then asked again, and times to verdict begin anew."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept: OrderedDict[tuple[str, str], Look] = OrderedDict()
        self._kept_max = kept_max
        self._lock = threading.Lock()

    def at(self, session: str, report: str) -> Look:
        """See Looks.at."""
        with self._lock:
            return self._kept.get((session, report), Look())

    def said(self, session: str, report: str, impression: Impression) -> None:
        """See Looks.said."""
        with self._lock:
            look = self._kept.get((session, report), Look())
            if look.impression is None and look.opened_at is None:
                self._keep(session, report, replace(look, impression=impression))

    def opened(self, session: str, report: str, at: datetime) -> datetime:
        """See Looks.opened."""
        with self._lock:
            look = self._kept.get((session, report), Look())
            if look.opened_at is not None:
                return look.opened_at
            self._keep(session, report, replace(look, opened_at=at))
            return at

    def _keep(self, session: str, report: str, look: Look) -> None:
        self._kept[session, report] = look
        self._kept.move_to_end((session, report))
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
