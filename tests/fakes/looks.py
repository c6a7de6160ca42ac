"""Readers' looks as a test wants them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.serve.page.looks import Impression, Look


@dataclass
class DictLooks:
    """The Looks port in memory; nothing runs out by itself, and processes share it where they share `kept`."""

    kept: dict[tuple[str, str], Look] = field(default_factory=dict)

    def at(self, reader: str, report: str) -> Look:
        """See Looks.at."""
        return self.kept.get((reader, report), Look())

    def said(self, reader: str, report: str, impression: Impression) -> None:
        """See Looks.said."""
        if self.at(reader, report).is_none:
            self.kept[reader, report] = Look(impression)

    def opened(self, reader: str, report: str, at: datetime) -> Look:
        """See Looks.opened."""
        look = self.at(reader, report)
        self.kept[reader, report] = replace(look, opened_at=look.opened_at or at)
        return self.kept[reader, report]
