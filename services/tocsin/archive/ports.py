"""The ports by which `tocsin work` searches the record and queues steps of backfills."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Protocol

from tocsin.archive.types import Candidate, Cursor, Page, Query, ReportSummary
from tocsin.errors import FhirRejected


class SearchRefused(FhirRejected):
    """The FHIR server refuses the search, or would pass over a part of it; what such a search would find is not announced."""

    reason = "search-refused"
    advice = (
        "Correct what is looked for (--where NAME=VALUE, --site, --modality, --from, --to), or have the server offer this search, then try "
        "again. `tocsin check` says which searches the server offers; its own log says why it refuses one."
    )


class Archive(Protocol):
    """The pictures and reports that the record holds.

    Each method may raise Unavailable(fhir), SearchRefused (Refused) where the server refuses the search, and ContractError (Stop) where the
    server's answers cannot be relied upon.
    """

    def count(self, query: Query) -> int:
        """How many Media match; where modality holds `absent`, how many there are of any modality.

        Raises SearchRefused, too, where the server passes over one of the parameters and so finds more than was asked for.
        """

    def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
        """The next `count` Media behind the cursor (None: from the first on), by their last update.

        A page that has fewer Media is not the last where the rest was changed just now. Reading on from page to page gives every Media that
        matches all the time, whatever changes meanwhile and however often reading is begun anew.
        """

    def changed(self, query: Query, since: datetime, until: datetime) -> Iterator[Candidate]:
        """The matching completed pictures last updated between these times (aware, both included), the oldest update first."""

    def named(self, media: Collection[str]) -> list[Candidate]:
        """Those of these Media (references) that the journey would judge: of any status but withdrawn."""

    def summaries(self, since: datetime, until: datetime) -> Iterator[ReportSummary]:
        """The reports of this installation that the record changed last between these times (aware, both included), in that order.

        A report that was not changed since it was written was changed then.
        """

    def reports_on(self, media: Collection[str]) -> list[ReportSummary]:
        """The reports of this installation on these Media (references), whenever they were composed."""

    def existing(self, reports: Collection[str]) -> set[str]:
        """Those of these DiagnosticReports (references) that exist, whatever their status."""


class Enqueue(Protocol):
    """Has a worker take a step of a backfill soon."""

    def __call__(self, backfill: str, pause_s: float = 0.0) -> None:
        """Return once the backfill's step is queued, to be taken once the pause is over.

        Raises Unavailable(redis) where it could not be queued: the scheduler finds the backfill by itself later.
        """
