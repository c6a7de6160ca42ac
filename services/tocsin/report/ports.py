"""What the report stage needs of its neighbours."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tocsin.image.types import Picture
from tocsin.report.flag import Flag
from tocsin.report.types import Found, Grounds, Report, StoredReport


class Reports(Protocol):
    """The reports in the patient record.

    Every method raises Deferred where the record is away or busy, and FhirRejected (Refused) where it refuses the request for good.
    """

    def find(self, picture: Picture, grounds: Grounds) -> Found:
        """The report on this picture that leaves nothing to judge, and whether others stand on its Media.

        The report rests on these grounds, a clinician has acted on it, or it is a newer version's on the same facts
        (deploy/decisions/0015). One that the record does not show among those on the Media is not found: `write` reads it by its id. Where
        an undated picture has to be judged, it also says when an earlier report on the same bytes has it taken. Raises ReportUnsafe
        (Refused), and ContractError (Stop) where the record does not search reports by their Media.
        """

    def write(self, report: Report) -> StoredReport:
        """Write the report and return it as it then stands in the record.

        A stored report on the same grounds is left as it is, and so is one that a clinician has acted on, that rests on something newer or
        is a newer version's, whatever it says. Any other stored report that is still preliminary, or gave way to what is older by now, is
        replaced. Raises ReportUnsafe (Refused), ContractError (Stop) where the model cannot be registered or was withdrawn, and Contended
        where another process was quicker.
        """

    def supersede_older(self, stored: StoredReport, now: datetime) -> list[StoredReport]:
        """Let only the newest of all reports on this Media by this installation and model stand; `now` is aware.

        Call it after `write`, never before: of two processes that write at the same time, at least one then sees the other's report. Each
        older report is entered in error with its parts, unless a clinician has acted on it. The list begins with the given report as the
        record then shows it, which may itself have given way; the others gave way to it, or did so before. A repeated call changes nothing.
        Raises ReportUnsafe (Refused), and ContractError (Stop) where the record does not search reports by their Media: which report holds
        would remain unknown.
        """

    def refresh(self, stored: StoredReport) -> StoredReport:
        """Read the report again and return it as it stands now; return it as it was where the record does not show it."""


class Rehearsals(Protocol):
    """What a rehearsal needs of the record besides the journey's own writes.

    Every method raises Deferred where the record is away or busy, FhirRejected (Refused) where it refuses the request for good, and
    ContractError (Stop) where it does not search reports by their Media.
    """

    def on(self, media: str) -> list[StoredReport]:
        """This installation's reports on the Media/<id>, by any versions of the model, whatever their status."""

    def read(self, reference: str) -> StoredReport | None:
        """The DiagnosticReport/<id> as it stands; None where there is none."""

    def take_back(self, rehearsed: StoredReport, now: datetime) -> StoredReport:
        """Enter a rehearsal's report in error with its parts, and return it as it then stands; `now` is aware.

        It stays as it is where it is no rehearsal's by now, or a clinician has acted on any of it. Raises Contended, too, where it was
        changed meanwhile.
        """


class Flags(Protocol):
    """The bus on which flag events are announced."""

    def announce(self, flag: Flag, site_file: str | None) -> None:
        """Return once Kafka has the flag event, with the site file by which the picture was judged. Raises Unavailable(kafka)."""
