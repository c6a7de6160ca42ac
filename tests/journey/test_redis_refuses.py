"""Redis that answers and takes no writes, for any of its reasons, is waited for: nobody ends, everybody says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tocsin.sandbox import redis
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import Child

from tests.support.health import Health
from tests.support.redis_faults import FAULTS
from tests.support.stack import running
from tests.support.waiting import comes_to_hold
from tests.support.work_desk import Desk


@pytest.fixture
def part(tmp_path: Path) -> Iterator[redis.Redis]:
    with running(lambda: redis.start(tmp_path / "redis")) as started:
        yield started


@pytest.fixture
def desk(kafka: Kafka, part: redis.Redis, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(kafka.bootstrap_servers, part.url, tmp_path / "desk")
    yield made
    made.close()


def test_whatever_redis_refuses_writes_for_is_waited_for_and_said(desk: Desk) -> None:
    often = {"TOCSIN_METRICS__PING_EVERY_S": "0.2"}
    worker, scheduler = desk.start("work", **often), desk.start("beat", **often)
    both = [Health(desk, "work", "working"), Health(desk, "beat", "scheduling")]
    desk.await_rounds(1)
    for code, (break_it, mend_it) in FAULTS.items():
        break_it(desk.queues)
        desk.refuse(f"Media/{code}")
        for health in both:
            (said,) = health.becomes(ready=503)["not_ready_because"]
            assert said.startswith(f"redis: {code}")
        still_there_for([worker, scheduler], seconds=3)
        mend_it(desk.queues)
        for health in both:
            health.becomes(ready=200)
        desk.await_redriven(f"Media/{code}", within_s=120)
    assert [each.alive for each in (worker, scheduler)] == [True, True]
    assert "Traceback" not in desk.log("work") + desk.log("beat")
    assert set(desk.redriven().values()) == {1}


def still_there_for(processes: list[Child], seconds: float) -> None:
    """Both live on: today's fault would end them within a turn of their loops."""
    gone = comes_to_hold(lambda: not all(each.alive for each in processes), within_s=seconds)
    assert not gone, "a process ended while Redis refused writes"
