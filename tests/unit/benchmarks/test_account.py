"""Two contenders may differ in when they wrote a report, and in nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.account import EventsLost, Promise, Trail, agree


def report(*, issued: str = "2026-03-01T09:00:00Z", text: str = "Below.", trace: str = "a") -> dict[str, Any]:
    mark = [{"url": "fetched", "valueInstant": issued}, {"url": "trace-id", "valueString": trace}, {"url": "code", "valueCode": "below"}]
    return {"entry": [{"resource": {"issued": issued, "conclusion": text, "extension": [{"url": "mark", "extension": mark}]}}]}


def test_reports_that_differ_in_their_times_and_traces_alone_are_the_same() -> None:
    agree({"one": {"m1": report()}, "other": {"m1": report(issued="2026-03-02T10:00:00Z", trace="b")}})


def test_another_conclusion_ends_the_benchmark() -> None:
    with pytest.raises(EventsLost, match="one and other wrote different reports on 1 of 2 pictures"):
        agree({"one": {"m1": report(), "m2": report()}, "other": {"m1": report(text="High."), "m2": report()}})


def test_a_report_that_nobody_wrote_ends_the_benchmark() -> None:
    with pytest.raises(EventsLost):
        agree({"one": {"m1": report(), "m2": report()}, "other": {"m1": report()}})


@pytest.mark.parametrize("promise", ["once", "at least once"])
@pytest.mark.parametrize(
    "trail", [Trail(0, 0, 0, 0), Trail(1, 1, 0, 0), Trail(1, 0, 1, 1), Trail(1, 1, 1, 0), Trail(2, 2, 2, 1)], ids=lambda each: str(each)
)
def test_an_event_that_was_lost_or_told_wrongly_has_not_ended_for_anybody(trail: Trail, promise: Promise) -> None:
    assert not trail.ends(promise)


def test_a_second_flag_breaks_tocsins_promise_and_not_a_peers() -> None:
    assert Trail(1, 1, 1, 1).ends("once")
    assert Trail(2, 2, 2, 2).ends("at least once")
    assert not Trail(2, 2, 2, 2).ends("once")
    assert not Trail(2, 1, 1, 1).ends("once")
