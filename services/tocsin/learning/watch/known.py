"""The sentinels: pictures whose answers are known, asked about again and again, so that a changed deployment shows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tocsin.errors import TocsinError
from tocsin.fidelity.answers import KnownPictures
from tocsin.fidelity.check import answers_of, arithmetic_of
from tocsin.fidelity.compare import flags_allowed, moved, within
from tocsin.fidelity.look import Looking
from tocsin.learning.watch.types import ALL, Look, Signal
from tocsin.telemetry.log import logger
from tocsin.terminal import Progress

SIGNAL: Final[Signal] = "known-pictures"


def look_at_known(known: KnownPictures, folder: Path, looking: Looking, progress: Progress) -> Look:
    """Whether Triton answers within the card's tolerance. Raises ConfigurationError where the card states none.

    unanswered where not every answer could be had, or a picture is not as it was; the log says why.
    """
    limits = arithmetic_of(looking.card).tolerance
    try:
        answered = answers_of(known, folder, looking, progress)
    except TocsinError as error:
        logger().warning("known pictures were not answered", detail=str(error), advice="run `tocsin check`; it is tried again")
        return Look(SIGNAL, ALL, "unanswered", len(known.pictures))
    found = moved(known.findings(looking.card), answered, looking.card)
    figure = max(
        found.score_max / limits.score_max,
        found.score_mean / limits.score_mean,
        len(found.flipped) / flags_allowed(found.count, limits),
    )
    return Look(SIGNAL, ALL, "quiet" if within(found, limits) else "alarm", found.count, figure)
