"""Readers' looks as a test wants them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.serve.page.looks import Impression, Look


@dataclass
class DictLooks:
    """The Looks port in memory; nothing runs out by itself, and processes share it where they share `kept`."""

    kept: dict[tuple[str, str], Look] = field(default_factory=dict)

    def at(self, session: str, report: str) -> Look:
        """See Looks.at."""
        return self.kept.get((session, report), Look())

    def said(self, session: str, report: str, impression: Impression) -> None:
        """See Looks.said."""
        if self.at(session, report).is_none:
            self.kept[session, report] = Look(impression)

    def opened(self, session: str, report: str, at: datetime) -> Look:
        """See Looks.opened."""
        look = self.at(session, report)
        self.kept[session, report] = replace(look, opened_at=look.opened_at or at)
        return self.kept[session, report]
