"""event -> image -> inference -> risk -> report, for one event: read this first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.errors import Contended
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import NEIGHBOUR
from tocsin.image.decode import Decoder
from tocsin.image.gate import Acceptance, gate
from tocsin.image.ports import Pictures
from tocsin.image.types import Picture
from tocsin.inference.ports import Classifier
from tocsin.outcome import NotAssessable, Published
from tocsin.report.flag import flag_of
from tocsin.report.grounds import grounds
from tocsin.report.ports import Flags, Reports
from tocsin.report.precedence import overtaken
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.types import Standing
from tocsin.risk.judge import judge, suits
from tocsin.risk.types import Judgement, Unassessable
from tocsin.telemetry.log import logger

TOLD_MAX: Final = 3
"""Flags told of one report in one attempt; each but the first because the report changed while the one before was on its way."""


@dataclass(frozen=True, slots=True)
class Journey:
    """Safe for threads: journeys share adapters and nothing else, so that two patients can never mix."""

    pictures: Pictures
    decoder: Decoder
    acceptance: Acceptance
    classifier: Classifier
    issuer: Issuer
    reports: Reports
    flags: Flags
    now: Callable[[], datetime]
    """The time, aware."""

    def __call__(self, event: ImagingEvent) -> Published | NotAssessable:
        """Both endings are durable: the report stands in the record and Kafka has its flag. Raises Refused, Deferred or Stop.

        A report that stands already, on the same grounds or with a clinician's act on it, is announced again and not made again. Where
        something older has taken a report's place by the end, the event waits and is judged again.
        """
        picture = self.pictures.fetch(event)
        rests_on = grounds(picture, self.acceptance, self.issuer.card)
        found = self.reports.standing(picture, rests_on)
        standing = found or self.reports.write(compose(event, picture, rests_on, self._judge(picture), self.issuer, self.now()))
        settled, *gave_way = self.reports.settle(standing, self.now())
        latest, *_ = [self._announce(event, each) for each in (settled, *gave_way)]
        if overtaken(standing, latest, rests_on, picture.recency):
            raise Contended(NEIGHBOUR, f"something older took the place of {latest.reference}")
        return _ending(latest, asked=found is None)

    def _judge(self, picture: Picture) -> Judgement:
        card = self.issuer.card
        with self.decoder.unfolded(picture) as pixels:
            obstacle = gate(picture, pixels, self.acceptance) or suits(picture.facts, card.accepts.age)
            if obstacle is not None:
                logger().info("cannot be assessed", media=picture.media, reason=obstacle.reason, detail=obstacle.sentence)
                return Unassessable(obstacle)
            return judge(self.classifier.classify(pixels, picture.facts), card)

    def _announce(self, event: ImagingEvent, standing: Standing) -> Standing:
        """As it stands afterwards. A report may change while its flag is on its way: the last flag says what stands."""
        for _ in range(TOLD_MAX):
            self._say(event, standing)
            said, standing = standing, self.reports.look(standing)
            if (said.status, said.mark) == (standing.status, standing.mark):
                return standing
        raise Contended(NEIGHBOUR, f"{standing.reference} changes faster than its flags are told")

    def _say(self, event: ImagingEvent, standing: Standing) -> None:
        if standing.mark is not None and standing.verbatim:  # else a clinician wrote another conclusion, which no flag contradicts
            self.flags.announce(flag_of(event, standing, standing.mark, self.issuer, self.now()))


def _ending(standing: Standing, *, asked: bool) -> Published | NotAssessable:
    if standing.mark is not None and standing.mark.score is None:
        return NotAssessable(standing.reference, standing.code)
    return Published(standing.reference, standing.code, asked)
