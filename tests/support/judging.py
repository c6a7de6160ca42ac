"""A journey on fakes, and reports and flags in trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin import errors
from tocsin.event.types import ImagingEvent
from tocsin.image.decode import Decoder
from tocsin.image.gate import acceptance
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import Picture
from tocsin.journey import Journey
from tocsin.report.flag import Flag
from tocsin.report.grounds import grounds_by
from tocsin.report.ports import Flags
from tocsin.report.publish import Publisher
from tocsin.report.resources.compose import Issuer
from tocsin.report.types import Report, StoredReport
from tocsin.risk.look import Judge
from tocsin.settings import ImageSettings

from tests.builders import card, event_json
from tests.fakes.stages import FakeClassifier, FakeFlags, FakePictures, FakeReports

CARD = card()
ISSUER = Issuer(CARD, "urn:tocsin:site:test")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PIXELS_MAX = 1_000_000


class House:
    """A journey, and the fakes it runs on."""

    def __init__(
        self,
        pictures: dict[str, Picture],
        *,
        allowance: Allowance | None = None,
        flags: FakeFlags | None = None,
        reports: FakeReports | None = None,
    ) -> None:
        self.pictures = FakePictures(pictures)
        self.classifier = FakeClassifier(CARD)
        self.reports = reports or FakeReports(ISSUER)
        self.flags = flags or FakeFlags()
        self.judge = Journey(
            pictures=self.pictures,
            judge=Judge(
                Decoder(allowance or Allowance(100_000_000, 10), pixels_max=PIXELS_MAX, reduce_to_px=None),
                acceptance(CARD, ImageSettings()),
                self.classifier,
                CARD,
            ),
            grounds=grounds_by(CARD, acceptance(CARD, ImageSettings()), edition=0),
            publisher=Publisher(self.reports, self.flags, ISSUER, lambda: NOON),
        )

    def version(self, *, edition: int, **card_changes: Any) -> Journey:
        """Another deployment on the same record and bus."""
        other = card(**card_changes)
        issuer = Issuer(other, ISSUER.source)
        reports = replace(self.reports, issuer=issuer)
        return replace(
            self.judge,
            judge=replace(self.judge.judge, card=other),
            grounds=grounds_by(other, acceptance(other, ImageSettings()), edition=edition),
            publisher=replace(self.judge.publisher, reports=reports, issuer=issuer),
        )

    def judging(self, **changes: Any) -> Journey:
        """The same journey, judging with these changes."""
        return replace(self.judge, judge=replace(self.judge.judge, **changes))

    def telling(self, flags: Flags) -> Journey:
        """The same journey, whose flags go there."""
        return replace(self.judge, publisher=replace(self.judge.publisher, flags=flags))

    def changed(self, **changes: Any) -> None:
        """The Media m1 is as these changes say from now on, in a new version."""
        old = self.pictures.pictures["Media/m1"]
        version = str(int(old.version or 0) + 1)
        self.pictures.pictures["Media/m1"] = replace(old, version=version, as_of=old.as_of + timedelta(minutes=1), **changes)

    def serves(self, **changes: Any) -> None:
        """The address that the Media m1 names serves something else from now on; the Media is the same."""
        self.pictures.pictures["Media/m1"] = replace(self.pictures.pictures["Media/m1"], **changes)

    def last_flags(self) -> dict[str, Flag]:
        """Report -> the flag that holds."""
        return {flag.report: flag for flag in self.flags.announced}


@dataclass
class BrokenFlags(FakeFlags):
    """Flags port in trouble."""

    fail_at: int = 0
    """Which announcement fails, counted from 1; 0: none."""
    before: Callable[[], None] | None = None
    """What happens before the next announcement."""
    asked: int = 0

    def announce(self, flag: Flag, site_file: str | None) -> None:
        """See Flags."""
        self.asked += 1
        if self.asked == self.fail_at:
            raise errors.Unavailable("kafka", "no acknowledgement")
        before, self.before = self.before, None
        if before is not None:
            before()
        super().announce(flag, site_file)


class RestlessFlags(FakeFlags):
    """Flags port whose every announcement finds the report changed when it has arrived."""

    def __init__(self, reports: FakeReports) -> None:
        super().__init__()
        self._reports = reports

    def announce(self, flag: Flag, site_file: str | None) -> None:
        """See Flags."""
        super().announce(flag, site_file)
        self._reports.sign(flag.report, "amended" if flag.status == "final" else "final")


@dataclass
class SlowReports(FakeReports):
    """Reports port in trouble."""

    before_write: Callable[[], None] | None = None
    """What happens before the next write."""
    dies: bool = False
    """Whether the next write is the last that its process does."""

    def write(self, report: Report) -> StoredReport:
        """See Reports."""
        before, self.before_write = self.before_write, None
        if before is not None:
            before()
        return super().write(report)

    def supersede_older(self, standing: StoredReport, now: datetime) -> list[StoredReport]:
        """See Reports."""
        dies, self.dies = self.dies, False
        if dies:
            raise errors.Unavailable("fhir", "no answer")
        return super().supersede_older(standing, now)


def event(**changes: Any) -> ImagingEvent:
    return ImagingEvent.model_validate(event_json(**changes))
