"""event -> image -> inference -> risk -> report, for one event: read this first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.errors import FHIR, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.image.ports import Pictures
from tocsin.image.types import Picture
from tocsin.outcome import NotAssessable, Published
from tocsin.report.publish import Publisher
from tocsin.report.types import Grounds
from tocsin.risk.look import Judge
from tocsin.risk.types import Judgement, Unassessable
from tocsin.telemetry.calls import stage
from tocsin.telemetry.log import logger


@dataclass(frozen=True, slots=True)
class Journey:
    """Takes an event from its picture to its report.

    Safe for threads: journeys share adapters and nothing else, so that two patients can never mix.
    """

    pictures: Pictures
    judge: Judge
    grounds: Callable[[Picture], Grounds]
    publisher: Publisher

    def __call__(self, event: ImagingEvent) -> Published | NotAssessable:
        """Fetch the event's picture, judge it, and publish its report.

        Both endings are durable: the report stands in the FHIR server and Kafka has its flag. The picture is judged only where its report
        does not stand yet. Raises Refused, Deferred or Stop.
        """
        with stage("fetch"):
            picture = self.pictures.fetch(event)
        return self.publisher.publish(event, picture, self.grounds(picture), self._judge)

    def _judge(self, picture: Picture) -> Judgement:
        try:
            judgement = self.judge(picture)
        except Unavailable as away:
            away.served = frozenset((FHIR,))  # the FHIR server gave the picture
            raise
        if isinstance(judgement, Unassessable):
            obstacle = judgement.obstacle
            logger().info("cannot be assessed", media=picture.media, reason=obstacle.reason, detail=obstacle.sentence)
        return judgement
