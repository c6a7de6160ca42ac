"""What is scheduled is done, whatever becomes of Redis, the worker or the scheduler: what is to be done stands in Kafka."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr
from redis import Redis as Client
from tocsin.bootstrap.work import tasks
from tocsin.deadletter.replay import replayed
from tocsin.errors import Poisoned, SubjectMismatch
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.network import HOST, free_ports
from tocsin.sandbox import redis
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis
from tocsin.settings import RedisSettings, Settings
from tocsin.work.app import make_app

from tests.support.health import Health
from tests.support.house import CANARY, House
from tests.support.otlp import Span, collector, exporting
from tests.support.stack import frozen, running
from tests.support.waiting import eventually
from tests.support.work_desk import REPLAYS_MAX, UNHURRIED, VISIBILITY_S, Desk, children


@pytest.fixture
def mortal(kafka: Kafka, tmp_path: Path) -> Iterator[Desk]:
    """On the address of a Redis that the test itself starts and kills."""
    (port,) = free_ports(1)
    made = Desk(kafka.bootstrap_servers, f"redis://{HOST}:{port}/0", tmp_path)
    yield made
    made.close()


def assert_a_replay_is_traced_apart_and_linked(spans: list[Span], topic: str) -> None:
    """The replayed event begins a trace, which links to the task's run that sent it."""
    (sent,) = (each for each in spans if each.name == f"send {topic}")
    (journey,) = (each for each in spans if each.name == f"process {topic}")
    runs = {each.trace_id: each for each in spans if each.name == "run redrive"}
    assert (journey.parent_id, journey.trace_id, sent.parent_id) == (sent.span_id, sent.trace_id, "")
    (linked,) = (each for each in sent.links if each[0] in runs)  # beside the letter's own trace, where it has one
    assert runs[linked[0]].span_id == linked[1]
    assert runs[linked[0]].attributes["tocsin.ending"] == "done"
    assert {each.resource["service.name"] for each in (sent, *runs.values())} == {"tocsin-work"}


def test_an_event_that_a_neighbour_failed_on_is_tried_again_by_itself_and_becomes_a_flag(
    quick_hospital: House, redis_server: Redis, tmp_path: Path
) -> None:
    bus, record = quick_hospital.bus, quick_hospital.record
    desk = Desk(bus.settings.bootstrap_servers, redis_server.url, tmp_path / "desk", bus.settings)
    desk.queues.flushall()
    media = record.media("redriven", record.patient("p-redriven"))
    desk.refuse(media, subject="Patient/p-redriven")
    consume = {f"TOCSIN_KAFKA__TOPIC_{name.upper()}": getattr(desk.topics, f"topic_{name}") for name in ("backfill", "replays")}
    with collector() as collected:
        traced = exporting(collected, TOCSIN_TRACES__RATIO="1")
        try:
            with quick_hospital.consuming(**consume, **traced):
                desk.start("work", **traced)
                desk.start("beat")
                eventually(lambda: [flag.media for flag in bus.flags()] == [media], within_s=60, what="the flag")
                desk.await_rounds(2)
                eventually(lambda: "run redrive" in {each.name for each in collected.spans}, within_s=30, what="the task's spans")
        finally:
            desk.close()
    assert_a_replay_is_traced_apart_and_linked(collected.spans, bus.settings.topic_imaging)
    (report,) = record.reports_on(media)
    assert report["subject"]["reference"] == "Patient/p-redriven"
    assert (len(bus.letters()), desk.redriven()) == (1, {media: 1})
    with closing(KafkaTopicReader(desk.topics)) as log:
        assert [(each.by, each.replays) for each in replayed(log, desk.topics.topic_replays).values()] == [("redrive", 1)]


def test_redis_may_be_absent_burn_down_and_be_emptied_and_every_dead_letter_is_still_redriven(mortal: Desk, tmp_path: Path) -> None:
    worker, scheduler = mortal.start("work"), mortal.start("beat")
    mortal.refuse("Media/before")
    eventually(lambda: "Cannot connect" in mortal.log("work") and "Connection error" in mortal.log("beat"), within_s=120, what="complaints")
    with running(lambda: redis.start(tmp_path / "first", port=mortal.port)) as first:
        mortal.await_redriven("Media/before", within_s=120)
        first.kill()
        mortal.refuse("Media/killed")
        with running(lambda: redis.start(tmp_path / "second", port=mortal.port)) as second:  # another disk
            mortal.await_redriven("Media/killed", within_s=120)
            second.kill()
            with running(lambda: redis.start(second.folder, port=mortal.port)):
                mortal.refuse("Media/again")
                mortal.await_redriven("Media/again", within_s=120)
                mortal.queues.flushall()
                mortal.refuse("Media/flushed")
                mortal.await_redriven("Media/flushed", within_s=120)
                mortal.await_rounds(2)
    assert worker.alive
    assert scheduler.alive
    assert set(mortal.redriven().values()) == {1}


