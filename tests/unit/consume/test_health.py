"""Live is what a restart would not mend; ready is what takes part, or waits on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tocsin.consume.liveness.deadlines import Deadlines
from tocsin.consume.liveness.health import not_live, not_ready, pages
from tocsin.consume.liveness.progress import Snapshot
from tocsin.kafka.types import Position, TopicPartition
from tocsin.telemetry.pings import Reach

DEADLINES = Deadlines(turn_max_s=100, wedged_after_s=200, commit_overdue_s=50)
AT = Position(TopicPartition("imaging.events.v1", 2), 41)
WELL = Snapshot(
    joined=True,
    polled_ago_s=0.1,
    committed_ago_s=1,
    oldest=AT,
    oldest_running_s=3,
    quietest=AT,
    quiet_s=1,
    turned_ago_s=0.1,
    undecided=2,
    paused_for=(),
    held_by=None,
)
REACHED = Reach(True, "", for_s=1000, asked_ago_s=1, ever=True)
AWAY = Reach(False, "no answer: connection refused (7)", for_s=1000, asked_ago_s=1, ever=True)
ALL = {"kafka": REACHED, "fhir": REACHED, "triton": REACHED}

CASES = {
    "all-is-well": (WELL, ALL, True, True),
    "the-loop-is-stuck": (replace(WELL, turned_ago_s=101), ALL, False, True),
    "a-journey-is-wedged": (replace(WELL, quiet_s=201, quietest=AT), ALL, False, True),
    "commits-are-refused-though-the-bus-answers": (replace(WELL, committed_ago_s=51), ALL, False, True),
    "commits-wait-for-a-bus-that-is-away": (replace(WELL, committed_ago_s=999), ALL | {"kafka": AWAY}, True, False),
    "the-bus-has-only-just-come-back": (replace(WELL, committed_ago_s=999), ALL | {"kafka": replace(REACHED, for_s=5)}, True, True),
    "a-neighbour-is-waited-for": (replace(WELL, paused_for=("fhir",)), ALL | {"fhir": AWAY}, True, True),
    "the-bus-is-waited-for": (replace(WELL, paused_for=("kafka",), polled_ago_s=999), ALL | {"kafka": AWAY}, True, True),
    "a-neighbour-is-away-unnoticed": (WELL, ALL | {"triton": AWAY}, True, False),
    "another-neighbour-is-waited-for": (replace(WELL, paused_for=("triton",)), ALL | {"fhir": AWAY}, True, False),
    "held-for-a-person": (replace(WELL, held_by="50 of the last 60 events were dead-lettered"), ALL, True, False),
    "a-transaction-holds-events-back": (replace(WELL, stalled=("a producer's transaction is open",)), ALL, True, False),
    "not-joined-yet": (replace(WELL, joined=False), ALL, True, False),
}


@pytest.mark.parametrize(("snapshot", "reaches", "live", "ready"), CASES.values(), ids=CASES.keys())
def test_live_and_ready_say_what_would_help(snapshot: Snapshot, reaches: dict[str, Reach], live: bool, ready: bool) -> None:
    assert (not list(not_live(snapshot, reaches, DEADLINES))) is live
    assert (not list(not_ready(snapshot, reaches))) is ready


def test_each_page_has_its_own_status_and_both_say_everything() -> None:
    snapshot = replace(WELL, quiet_s=201, quietest=AT, paused_for=("fhir",))
    made = {path: page() for path, page in pages(lambda: (snapshot, ALL | {"fhir": AWAY}), DEADLINES).items()}
    assert {path: page.good for path, page in made.items()} == {"/live": False, "/ready": True}
    body = made["/live"].body
    assert body == made["/ready"].body
    assert (body["live"], body["ready"]) == (False, True)
    assert body["not_live_because"] == ["imaging.events.v1[2]@41: a journey has had no answer for 201 s, longer than 200 s"]
    assert body["neighbours"]["fhir"] == {  # type: ignore[index] # a body is JSON of any shape
        "state": "waited for",
        "detail": "no answer: connection refused (7)",
        "for_s": 1000,
        "asked_ago_s": 1,
    }


def test_a_poll_that_was_never_answered_has_no_age() -> None:
    body = pages(lambda: (replace(WELL, joined=False), ALL), DEADLINES)["/ready"]().body
    assert body["polled_ago_s"] is None
    assert body["not_ready_because"] == ["the bus has answered no poll yet"]
