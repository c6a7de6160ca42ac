"""Stand-ins for the picture source, the model, the record and the flag topic."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tocsin.errors import MediaUnknown, ReportDeleted, ReportOfAnother, SubjectMismatch
from tocsin.event.model import ImagingEvent
from tocsin.image.model import PatientFacts, Picture, Pixels
from tocsin.inference.card import ModelCard
from tocsin.inference.model import Findings
from tocsin.report.flag import Flag
from tocsin.report.model import Report, Standing


@dataclass
class FakePictures:
    """Pictures port over a dictionary by Media reference."""

    pictures: dict[str, Picture] = field(default_factory=dict)

    def fetch(self, event: ImagingEvent) -> Picture:
        """See Pictures."""
        picture = self.pictures.get(event.media)
        if picture is None:
            raise MediaUnknown("no such Media", reference=event.media)
        if picture.subject != event.subject:
            raise SubjectMismatch("another subject", reference=event.media)
        return picture


@dataclass
class FakeClassifier:
    """Classifier port: the brighter the picture, the higher the first class; the rest goes to the last."""

    card: ModelCard
    calls: int = 0

    def classify(self, pixels: Pixels, facts: PatientFacts) -> Findings:
        """See Classifier."""
        self.calls += 1
        bright = float(pixels.mean()) / 255
        answer = {each.code: 0.0 for each in self.card.output.classes}
        first, *_, last = answer
        return Findings(self.card.model, answer | {first: bright, last: 1 - bright})


@dataclass
class FakeReports:
    """Reports port over a dictionary by report reference."""

    written: dict[str, Report] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, report: Report) -> Standing:
        """See Reports."""
        with self._lock:
            if report.reference in self.deleted:
                raise ReportDeleted("gone", reference=report.reference)
            standing = self.written.setdefault(report.reference, report)
            if standing.subject != report.subject:
                raise ReportOfAnother("another subject", reference=report.reference)
            status = self.statuses.get(report.reference, "preliminary")
            if status == "preliminary":
                standing = self.written[report.reference] = standing if standing.code == report.code else report
            return Standing(report.reference, status, standing.code)


@dataclass
class FakeFlags:
    """Flags port that remembers."""

    announced: list[Flag] = field(default_factory=list)

    def announce(self, flag: Flag) -> None:
        """See Flags."""
        self.announced.append(flag)
