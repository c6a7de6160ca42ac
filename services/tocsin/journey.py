"""event -> image -> inference -> risk -> report, for one event: read this first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tocsin.event.model import ImagingEvent
from tocsin.image.gate import Acceptance, gate
from tocsin.image.model import Picture
from tocsin.image.ports import Pictures
from tocsin.inference.ports import Classifier
from tocsin.outcome import NotAssessable, Published
from tocsin.report.compose import Issuer, compose
from tocsin.report.flag import flag_of
from tocsin.report.model import Standing
from tocsin.report.ports import Flags, Reports
from tocsin.risk.judge import judge, suits
from tocsin.risk.model import Assessment, Judgement, Unassessable


@dataclass(frozen=True, slots=True)
class Journey:
    """Safe for threads: journeys share adapters and nothing else, so that two patients can never mix."""

    pictures: Pictures
    acceptance: Acceptance
    classifier: Classifier
    issuer: Issuer
    reports: Reports
    flags: Flags
    now: Callable[[], datetime]
    """The time, aware."""

    def __call__(self, event: ImagingEvent) -> Published | NotAssessable:
        """Both endings are durable: the report stands in the record and Kafka has its flag. Raises Refused, Deferred or Stop."""
        picture = self.pictures.fetch(event)
        judgement = self._judge(picture)
        report = compose(event, picture, judgement, self.issuer, self.now())
        standing = self.reports.write(report)
        if standing.code == report.code:  # else a clinician has acted on an earlier verdict, which no flag contradicts
            self.flags.announce(flag_of(event, picture, judgement, standing, self.issuer, self.now()))
        return _ending(judgement, standing)

    def _judge(self, picture: Picture) -> Judgement:
        card = self.issuer.card
        obstacle = gate(picture, self.acceptance) or suits(picture.facts, card.accepts.age)
        if obstacle is not None:
            return Unassessable(obstacle)
        return judge(self.classifier.classify(picture.pixels, picture.facts), card)


def _ending(judgement: Judgement, standing: Standing) -> Published | NotAssessable:
    match judgement:
        case Assessment():
            return Published(standing.reference, standing.code)
        case Unassessable():
            return NotAssessable(standing.reference, standing.code)
