"""event -> image -> inference -> risk -> report, for one event: read this first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.errors import FHIR, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.image.decode import Decoder
from tocsin.image.gate import Acceptance
from tocsin.image.ports import Pictures
from tocsin.image.types import Obstacle, Picture
from tocsin.inference.ports import Classifier
from tocsin.model_card import ModelCard
from tocsin.outcome import NotAssessable, Published
from tocsin.report.publish import Publisher
from tocsin.report.types import Grounds
from tocsin.risk.judge import judge
from tocsin.risk.look import looked_at
from tocsin.risk.types import Judgement, Unassessable
from tocsin.site.gate import InputGate
from tocsin.telemetry.calls import stage
from tocsin.telemetry.log import logger


@dataclass(frozen=True, slots=True)
class Journey:
    """Takes an event from its picture to its report.

    Safe for threads: journeys share adapters and nothing else, so that two patients can never mix.
    """

    pictures: Pictures
    decoder: Decoder
    acceptance: Acceptance
    classifier: Classifier
    card: ModelCard
    grounds: Callable[[Picture], Grounds]
    publisher: Publisher
    input_gate: InputGate | None = None
    """The site's, which needs a classifier that answers features."""

    def __call__(self, event: ImagingEvent) -> Published | NotAssessable:
        """Fetch the event's picture, judge it, and publish its report.

        Both endings are durable: the report stands in the FHIR server and Kafka has its flag. The picture is judged only where its report
        does not stand yet. Raises Refused, Deferred or Stop.
        """
        with stage("fetch"):
            picture = self.pictures.fetch(event)
        return self.publisher.publish(event, picture, self.grounds(picture), lambda: self._judge(picture))

    def _judge(self, picture: Picture) -> Judgement:
        seen = looked_at(picture, self.decoder, self.acceptance, self.card)
        if isinstance(seen, Obstacle):
            logger().info("cannot be assessed", media=picture.media, reason=seen.reason, detail=seen.sentence)
            return Unassessable(seen)
        try:
            with stage("infer"):
                findings = self.classifier.classify(seen, picture.facts)
        except Unavailable as away:
            away.served = frozenset((FHIR,))  # the FHIR server gave the picture
            raise
        return judge(findings, self.card, self.input_gate)
