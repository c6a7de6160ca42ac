"""Whether `tocsin serve` is live and ready."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tocsin.serve.health import Watched, not_live, not_ready, pages
from tocsin.telemetry.pings import Reach

REACHED = Reach(True, "", for_s=1000.0, asked_ago_s=1.0, ever=True)
GONE = Reach(False, "connection refused", for_s=1000.0, asked_ago_s=1.0, ever=True)
NEVER_THERE = Reach(False, "connection refused", for_s=1000.0, asked_ago_s=1.0, ever=False)


def at(redis: Reach = REACHED, *, ending: bool = False, list_lacks: Sequence[str] = ()) -> Watched:
    return Watched(1.0, 0, ending, redis, list_lacks)


@pytest.mark.parametrize(
    ("watched", "reasons"),
    [
        pytest.param(at(), [], id="it gets on"),
        pytest.param(at(NEVER_THERE), ["redis: connection refused"], id="a redis that was never there"),
        pytest.param(at(GONE), [], id="a redis that is gone: another process would reach it no better"),
        pytest.param(at(GONE, ending=True), ["it was told to end, and answers what still comes"], id="it ends"),
        pytest.param(at(GONE, list_lacks=["the worklist is being read"]), ["the worklist is being read"], id="a list that is not whole"),
    ],
)
def test_it_is_ready_unless_another_process_would_do_better(watched: Watched, reasons: list[str]) -> None:
    assert list(not_ready(watched)) == reasons
    assert list(not_live(watched)) == []


def test_a_redis_that_is_gone_is_told_on_a_page_that_is_good() -> None:
    ready = pages(lambda: at(GONE))["/ready"]()
    assert ready.good
    assert ready.body["neighbours"] == {"redis": GONE.told()}
    assert GONE.told()["state"] == "not reached"
