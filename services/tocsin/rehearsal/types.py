"""What is known of a rehearsal once it is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tocsin.deadletter.letters import Letter
from tocsin.event.types import ImagingEvent
from tocsin.report.flag import Flag
from tocsin.report.types import StoredReport


class Ending(StrEnum):
    """How a rehearsal ended."""

    TAKEN_BACK = "taken-back"
    """The event led to a report and a flag, and both were taken back."""
    IN_EARNEST = "in-earnest"
    """The picture has a report that is no rehearsal's; nothing was made, and nothing taken back."""
    ACTED_UPON = "acted-upon"
    """A clinician has acted on the rehearsal's report or a part of it, which therefore stays as it is."""
    REFUSED = "refused"
    """The event became a dead letter."""
    SILENT = "silent"
    """Neither a flag nor a dead letter came in time."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One rehearsal, by what record and bus told of it; all times are aware."""

    event: ImagingEvent
    """The event that was published; its `occurred_at` says when."""
    ending: Ending
    flag: Flag | None = None
    """The first flag that the event led to."""
    report: StoredReport | None = None
    """The report of that flag, as it stood in the end."""
    letter: Letter | None = None
    """The dead letter, where the event was refused."""
    ended: datetime | None = None
    """When the report was taken back and its last flag sent; None where none was."""
