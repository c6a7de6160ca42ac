"""The audit sample: reports below threshold that are put up for an ordinary reading, each drawn with a known probability. Pure.

Where flagged lesions alone are examined, missed cancers stay unseen and sensitivity is an upper bound (Begg and Greenes, Biometrics 39:207,
1983). A sample with known probabilities gives an honest figure: each picture drawn stands for as many as one over its probability (Horvitz
and Thompson, J. Am. Stat. Assoc. 47:663, 1952). A draw rests on the picture's id and the site's secret alone: whoever repeats it draws the
same, and nobody without the secret can tell it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tocsin.report.flag import WITHDRAWN, Flag

_FARTHEST: Final = 1e-12
"""Scores nearer to 0 or 1 count as if they were this near: a logit has no end."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a report said of a picture."""

    media: str
    """Media/<id>."""
    score: float | None
    """As the report states it; None where the picture was not assessable."""
    flagged: bool
    status: str
    """FHIR diagnostic-report-status."""
    issued: datetime | None
    """Aware; None where that is not known."""

    @classmethod
    def by(cls, flag: Flag) -> Judged:
        """What the flag says."""
        return cls(flag.media, flag.probability, flag.flagged, flag.status, flag.issued)


@dataclass(frozen=True, slots=True)
class Sample:
    """How reports below threshold are drawn."""

    rate: float
    """Probability far below the threshold."""
    near_weight: float
    """How many times as much it is at the threshold; it falls by e with each unit of the logit below."""
    probability_max: float
    threshold: float
    """Score from which a report is flagged."""
    since: datetime
    """Reports issued before (aware) are not drawn from."""
    secret: bytes = field(repr=False)

    def probability(self, judged: Judged) -> float | None:
        """With which probability the report is drawn; None where it is not drawn from: flagged, not assessable, withdrawn, or of before."""
        if judged.flagged or judged.score is None or judged.status in WITHDRAWN or judged.issued is None or judged.issued < self.since:
            return None
        below = max(0.0, _logit(self.threshold) - _logit(judged.score))
        return min(self.probability_max, self.rate * (1 + (self.near_weight - 1) * math.exp(-below)))

    def draws(self, judged: Judged) -> bool:
        """Whether the report is in the sample."""
        probability = self.probability(judged)
        return probability is not None and self._number(judged.media) < probability

    def _number(self, media: str) -> float:
        """Even over [0, 1); another design draws anew."""
        said = f"tocsin audit sample\n{self.rate!r} {self.near_weight!r} {self.probability_max!r} {self.since.timestamp()!r}\n{media}"
        digest = hmac.digest(self.secret, said.encode("utf-8"), hashlib.sha256)
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _logit(share: float) -> float:
    known = min(max(share, _FARTHEST), 1 - _FARTHEST)
    return math.log(known / (1 - known))
