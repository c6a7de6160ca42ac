"""What became of clinicians' verdicts, from what Kafka and the FHIR server hold. It shares no code with the product.

An acknowledged verdict stands in the record once: one Provenance of a verifier tells of the act, at a moment the bus states; or it is
visibly not yet there: the bus has it, and does not say that it is recorded. *Lost verdict* is any other acknowledged one; *doubled* one
with more than one Provenance. *Overridden by the AI* is a report that is preliminary again though nobody took the act back, or withdrawn,
though no clinician of a run withdraws anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from tests.chaos.evidence import Act, Json
from tests.chaos.manifest import Given

RECORDED: Final = "recorded"
UNDO: Final = "undo"
SETTLED: Final = frozenset({RECORDED, "overtaken"})
DECIDED: Final = frozenset({"final", "amended", "corrected"})


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the audit of verdicts found; each tuple has one line for each thing that is wrong."""

    acknowledged: int = 0
    recorded: int = 0
    """Of those on the bus, so many stand in the record."""
    states: Mapping[str, int] = field(default_factory=dict)
    """Last word of the bus -> verdicts; `silent`: it has said nothing yet."""
    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()


def judge_verdicts(given: Sequence[Given], told: Sequence[Json], acts: Sequence[Act], histories: Mapping[str, Sequence[str]]) -> Verdicts:
    """`told` is the topic of verdicts in order of each report, `acts` what verifiers' Provenances tell, `histories` each report's statuses.

    A history begins with the oldest version.
    """
    said = _Said(told)
    counted = Counter((act.report, act.kind, _moment(act.at)) for act in acts)
    in_record = {id_: sum(counted[report, act, at] for at in said.moments[id_]) for id_, (report, act) in said.keys.items()}
    return Verdicts(
        acknowledged=len(given),
        recorded=sum(count > 0 for count in in_record.values()),
        states=dict(Counter(said.state.get(id_, "silent") for id_ in said.keys)),
        lost=tuple(_lost(given, said, in_record)),
        doubled=tuple(f"{id_}: {count} Provenances" for id_, count in in_record.items() if count > 1),
        overridden=tuple(_overridden(histories, acts)),
    )


def open_verdicts(told: Sequence[Json]) -> int:
    """How many verdicts the bus has of which it does not say what they came to."""
    said = _Said(told)
    return sum(said.state.get(id_) not in SETTLED for id_ in said.keys)


class _Said:
    """What the bus says of each verdict."""

    def __init__(self, told: Sequence[Json]) -> None:
        self.keys: dict[str, tuple[str, str]] = {}
        """Id -> report and act."""
        self.moments: dict[str, set[datetime]] = {}
        """Id -> when it was decided: at each moment at which its form was sent to a process that did not know of it."""
        self.state: dict[str, str] = {}
        """Id -> the last state; RECORDED is never taken back."""
        for each in told:
            if each["kind"] == "verdict":
                self.keys.setdefault(each["id"], (each["report"], each["act"]))
                self.moments.setdefault(each["id"], set()).add(_moment(each["decided_at"]))
            elif each["kind"] == "standing" and self.state.get(each["verdict"]) != RECORDED:
                self.state[each["verdict"]] = each["state"]


def _lost(given: Sequence[Given], said: _Said, in_record: Mapping[str, int]) -> Iterator[str]:
    for each in given:
        state, count = said.state.get(each.id, "silent"), in_record.get(each.id, 0)
        if each.id not in said.keys:
            yield f"{each.id}: acknowledged, and not on the bus"
        elif said.keys[each.id] != (each.report, each.act):
            yield f"{each.id}: the bus has another act than was given"
    for id_, count in in_record.items():
        state = said.state.get(id_, "silent")
        if state == RECORDED and count == 0:
            yield f"{id_}: said to be recorded, and not in the record"
        elif state in ("overtaken", "refused") and count > 0:
            yield f"{id_}: in the record, and said to be {state}"


def _overridden(histories: Mapping[str, Sequence[str]], acts: Sequence[Act]) -> Iterator[str]:
    undone = Counter(act.report for act in acts if act.kind == UNDO)
    for report, statuses in histories.items():
        back = sum(before in DECIDED and after not in DECIDED for before, after in pairwise(statuses))
        if back > undone[report] or "entered-in-error" in statuses:
            yield f"{report}: {' > '.join(statuses)}, {undone[report]} taken back"


def _moment(stated: str) -> datetime:
    """To the millisecond, as the record keeps it."""
    found = datetime.fromisoformat(stated)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)
