"""A made-up site that promotes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml
from tocsin.learning.promote import Attempt, Outcome, promote, register
from tocsin.learning.types import Scored
from tocsin.site.folder import SiteFolder
from tocsin.site.protocol import Written, read_protocol
from tocsin.site.record import sha256

from tests.support.labelled import Site, protocol

FITTED, LATER = Site(1, n=600), Site(2, n=600, first=date(2026, 6, 1))
REGISTERED = datetime(2026, 5, 20, 9, tzinfo=UTC)
DECIDED = datetime(2026, 10, 1, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a site promotes."""

    folder: SiteFolder
    attempt: Attempt

    def protocol(self, **changes: Any) -> Written:
        path = self.folder.path.parent / f"protocol-{len(changes)}-{sha256(repr(changes).encode())[:8]}.yaml"
        path.write_text(yaml.safe_dump(protocol(**changes).model_dump(mode="json")))
        return read_protocol(path)

    def later(self, site: Site, *more: Scored) -> Path:
        path = self.folder.path.parent / "other.jsonl"
        path.unlink(missing_ok=True)
        return site.written(path, *more)

    def promoted(self, **changes: Any) -> Outcome:
        return promote(self.folder, replace(self.attempt, **changes))

    def next(self) -> int | None:
        """Promote the same once more, under a protocol of its own."""
        under = self.protocol(name=f"next-{len(self.folder.record())}")
        register(self.folder, under, "anna", REGISTERED)
        return self.promoted(protocol=under).decision.version