def test_a_worker_goes_on_after_redis_took_no_word_of_its_last_task(mortal: Desk, kafka: Kafka, tmp_path: Path) -> None:
    mortal.start("work", **UNHURRIED)
    with running(lambda: redis.start(tmp_path / "first", port=mortal.port)) as first:
        with frozen(kafka.child):
            mortal.ask_and_wait("redrive")
            first.kill()
        eventually(lambda: "Couldn't ack" in mortal.log("work"), within_s=120, what="a task that ends without Redis")
    mortal.refuse("Media/after")
    with running(lambda: redis.start(tmp_path / "second", port=mortal.port)):
        mortal.ask("redrive")
        mortal.await_redriven("Media/after", within_s=120)


def test_what_a_killed_worker_was_at_is_done_by_another(desk: Desk, kafka: Kafka) -> None:
    desk.refuse("Media/orphan")
    first = desk.start("work", "first")
    with frozen(kafka.child):
        desk.ask_and_wait("redrive")
        first.kill()
    desk.start("work")
    began = time.monotonic()
    desk.await_redriven("Media/orphan", within_s=VISIBILITY_S + 10)
    assert desk.redriven() == {"Media/orphan": 1}
    assert time.monotonic() - began < VISIBILITY_S + 7


def test_a_task_whose_process_dies_is_done_again_at_once(desk: Desk, kafka: Kafka) -> None:
    desk.refuse("Media/orphan")
    worker = desk.start("work", **UNHURRIED)
    with frozen(kafka.child):
        desk.ask_and_wait("redrive")
        (pid,) = children(worker)
        os.kill(pid, signal.SIGKILL)
    desk.await_redriven("Media/orphan", within_s=120)
    assert desk.redriven() == {"Media/orphan": 1}
    assert worker.alive


def test_a_task_that_hangs_is_ended_and_the_next_one_does_its_work(desk: Desk, kafka: Kafka) -> None:
    desk.refuse("Media/late")
    desk.start("work", TOCSIN_WORK__TASK_TIMEOUT_S="3")  # before Kafka's silence is noticed by whoever connects to it
    with frozen(kafka.child):
        desk.ask_and_wait("redrive")
        eventually(lambda: "task stopped after" in desk.log("work"), within_s=120, what="the end of the task")
    desk.start("beat")
    desk.await_redriven("Media/late")


def test_a_worker_that_is_told_to_stop_breaks_off_what_hangs_and_gives_it_back(desk: Desk, kafka: Kafka) -> None:
    worker = desk.start("work", **UNHURRIED)
    with frozen(kafka.child):
        desk.ask_and_wait("redrive")
        began = time.monotonic()
        worker.stop(grace_s=30)
    assert (worker.exit_code, desk.queues.llen("tocsin.schedule")) == (0, 1)
    assert 1 <= time.monotonic() - began < 12  # the drain time-out, and what Celery takes
    assert desk.log("work").count("Traceback") == 0


def test_a_worker_and_its_scheduler_are_live_all_the_while_and_ready_where_redis_answers(mortal: Desk, tmp_path: Path) -> None:
    often = {"TOCSIN_METRICS__PING_EVERY_S": "0.2"}
    mortal.start("work", **often)
    mortal.start("beat", **often)
    both = [Health(mortal, "work", "working"), Health(mortal, "beat", "scheduling")]
    for health in both:
        health.becomes(ready=503, because="redis: connection refused")
    with running(lambda: redis.start(tmp_path / "redis", port=mortal.port)):
        mortal.await_rounds(2)
        for page in [health.becomes(ready=200) for health in both]:
            assert (page["turned_ago_s"] < 10, page["took_ago_s"] < 60, page["waiting"] <= 1) == (True, True, True)
    for health in both:
        health.becomes(ready=503)


def test_a_worker_whose_loop_is_late_is_not_live(desk: Desk) -> None:
    """The bound is shorter here than the pause between two turns."""
    desk.start("work", TOCSIN_METRICS__PING_EVERY_S="0.2", TOCSIN_WORK__SILENCE_MAX_S="1")
    health = Health(desk, "work", "working")
    eventually(lambda: "the loop has not gone round for 1 s" in str(health.ask("/live")), within_s=30, what="a loop that is late")


