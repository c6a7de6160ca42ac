"""`tocsin replay` is over before anybody could ask it for metrics, so that it sends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tocsin.errors import NotJson
from tocsin.sandbox.kafka import Kafka
from tocsin.telemetry.metrics import REPLAYS

from tests.support.letters import Desk
from tests.support.otlp import Collector, collector


@pytest.fixture
def desk(kafka: Kafka) -> Iterator[Desk]:
    with closing(Desk(kafka.bootstrap_servers)) as desk:
        desk.refuse(NotJson("x"), b"x")
        desk.refuse(NotJson("x"), b"y")
        yield desk


def send_to(to: Collector, desk: Desk) -> None:
    """Has the desk's commands send their metrics there."""
    desk.variables |= {"TOCSIN_OTLP__ENDPOINT": to.endpoint, "TOCSIN_OTLP__SIGNALS": '["metrics"]', "TOCSIN_OTLP__METRICS_EVERY_S": "600"}


def test_what_was_replayed_by_hand_is_counted_at_the_collector_when_the_command_ends(desk: Desk) -> None:
    with collector() as found:
        send_to(found, desk)
        desk.run("replay", "--all")
        assert found.points == [], "a dry run replays nothing"
        done = desk.run("replay", "--all", "--yes")
        assert found.latest(REPLAYS.name, by="operator") == 2
        assert {point.resource["service.name"] for point in found.points} == {"tocsin-replay"}
    assert done.stderr == ""


def test_a_collector_that_does_not_answer_changes_nothing_of_a_replay(desk: Desk) -> None:
    with collector() as found:
        send_to(found, desk)
        found.hangs = True
        done = desk.run("replay", "--all", "--yes", TOCSIN_OTLP__CLOSE_WAIT_S="0.5")
    assert "2 replayed." in done.stdout
    assert [each.by for each in desk.replayed().values()] == ["operator", "operator"]
