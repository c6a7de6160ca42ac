"""What is remembered in the process of a page: bounded, and never older than what the bus says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tocsin.review.types import Act, State
from tocsin.serve.page.notices import merged
from tocsin.serve.page.ports import Kept
from tocsin.serve.page.submissions import AnotherAct, Submissions

from tests.fakes.page import CLINICIAN, NOW, clinic, verdict_on

BY = (CLINICIAN, "https://ehr.test/fhir")


@pytest.mark.parametrize(
    ("here", "bus", "known"),
    [
        (State.WAITING, State.REFUSED, State.REFUSED),
        (State.WAITING, State.RECORDED, State.RECORDED),
        (State.RECORDED, State.WAITING, State.RECORDED),
        (State.OVERTAKEN, State.WAITING, State.OVERTAKEN),
    ],
)
def test_what_is_settled_holds_before_what_waits(here: State, bus: State, known: State) -> None:
    found = merged([Kept("v", Act.ACCEPT, here, BY)], [Kept("v", Act.ACCEPT, bus)])
    assert found == {"v": Kept("v", Act.ACCEPT, known, BY)}


def test_verdicts_of_other_processes_are_known_by_the_bus_alone() -> None:
    assert list(merged([], [Kept("v", Act.ACCEPT, State.WAITING)])) == ["v"]


def test_the_same_submission_is_the_verdict_that_came_first() -> None:
    made, kept = clinic(b"picture"), Submissions()
    first = verdict_on(made, Act.ACCEPT, CLINICIAN)
    again = first.model_copy(update={"decided_at": NOW + timedelta(seconds=5)})
    assert kept.once("form", first) is first
    assert kept.once("form", again) is first
    with pytest.raises(AnotherAct):
        kept.once("form", verdict_on(made, Act.CORRECT, CLINICIAN, "mel"))


def test_submissions_are_bounded() -> None:
    made, kept = clinic(b"picture"), Submissions(kept_max=2)
    verdicts = [verdict_on(made, Act.ACCEPT, CLINICIAN) for _ in range(3)]
    for each in verdicts:
        kept.once(each.id, each)
    again = verdicts[0].model_copy(update={"decided_at": NOW + timedelta(seconds=5)})
    assert kept.once(again.id, again) is again
