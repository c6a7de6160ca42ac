"""Composes what trains an input gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tocsin.errors import ConfigurationError
from tocsin.inference.triton import TritonClassifier
from tocsin.learning.gate.pictures import Looking
from tocsin.model_card import read_card
from tocsin.settings import Settings


@contextmanager
def looking(settings: Settings) -> Iterator[Looking]:
    """Asks this site's Triton for features. Raises ConfigurationError where the card names none."""
    card = read_card(settings.model.card)
    if card.output.features is None:
        raise ConfigurationError(
            f"the card of {card.model} names no features, from which a gate is trained: serve the version of the network that answers them "
            "(`tocsin model build --features`) and name its card in TOCSIN_MODEL__CARD"
        )
    with closing(TritonClassifier(settings.triton, card, with_features=True)) as classifier:
        yield Looking(classifier, card, settings.image.pixels_max)
