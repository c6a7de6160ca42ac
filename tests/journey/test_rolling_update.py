"""Two versions side by side, as long as an update or a roll-back lasts: `python -m tests.deploy.upgrade` plays a whole one."""

from __future__ import annotations

from tests.support.waiting import eventually
from tests.support.work_desk import Desk


def test_a_worker_drops_what_a_later_version_asks_for_in_words_it_does_not_know_and_does_the_rest(desk: Desk) -> None:
    desk.refuse("Media/m1")
    desk.ask("a_task_of_a_later_version", "5f0c1a52")
    desk.ask("redrive", "an-id-more-than-it-takes")
    desk.ask("redrive")
    worker = desk.start("work")
    desk.await_redriven("Media/m1")
    eventually(lambda: not desk.queues.exists("tocsin.schedule", "unacked"), within_s=30, what="an empty queue")
    assert worker.alive
    assert "a_task_of_a_later_version" not in desk.held().decode("utf-8", "replace")