def test_only_transient_dead_letters_below_the_cap_are_redriven(desk: Desk) -> None:
    desk.refuse("Media/poison", Poisoned("the process died 3 times"))
    desk.refuse("Media/permanent", SubjectMismatch("swapped"))
    desk.refuse("Media/worn-out", replays=REPLAYS_MAX)
    desk.refuse("Media/once-more", replays=REPLAYS_MAX - 1)
    desk.start("work")
    desk.start("beat")
    desk.await_redriven("Media/once-more")
    desk.await_rounds(2)
    assert desk.redriven() == {"Media/once-more": 1}


def test_the_next_step_of_a_backfill_is_queued_once_no_worker_is_at_the_last_one(redis_server: Redis) -> None:
    settings = Settings(redis=RedisSettings(url=SecretStr(redis_server.url)))
    (step,) = (replace(each, run=lambda _: 0.0) for each in tasks(settings) if each.name == "backfill_step")
    with closing(Client.from_url(redis_server.url)) as watching, watching.monitor() as seen:  # type: ignore[no-untyped-call] # redis-py types only part of itself
        make_app(settings, [step]).tasks[step.name].apply(("0a1b2c3d",), throw=True)
        commands = (each["command"].upper().split() for each in seen.listen())  # a script's own commands are in small letters
        order = list(islice((each[0] for each in commands if each[0] in ("DEL", "LPUSH")), 2))
    assert order == ["DEL", "LPUSH"]


def test_redis_holds_the_names_of_tasks_and_ids_of_backfills_alone(desk: Desk, kafka: Kafka) -> None:
    desk.refuse("Media/secret", subject="Patient/secret")
    desk.ask("backfill_step", "0a1b2c3d")
    desk.start("beat")
    eventually(lambda: desk.queues.llen("tocsin.schedule") >= 1, within_s=120, what="a task in the queue")
    messages = [orjson.loads(each) for queue in ("tocsin.schedule", "tocsin.backfill") for each in desk.queues.lrange(queue, 0, -1)]
    bodies = {(each["headers"]["task"], base64.b64decode(each["body"])) for each in messages}
    (step,) = (body for task, body in bodies if task == "backfill_step")
    assert orjson.loads(step)[:2] == [["0a1b2c3d"], {}]
    assert all(orjson.loads(body)[:2] == [[], {}] for task, body in bodies if task != "backfill_step")
    assert {each["content-type"] for each in messages} == {"application/json"}
    worker = desk.start("work", **UNHURRIED)
    desk.await_redriven("Media/secret")
    with frozen(kafka.child):  # and while a task is under way
        eventually(lambda: bool(desk.queues.hlen("unacked")), within_s=120, what="a task under way")
        kept = desk.held()
        worker.stop(grace_s=30)
    assert not any(word in kept for word in (CANARY.encode(), base64.b64encode(CANARY.encode())[:20], b"secret"))
    assert not any(CANARY in desk.log(name) for name in ("work", "beat"))


def test_a_backfill_waits_until_nothing_else_does(desk: Desk) -> None:
    for task, *ids in (("backfill_step", "0a1b2c3d"), ("backfill_step", "4e5f6a7b"), ("redrive",), ("resume_backfills",)):
        desk.ask(task, *ids)
    desk.start("work")
    eventually(lambda: desk.log("work").count("task done") == 4, within_s=30, what="four tasks")
    done = [json.loads(line)["task"] for line in desk.log("work").splitlines() if "task done" in line]
    assert done == ["redrive", "resume_backfills", "backfill_step", "backfill_step"]


def test_a_queue_that_nobody_works_at_does_not_grow(desk: Desk) -> None:
    desk.start("beat", TOCSIN_WORK__WAITING_MAX="2", TOCSIN_WORK__REDRIVE_EVERY_S="0.2")
    eventually(lambda: desk.log("beat").count("its queue is full") >= 5, within_s=120, what="a full queue")
    assert desk.queues.llen("tocsin.schedule") == 2


def test_a_scheduler_keeps_its_times_where_it_is_told_and_starts_again_from_them(desk: Desk, tmp_path: Path) -> None:
    for name in ("first", "second"):
        desk.queues.flushall()
        beat = desk.start("beat", name, TOCSIN_WORK__STATE_FOLDER=str(tmp_path / "state"))
        eventually(lambda: desk.queues.llen("tocsin.schedule") > 0, within_s=120, what="a task in the queue")
        beat.stop(grace_s=20)
        assert beat.exit_code == 0
        assert [line for line in desk.log(name).splitlines() if '"level": "info"' not in line] == []
    assert "schedule" in [file.stem for file in (tmp_path / "state").iterdir()]


def test_a_scheduler_that_cannot_keep_its_file_says_which_setting_is_wrong(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    beat = desk.start("beat", TOCSIN_WORK__STATE_FOLDER=str(tmp_path / "file"))
    assert beat.exit_code == 78
    assert "TOCSIN_WORK__STATE_FOLDER" in desk.log("beat")
