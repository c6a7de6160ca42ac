"""A bus that takes feedback, or does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tocsin.errors import Unavailable
from tocsin.review.feedback import Feedback


@dataclass
class FakeFeedbacks:
    """The Feedbacks port."""

    kept: list[Feedback] = field(default_factory=list)
    away: bool = False

    def keep(self, feedback: Sequence[Feedback]) -> None:
        """See Feedbacks.keep."""
        if self.away:
            raise Unavailable("kafka", "away")
        self.kept += feedback
