"""While the model thinks about one picture, the memory of its pixels serves the next one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tocsin.event.types import ImagingEvent
from tocsin.image.decode import Decoder
from tocsin.image.gate import acceptance
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import PatientFacts
from tocsin.inference.types import Findings, Tensor
from tocsin.journey import Journey
from tocsin.outcome import Published
from tocsin.report.grounds import grounds_by
from tocsin.report.publish import Publisher
from tocsin.report.resources.compose import Issuer
from tocsin.risk.look import Judge
from tocsin.settings import ImageSettings

from tests.builders import card, event_json, picture
from tests.fakes.stages import FakeClassifier, FakeFlags, FakePictures, FakeReports

CARD = card()
ISSUER = Issuer(CARD, "urn:tocsin:site:test")
ACCEPTED = acceptance(CARD, ImageSettings())


@dataclass
class AskedClassifier(FakeClassifier):
    """Classifier port that looks at something whenever it is asked."""

    look: Callable[[], int] = lambda: 0
    seen: list[int] = field(default_factory=list)

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """See Classifier."""
        self.seen.append(self.look())
        return super().classify(image, facts)


def test_no_memory_for_pixels_is_held_while_the_model_is_asked() -> None:
    allowance = Allowance(100_000_000, wait_s=10, holders_max=1)
    classifier = AskedClassifier(CARD, look=lambda: allowance.lent_bytes)
    journey = Journey(
        pictures=FakePictures({"Media/m1": picture()}),
        judge=Judge(Decoder(allowance, pixels_max=1_000_000, reduce_to_px=None), ACCEPTED, classifier, CARD),
        grounds=grounds_by(CARD, ACCEPTED, edition=0),
        publisher=Publisher(FakeReports(ISSUER), FakeFlags(), ISSUER, lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)),
    )
    assert isinstance(journey(ImagingEvent.model_validate(event_json())), Published)
    assert classifier.seen == [0]
