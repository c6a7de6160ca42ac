"""What the page says of verdicts that are kept and not in the record, and of the one that the reader has just given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tocsin.review.types import State
from tocsin.serve.page.ports import Kept
from tocsin.serve.page.words import DONE, STATES
from tocsin.serve.types import Session

_NOT_RECORDED = (State.WAITING, State.REFUSED)
OTHERS_WAIT = "Another clinician's verdict is kept, and not yet in the record."
OTHERS_REFUSED = "Another clinician's verdict is kept, but the record refuses it."


@dataclass(frozen=True, slots=True)
class Notice:
    """One message at the head of the page: sentences of the catalogue."""

    title: str
    advice: str
    state: State
    act: str
    """What the clinician did."""
    number: str
    """Id of the verdict, by which it can be asked for."""


def notices(kept: Iterable[Kept], session: Session, just_given: str | None) -> list[Notice]:
    """A notice for the verdict that the reader has just given, and for each that is kept and not in the record."""
    return [_notice(each, session) for each in kept if _is_told(each, session, just_given)]


def _is_told(kept: Kept, session: Session, just_given: str | None) -> bool:
    return kept.standing.state in _NOT_RECORDED or (kept.verdict.id == just_given and _is_own(kept, session))


def _is_own(kept: Kept, session: Session) -> bool:
    return (kept.verdict.clinician, kept.verdict.issuer) == (session.clinician, session.issuer)


def _notice(kept: Kept, session: Session) -> Notice:
    title, advice = STATES[kept.standing.state]
    if not _is_own(kept, session):
        title, advice = (OTHERS_WAIT if kept.standing.state is State.WAITING else OTHERS_REFUSED), ""
    return Notice(title, advice, kept.standing.state, DONE[kept.verdict.act], kept.verdict.id)


def as_recorded(kept: Kept) -> Kept:
    """The same, once the record has it: what was known before is out of date."""
    return Kept(kept.verdict, kept.standing.model_copy(update={"state": State.RECORDED, "reason": None}))
