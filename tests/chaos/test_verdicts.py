"""The auditor of verdicts sees each thing that can be wrong, and nothing where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.evidence import Act
from tests.chaos.manifest import Given
from tests.chaos.verdicts import Verdicts, judge_verdicts, open_verdicts

REPORT = "DiagnosticReport/r1"
AT = "2026-03-01T09:30:00.123456+00:00"
KEPT = "2026-03-01T09:30:00.123+00:00"


def verdict(id_: str = "v1", act: str = "accept", at: str = AT) -> dict[str, Any]:
    return {"kind": "verdict", "id": id_, "report": REPORT, "act": act, "decided_at": at}


def standing(state: str, of: str = "v1") -> dict[str, Any]:
    return {"kind": "standing", "verdict": of, "state": state}


GIVEN = [Given("v1", REPORT, "accept")]
RECORDED = [verdict(), standing("recorded")]
ACT = Act(REPORT, "accept", KEPT)
UNDONE = Act(REPORT, "undo", "2026-03-01T10:00:00+00:00")


def found(
    told: list[dict[str, Any]], acts: list[Act], history: tuple[str, ...] = ("preliminary", "final"), given: list[Given] | None = None
) -> Verdicts:
    return judge_verdicts(GIVEN if given is None else given, told, acts, {REPORT: history} if acts else {})


def wrong(of: Verdicts) -> tuple[int, int, int]:
    return len(of.lost), len(of.doubled), len(of.overridden)


@pytest.mark.parametrize(
    ("told", "acts"),
    [
        (RECORDED, [ACT]),
        ([verdict(), verdict(), standing("waiting"), standing("recorded"), standing("recorded")], [ACT]),
        ([verdict(at="2026-03-01T09:29:58+00:00"), verdict(), standing("recorded")], [ACT]),
        ([verdict()], []),
        ([verdict()], [ACT]),
        ([verdict(), standing("waiting")], []),
        ([verdict(), standing("overtaken")], []),
        ([verdict(), standing("refused")], []),
    ],
    ids=["once", "told again", "sent again to another process", "not yet", "not told yet", "waits", "overtaken", "refused"],
)
def test_once_in_the_record_or_visibly_not_is_well(told: list[dict[str, Any]], acts: list[Act]) -> None:
    assert wrong(found(told, acts)) == (0, 0, 0)


def test_an_acknowledged_verdict_that_the_bus_does_not_have_is_lost() -> None:
    assert wrong(found([], [])) == (1, 0, 0)
    assert wrong(found([verdict(act="override")], [])) == (1, 0, 0)


def test_what_the_bus_says_and_the_record_does_not_is_lost() -> None:
    assert wrong(found(RECORDED, [])) == (1, 0, 0)
    assert wrong(found([verdict(), standing("overtaken")], [ACT])) == (1, 0, 0)


def test_two_provenances_of_one_act_are_one_too_many() -> None:
    assert wrong(found(RECORDED, [ACT, ACT])) == (0, 1, 0)


def test_an_ai_version_over_a_persons_act_is_seen_and_an_undo_is_none() -> None:
    over = ("preliminary", "final", "preliminary")
    assert wrong(found(RECORDED, [ACT], over)) == (0, 0, 1)
    assert wrong(found(RECORDED, [ACT], ("preliminary", "final", "entered-in-error"))) == (0, 0, 1)
    undone = [*RECORDED, verdict("v2", "undo", UNDONE.at), standing("recorded", "v2")]
    assert wrong(found(undone, [ACT, UNDONE], over)) == (0, 0, 0)
    assert wrong(found(undone, [ACT, UNDONE], (*over, "final", "preliminary"))) == (0, 0, 1)


def test_open_are_those_of_which_the_bus_does_not_say_what_they_came_to() -> None:
    assert open_verdicts([verdict(), verdict("v2"), standing("recorded"), standing("waiting", "v2"), verdict("v3")]) == 2
