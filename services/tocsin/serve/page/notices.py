"""What the page says of verdicts that are kept and not in the record, and of the one that the reader has just given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tocsin.fhir.datatypes import Json, reference_to
from tocsin.review.acted import acted
from tocsin.review.history import Entry, is_recorded
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


def notices(kept: Sequence[Kept], session: Session, just_given: str | None, entries: Iterable[Entry]) -> list[Notice]:
    """A notice for each verdict of which the reader is to know what became.

    These are the one that they have just given, each that is kept and not in the record, and their own that was overtaken, until they act
    on the report again; `entries` are the acts that the record tells.
    """
    own = [each for each in kept if _is_own(each, session)]
    acts = [each.decided_at for each in own] + [each.at for each in entries if each.act is not None and each.who == session.clinician]
    last = max(filter(None, acts), default=None)
    told = {each.verdict for each in own if each.verdict == just_given or (each.state is State.OVERTAKEN and each.decided_at == last)}
    return [_notice(each, session) for each in kept if each.state in _NOT_RECORDED or each.verdict in told]


def merged(here: Iterable[Kept], bus: Iterable[Kept]) -> dict[str, Kept]:
    """By its id, what is known of each verdict in this process and by the bus: what is settled holds before what waits."""
    found = {each.verdict: each for each in here}
    for each in bus:
        known = found.get(each.verdict, each)
        found[each.verdict] = known if each.state is State.WAITING else replace(known, state=each.state)
    return found


def settled(kept: Kept, report: Json, version: str | None, provenance: Sequence[Json] | None) -> Kept:
    """The same by what the record tells: recorded where the act has its place there, or overtaken where it waits and has none, and the
    report is of another `version` than its clinician saw. `report` is the DiagnosticReport, whole, and `provenance` tells the acts on it;
    None where they are not known.
    """
    last = acted(report)
    if (last is not None and last.verdict == kept.verdict) or is_recorded(kept.verdict, reference_to(report), provenance or ()):
        return replace(kept, state=State.RECORDED)
    changed = None not in (provenance, version, kept.report_version) and kept.report_version != version
    return replace(kept, state=State.OVERTAKEN) if changed and kept.state is State.WAITING else kept


def _is_own(kept: Kept, session: Session) -> bool:
    return kept.by == (session.clinician, session.issuer)


def _notice(kept: Kept, session: Session) -> Notice:
    title, advice = STATES[kept.state]
    if not _is_own(kept, session):
        title, advice = (UNKNOWN if kept.by is None else OTHERS)[kept.state], ""
    return Notice(title, advice, kept.state, DONE[kept.act], kept.verdict)
