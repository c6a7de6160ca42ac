"""How backfills stand is counted each time somebody looks for those that stand still."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tocsin.archive.backfill.backfiller import ordered, standing
from tocsin.archive.types import Backfill, Query, State
from tocsin.telemetry.metrics import BACKFILLS

from tests.support.backfilling import NOON, SETTINGS, House, seconds
from tests.support.measured import measured

MINUTE = timedelta(minutes=1)


def backfill(state: State, note: str | None = None, due: timedelta = timedelta(0)) -> Backfill:
    return Backfill(
        version=1,
        id="0a1b2c3d",
        query=Query(),
        total=1,
        state=state,
        note=note,
        started_at=NOON,
        updated_at=NOON,
        next_at=NOON + due,
        per_second=5,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (backfill("running"), "running"),
        (backfill("running", note="waits: 600 announced pictures are not judged yet"), "waiting"),
        (backfill("running", due=-MINUTE), "overdue"),
        (backfill("running", note="waits", due=-MINUTE), "overdue"),
        (backfill("paused", note="the FHIR server refuses its search: HTTP 400", due=-MINUTE), "refused"),
        (backfill("paused", due=-MINUTE), "paused"),
        (backfill("done"), None),
        (backfill("cancelled"), None),
    ],
)
def test_a_backfill_stands_as_its_state_its_note_and_its_next_step_say(found: Backfill, expected: str | None) -> None:
    assert standing(found, latest=NOON) == expected


def test_a_backfill_that_an_operator_pauses_while_it_waits_is_paused_and_one_that_was_refused_stays_so() -> None:
    order = backfill("paused").model_copy(update={"updated_at": NOON + MINUTE})
    assert standing(ordered(backfill("running", note="waits"), order), latest=NOON) == "paused"
    assert standing(ordered(backfill("paused", note="refused"), order), latest=NOON) == "refused"


def test_whoever_looks_for_backfills_that_stand_still_counts_them_and_those_that_do_not() -> None:
    house = House()
    house.fill(3)
    house.start()
    lost = house.start()
    with measured() as found:
        assert house.worker().overdue() == []
        house.clock.now += seconds(SETTINGS.stale_after_s + 1)
        house.backfills.order(house.standing(lost), "paused")
        assert len(house.worker().overdue()) == 1
        assert [found.of(BACKFILLS, state=each) for each in ("running", "overdue", "paused")] == [2, 1, 1]
