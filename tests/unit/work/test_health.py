"""What `tocsin work` and `tocsin beat` say of themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tocsin.telemetry.pings import Reach
from tocsin.work.health import Moment, Pulse, not_live, not_ready, pages

SILENCE_MAX_S = 60.0
REACHED = Reach(True, "", for_s=1000.0, asked_ago_s=1.0, ever=True)
AWAY = Reach(False, "ConnectionError", for_s=1000.0, asked_ago_s=1.0, ever=True)
JUST_BACK = Reach(True, "", for_s=5.0, asked_ago_s=1.0, ever=True)


def at(turned_ago_s: float = 1.0, took_ago_s: float = 1.0, waiting: int = 0, waiting_s: float = 0.0, redis: Reach = REACHED) -> Moment:
    return Moment(turned_ago_s, took_ago_s, waiting, waiting_s, redis)


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        pytest.param(at(), None, id="it gets on"),
        pytest.param(at(turned_ago_s=61), "the loop has not gone round for 61 s", id="a loop that stands"),
        pytest.param(at(turned_ago_s=600, redis=AWAY), None, id="a loop that waits for redis"),
        pytest.param(at(turned_ago_s=600, redis=JUST_BACK), None, id="a loop that waited for redis until now"),
        pytest.param(at(took_ago_s=600), None, id="nothing to take"),
        pytest.param(
            at(took_ago_s=90, waiting=3, waiting_s=70), "no task was taken for 70 s although 3 wait", id="a worker that takes nothing"
        ),
        pytest.param(at(took_ago_s=90, waiting=3, waiting_s=20), None, id="tasks that have come just now"),
        pytest.param(at(took_ago_s=20, waiting=3, waiting_s=900), None, id="a long queue that is worked at"),
        pytest.param(at(took_ago_s=600, waiting=3, waiting_s=600, redis=AWAY), None, id="tasks that wait behind a redis that is away"),
    ],
)
def test_a_process_is_live_unless_a_restart_would_help(moment: Moment, found: str | None) -> None:
    reasons = list(not_live(moment, SILENCE_MAX_S))
    assert len(reasons) == (found is not None)
    assert all(each.startswith(str(found)) for each in reasons)


def test_a_process_is_ready_where_redis_answers() -> None:
    assert list(not_ready(at())) == []
    assert list(not_ready(at(redis=AWAY))) == ["redis: ConnectionError"]


def test_both_pages_say_both() -> None:
    answers = pages(lambda: at(turned_ago_s=100), SILENCE_MAX_S)
    live, ready = answers["/live"](), answers["/ready"]()
    assert (live.good, ready.good) == (False, True)
    assert live.body == ready.body
    assert (live.body["live"], live.body["ready"]) == (False, True)


def test_a_worker_without_room_is_not_one_that_takes_nothing() -> None:
    now = 0.0
    pulse = Pulse(lambda: now)

    def after(seconds: float, turn: Callable[[], None]) -> float:
        nonlocal now
        now += seconds
        turn()
        return pulse.took_ago_s

    assert after(10, pulse.turned) == 10
    assert after(10, lambda: pulse.turned(taken=1)) == 0
    assert after(10, lambda: pulse.turned(taken=1)) == 10
    assert after(10, lambda: pulse.turned(taken=1, busy=True)) == 0
    assert pulse.turned_ago_s == 0
