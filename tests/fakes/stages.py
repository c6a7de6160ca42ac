"""Stand-ins for the picture source, the model, the record and the flag topic."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

import numpy as np
from tocsin.errors import MediaUnknown, ReportDeleted, ReportOfAnother, SubjectMismatch
from tocsin.event.types import ImagingEvent
from tocsin.fhir.datatypes import instant
from tocsin.image.types import PatientFacts, Picture
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.report.precedence import is_own, recognised, rehearsing, rivals, speaks_of, successor, yields
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import report_id
from tocsin.report.resources.mark import as_written
from tocsin.report.types import IN_ERROR, Found, Grounds, Report, StoredReport, Wanted


@dataclass
class FakePictures:
    """Pictures port over a dictionary by Media reference; between any two fetches its clock goes on."""

    pictures: dict[str, Picture] = field(default_factory=dict)
    fetches: Iterator[int] = field(default_factory=count)

    def fetch(self, event: ImagingEvent) -> Picture:
        """See Pictures."""
        picture = self.pictures.get(event.media)
        if picture is None:
            raise MediaUnknown("no such Media", reference=event.media)
        if picture.subject != event.subject:
            raise SubjectMismatch("another subject", reference=event.media)
        return replace(picture, fetched=picture.fetched + timedelta(milliseconds=next(self.fetches)))


@dataclass
class FakeClassifier:
    """Classifier port: the brighter the picture, the higher the first class; the rest goes to the last."""

    card: ModelCard
    calls: int = 0

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """See Classifier."""
        self.calls += 1
        bright = float(image.mean(dtype=np.float64)) / 255
        answer = {each.code: 0.0 for each in self.card.output.classes}
        first, *_, last = answer
        return Findings(self.card.model, answer | {first: bright, last: 1 - bright})


@dataclass
class FakeReports:
    """Reports port over a dictionary by report reference; decides by the same rules as the real one, on what it holds."""

    issuer: Issuer
    written: dict[str, Report] = field(default_factory=dict)
    standings: dict[str, StoredReport] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    """How often each report was written or changed."""
    deleted: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, picture: Picture, grounds: Grounds) -> Found:
        """See Reports."""
        id_ = report_id(self.issuer.source, picture.media, picture.content_sha256, self.issuer.card.model)
        wanted = Wanted(f"DiagnosticReport/{id_}", picture.subject, picture.media)
        with self._lock:
            found = self._found(wanted.reference, picture.subject) if wanted.reference not in self.deleted else None
            took_over = self.standings.get(found.superseded_by or "") if found is not None else None
            alone = not any(rivals(wanted, each, self.issuer) for each in self.standings.values())
        holds = found is not None and (recognised(found, grounds, picture.recency) or yields(found, took_over, grounds, picture.recency))
        return Found(found if holds else None, alone, self._told_at(wanted, picture) if picture.undated and not holds else None)

    def _told_at(self, wanted: Wanted, picture: Picture) -> datetime | None:
        spoken = [each for each in self.standings.values() if speaks_of(each, wanted, picture.content_sha256, self.issuer)]
        latest_first = sorted(((each.mark.recency, each.reference) for each in spoken if each.mark is not None), reverse=True)
        written = (self.written[reference] for _, reference in latest_first if reference in self.written)
        stated = (instant(each.bundle["entry"][0]["resource"].get("effectiveDateTime")) for each in written)
        return next((moment for moment in stated if moment is not None), None)

    def write(self, report: Report) -> StoredReport:
        """See Reports."""
        with self._lock:
            found = self._found(report.reference, report.subject)
            if found is not None and recognised(found, report.grounds, report.mark.recency):
                return found
            self.written[report.reference] = report
            return self.keep(as_written(report))

    def supersede_older(self, stored: StoredReport, now: datetime) -> list[StoredReport]:
        """See Reports."""
        with self._lock:
            stands = self._found(stored.reference, stored.subject) or stored
            if stands.mark is None:
                return [stands]
            known = [stands, *(each for each in self.standings.values() if rivals(stored, each, self.issuer))]
            own, *others = [self._superseded(each, by) if (by := successor(each, known)) else each for each in known]
        return [own, *(each for each in others if each.superseded_by is not None)]

    def refresh(self, stored: StoredReport) -> StoredReport:
        """See Reports."""
        return self.standings.get(stored.reference, stored)

    def sign(self, reference: str, status: str = "final") -> None:
        """A clinician acts."""
        self.keep(replace(self.standings[reference], status=status))

    def _found(self, reference: str, subject: str) -> StoredReport | None:
        if reference in self.deleted:
            raise ReportDeleted("gone", reference=reference)
        found = self.standings.get(reference)
        if found is not None and found.subject != subject:
            raise ReportOfAnother("another subject", reference=reference)
        return found

    def _superseded(self, old: StoredReport, by: StoredReport) -> StoredReport:
        return self.keep(replace(old, status="entered-in-error", superseded_by=by.reference))

    def keep(self, stored: StoredReport) -> StoredReport:
        """The record holds this report from now on."""
        self.standings[stored.reference] = stored
        self.versions[stored.reference] += 1
        return stored


@dataclass
class FakeRehearsals:
    """Rehearsals port over the same dictionary as a FakeReports."""

    reports: FakeReports

    def on(self, media: str) -> list[StoredReport]:
        """See Rehearsals."""
        return [each for each in self.reports.standings.values() if each.media == media and is_own(each, self.reports.issuer)]

    def read(self, reference: str) -> StoredReport | None:
        """See Rehearsals."""
        return self.reports.standings.get(reference)

    def take_back(self, rehearsed: StoredReport, now: datetime) -> StoredReport:
        """See Rehearsals."""
        found = self.reports.standings[rehearsed.reference]
        return self.reports.keep(replace(found, status=IN_ERROR, rehearsed=True)) if rehearsing(found) else found


@dataclass
class FakeFlags:
    """Flags port that remembers."""

    announced: list[Flag] = field(default_factory=list)
    site_files: list[str | None] = field(default_factory=list)
    """By which site file each announced flag was judged."""

    def announce(self, flag: Flag, site_file: str | None) -> None:
        """See Flags."""
        self.announced.append(flag)
        self.site_files.append(site_file)
