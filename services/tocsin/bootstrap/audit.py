"""Composes the audit sample."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.review.sample import Judged, Sample
from tocsin.settings import Settings


def sample_of(settings: Settings, card: ModelCard) -> Sample | None:
    """How this installation draws; None where it does not. `card` as it is used here."""
    of = settings.audit
    flagged = [band.at_least for band in card.operating_point.bands if band.flagged]
    if of.rate is None or of.secret is None or of.since is None or not flagged:
        return None
    return Sample(
        rate=of.rate,
        near_weight=of.near_weight,
        probability_max=of.probability_max,
        threshold=min(flagged),
        since=of.since,
        secret=of.secret.get_secret_value().encode("utf-8"),
    )


def drawn(settings: Settings, card: ModelCard) -> Callable[[Flag], bool]:
    """Whether the sample draws a report of this installation."""
    sample, source = sample_of(settings, card), settings.report.source
    return lambda flag: sample is not None and flag.source == source and sample.draws(Judged.by(flag))
