"""Composes what `tocsin evaluate` runs: a journey up to its judgement, without record and bus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tocsin.bootstrap.journey import allowance
from tocsin.image.decode import Decoder
from tocsin.image.gate import acceptance
from tocsin.inference.triton import TritonClassifier
from tocsin.learning.run import Judging
from tocsin.model_card import ModelCard
from tocsin.settings import Settings


@contextmanager
def judging(settings: Settings, card: ModelCard) -> Iterator[Judging]:
    """What judges a picture as a journey does, until the block ends. Raises ConfigurationError; reaches out to nobody yet."""
    classifier = TritonClassifier(settings.triton, card)
    decoder = Decoder(allowance(settings), pixels_max=settings.image.pixels_max, reduce_to_px=card.image.reduce_to_px)
    try:
        yield Judging(decoder, acceptance(card, settings.image), classifier, card)
    finally:
        classifier.close()
