"""What the page says of verdicts that are kept and not in the record, and of the one that the reader has just given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tocsin.review.types import State
from tocsin.serve.page.ports import Kept
from tocsin.serve.page.words import DONE, STATES
from tocsin.serve.types import Session
from tocsin.words.catalogue import to_say

_NOT_RECORDED = (State.WAITING, State.REFUSED)
OTHERS = {
    State.WAITING: to_say("Another clinician's verdict is kept, and not yet in the record."),
    State.REFUSED: to_say("Another clinician's verdict is kept, but the record refuses it."),
}
UNKNOWN = {
    State.WAITING: to_say("A verdict is kept, and not yet in the record."),
    State.REFUSED: to_say("A verdict is kept, but the record refuses it."),
}
"""Of a verdict of which it is not known here whose it is."""


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


def merged(here: Iterable[Kept], bus: Iterable[Kept]) -> dict[str, Kept]:
    """By its id, what is known of each verdict in this process and by the bus: what is settled holds before what waits."""
    found = {each.verdict: each for each in here}
    for each in bus:
        known = found.get(each.verdict, each)
        found[each.verdict] = known if each.state is State.WAITING else replace(each, by=each.by or known.by)
    return found


def _is_told(kept: Kept, session: Session, just_given: str | None) -> bool:
    return kept.state in _NOT_RECORDED or (kept.verdict == just_given and _is_own(kept, session))


def _is_own(kept: Kept, session: Session) -> bool:
    return kept.by == (session.clinician, session.issuer)


def _notice(kept: Kept, session: Session) -> Notice:
    title, advice = STATES[kept.state]
    if not _is_own(kept, session):
        title, advice = (UNKNOWN if kept.by is None else OTHERS)[kept.state], ""
    return Notice(title, advice, kept.state, DONE[kept.act], kept.verdict)
