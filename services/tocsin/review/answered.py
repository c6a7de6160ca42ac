"""What EHRs tell of the cards of one report: answers that somebody gave in the EHR, which are no verdicts (deploy/decisions/0047). Pure.

The same answers make the same whole, in whichever order and however often they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tocsin.review.feedback import Feedback, Outcome
from tocsin.review.feedback import Reason as Coded

ANSWERS_MAX: Final = 5
"""Most answers of one report that are held, the newest: a card is shared by all its readers, and each may answer it."""
EVICTED_SHARE: Final = 20
"""One report of so many leaves a full book at a time."""


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """One answer to a card, as an EHR tells of it: by nobody who is known; times are aware."""

    id: str
    """The same for the same answer told again."""
    outcome: Outcome
    reason: Coded | None
    """Why the card was put away, where the EHR says so in a code; not always one of Tocsin's."""
    commented: bool
    """Whether its reader wrote something, which the EHR alone has."""
    report_version: str | None
    """Version of the report that the card told of; None where that is not known."""
    answered_at: datetime
    """By the EHR's clock."""
    received_at: datetime
    """When it was told first, by Tocsin's."""


@dataclass(frozen=True, slots=True)
class Answered:
    """All that is held of the answers to one report's cards."""

    answers: tuple[CardAnswer, ...] = ()
    """Oldest first."""
    more: bool = False
    """Whether there are older ones, which are not held."""

    def __bool__(self) -> bool:
        return bool(self.answers)

    @property
    def last(self) -> CardAnswer | None:
        """The newest answer."""
        return self.answers[-1] if self.answers else None

    @property
    def received_at(self) -> datetime | None:
        """When an EHR last told of one."""
        return max((each.received_at for each in self.answers), default=None)

    def told(self, answer: CardAnswer) -> Answered:
        """The same with this answer; one that is told again changes nothing but since when it is known."""
        held = {each.id: each for each in self.answers}
        known = held.get(answer.id, answer)
        held[answer.id] = replace(known, received_at=min(known.received_at, answer.received_at))
        ordered = _in_order(held.values())
        return Answered(tuple(ordered[-ANSWERS_MAX:]), self.more or len(ordered) > ANSWERS_MAX)


NOTHING: Final = Answered()


@dataclass(slots=True)
class CardBook:
    """The answers by report, of at most `reports_max` of them: of more, those that were told of longest ago leave. Not safe for threads."""

    reports_max: int
    _told: dict[str, Answered] = field(default_factory=dict)

    def of(self, report: str) -> Answered:
        """What is held of this DiagnosticReport/<id>."""
        return self._told.get(report, NOTHING)

    def take(self, report: str, feedback: Feedback) -> Sequence[str]:
        """Take in an answer to a card of this report; gives the reports of which something else is held now."""
        self._told[report] = self.of(report).told(answer_of(feedback))
        if len(self._told) <= self.reports_max:
            return [report]
        oldest = sorted(self._told, key=lambda each: self._told[each].received_at or feedback.received_at)
        return [report, *map(self.drop, oldest[: max(1, self.reports_max // EVICTED_SHARE)])]

    def forget(self, before: datetime) -> Sequence[str]:
        """Drop what was told of before this time (aware) alone; gives the reports of which something else is held now."""
        return [self.drop(report) for report, each in list(self._told.items()) if each.received_at and each.received_at < before]

    def drop(self, report: str) -> str:
        """Hold nothing of this report any more; gives the report."""
        self._told.pop(report, None)
        return report

    def clear(self) -> None:
        """Hold nothing any more."""
        self._told.clear()


def answer_of(feedback: Feedback) -> CardAnswer:
    """The answer that feedback tells of."""
    return CardAnswer(
        feedback.id,
        feedback.outcome,
        feedback.reason,
        feedback.commented,
        feedback.report_version,
        feedback.answered_at,
        feedback.received_at,
    )


def _in_order(answers: Iterable[CardAnswer]) -> list[CardAnswer]:
    return sorted(answers, key=lambda each: (each.answered_at, each.id))
