"""What the report stage needs of its neighbours."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tocsin.image.types import Picture
from tocsin.report.flag import Flag
from tocsin.report.types import Grounds, Report, StoredReport


class Reports(Protocol):
    """The record.

    Every method raises Deferred where the record is away or busy, and FhirRejected (Refused) where it will not have it at all.
    """

    def find(self, picture: Picture, grounds: Grounds) -> StoredReport | None:
        """The report on this picture where there is nothing left to judge.

        It rests on these grounds, a clinician has acted on it, or it is a newer version's on the same facts (deploy/decisions/0015).
        None where there is none, or one that may have to be replaced. Raises ReportUnsafe (Refused).
        """

    def write(self, report: Report) -> StoredReport:
        """The report as it stands in the record afterwards.

        One on the same grounds is left as it is, and so is one that a clinician has acted on, that rests on something newer or is a newer
        version's, whatever it says. Any other that is still preliminary, or gave way to what is older by now, is replaced. Raises
        ReportUnsafe (Refused), ContractError (Stop) where the record will not know the model, and Contended where another process was
        quicker.
        """

    def supersede_older(self, stored: StoredReport, now: datetime) -> list[StoredReport]:
        """Of all reports on this Media by this installation and model, let the newest stand; `now` is aware.

        To be called after `write`, never before: of two that write at the same time, at least one then sees the other. Each older one is
        entered in error with its parts, unless a clinician has acted on it. First in the answer is the report itself as it stands then,
        which may be one that gave way; the others are those that gave way to it, or did so before. Repeating it changes nothing. Raises
        ContractError (Stop) where the record does not search reports by their Media: which of them holds would remain unknown.
        """

    def refresh(self, stored: StoredReport) -> StoredReport:
        """The same report as it stands now; as it was, where the record does not show it."""


class Flags(Protocol):
    """The bus's listeners."""

    def announce(self, flag: Flag) -> None:
        """Return once Kafka has the flag event. Raises Unavailable(kafka)."""
