"""event -> image -> inference -> risk -> report, for one event: read this first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tocsin.errors import FHIR, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.image.decode import Decoder
from tocsin.image.gate import Acceptance, gate
from tocsin.image.ports import Pictures
from tocsin.image.types import Obstacle, Picture, Pixels
from tocsin.inference.inputs import image_tensor
from tocsin.inference.ports import Classifier
from tocsin.inference.types import Tensor
from tocsin.model_card import ModelCard
from tocsin.outcome import NotAssessable, Published
from tocsin.report.publish import Publisher
from tocsin.report.types import Grounds
from tocsin.risk.judge import judge, suits
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
        seen = self._looked_at(picture)
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

    def _looked_at(self, picture: Picture) -> Tensor | Obstacle:
        """What the model will see, or why it must not; the pixels' memory is free before the model is asked."""
        return self.decoder.unfolded(picture, partial(self._gated, picture))

    def _gated(self, picture: Picture, pixels: Pixels) -> Tensor | Obstacle:
        with stage("gate"):
            obstacle = gate(picture, pixels, self.acceptance) or suits(picture.facts, self.card.accepts.age)
            return image_tensor(pixels, self.card.image) if obstacle is None else obstacle
