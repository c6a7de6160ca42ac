"""A task's failure costs that task alone, and is told without a word of what was in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from kombu.transport.redis import Channel
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs
from tocsin.bootstrap.work import tasks
from tocsin.errors import ConfigurationError, ContractError, Deferred, FhirRejected, Unavailable
from tocsin.settings import RedisSettings, Settings, VerdictSettings, WatchSettings, WorklistSettings, WorkSettings, read_settings
from tocsin.work.app import client, make_app
from tocsin.work.patches import PAUSES
from tocsin.work.schedule import entries
from tocsin.work.tasks import Message, Task, send

CANARY = "Canary-Quintessa"
NOWHERE = Settings(redis=RedisSettings(url=SecretStr("redis://127.0.0.1:1/0")))
"""Redis is away."""


def task(name: str, run: Callable[..., object]) -> Task:
    """The one of this name, that does this instead."""
    (found,) = (each for each in tasks(NOWHERE) if each.name == name)
    return replace(found, run=run)


def said(task: Task, *ids: str) -> list[dict[str, Any]]:
    """Log lines of one run, without Redis."""
    with capture_logs() as lines:
        make_app(NOWHERE, [task]).tasks[task.name].apply(ids, throw=True)
    return [dict(line) for line in lines]


def value(task: Task, *ids: str) -> str:
    """What one run hands back, without Redis."""
    return str(make_app(NOWHERE, [task]).tasks[task.name].apply(ids, throw=True).result)


def raising(error: Exception) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "event", "level"),
    [
        pytest.param(
            Unavailable("kafka", "KafkaTimeoutError"),
            "task deferred: a neighbour is away; its next run goes on where it stopped",
            "warning",
            id="a neighbour is away",
        ),
        pytest.param(
            SoftTimeLimitExceeded(CANARY),
            "task stopped after TOCSIN_WORK__TASK_TIMEOUT_S; its next run goes on where it stopped",
            "warning",
            id="it takes too long",
        ),
        pytest.param(FhirRejected("invalid"), "task failed", "warning", id="a neighbour refuses"),
        pytest.param(ContractError("no such topic"), "task failed", "warning", id="a neighbour is not what it should be"),
        pytest.param(ValueError(CANARY), "task failed", "error", id="a defect"),
    ],
)
def test_a_task_that_fails_is_told_in_one_line_and_fails_nothing_else(error: Exception, event: str, level: str) -> None:
    (line,) = said(task("redrive", raising(error)))
    assert (line["event"], line["log_level"], line["task"]) == (event, level, "redrive")
    assert CANARY not in str(line)


def test_a_defect_is_told_with_its_kind_and_place() -> None:
    (line,) = said(task("redrive", raising(ValueError(CANARY))))
    assert line["detail"].startswith("ValueError at work/test_tasks.py:")
    assert "defect" in line["advice"]


def test_tasks_run_while_redis_is_away_and_what_they_cannot_queue_waits_for_the_scheduler() -> None:
    done, line = said(task("backfill_step", lambda _: 1.0), "0a1b2c3d")
    assert done["event"] == "task done"
    assert (line["event"], line["neighbour"]) == ("task deferred: a neighbour is away; its next run goes on where it stopped", "redis")


def test_a_backfill_that_is_done_asks_for_no_further_step() -> None:
    (line,) = said(task("backfill_step", lambda _: None), "0a1b2c3d")
    assert line["event"] == "task done"


def test_whoever_cannot_queue_a_step_is_told() -> None:
    with pytest.raises(Deferred, match="redis"):
        send(client(NOWHERE, tasks(NOWHERE)), Message("backfill_step", ("0a1b2c3d",)))


def test_a_step_asks_for_the_next_one_and_a_resumption_for_a_step_of_each_backfill_that_stands_still() -> None:
    step, resume = (task(name, lambda: None) for name in ("backfill_step", "resume_backfills"))
    assert list(step.then(2.5, "0a1b2c3d")) == [Message("backfill_step", ("0a1b2c3d",), 2.5)]
    assert list(step.then(None, "0a1b2c3d")) == []
    assert list(resume.then(["0a1b2c3d", "4e5f6a7b"])) == [Message("backfill_step", ("0a1b2c3d",)), Message("backfill_step", ("4e5f6a7b",))]


def test_what_follows_a_task_is_asked_only_where_it_was_done() -> None:
    failing = Task("any", "any", raising(ValueError(CANARY)), then=lambda _: [Message("any")])
    (line,) = said(failing)
    assert line["event"] == "task failed"


def test_tasks_are_done_at_least_once_and_carry_json_alone() -> None:
    configured = client(NOWHERE, tasks(NOWHERE)).conf
    assert (configured.task_acks_late, configured.task_reject_on_worker_lost) == (True, True)
    assert list(configured.accept_content) == [configured.task_serializer] == ["json"]
    assert configured.result_backend is None
    assert configured.worker_pool == "prefork"
    assert configured.broker_connection_max_retries is None


def test_live_work_is_taken_before_backfills() -> None:
    app = client(NOWHERE, tasks(NOWHERE))
    assert list(app.amqp.queues) == ["tocsin.schedule", "tocsin.backfill"]
    assert app.conf.broker_transport_options["queue_order_strategy"] == "priority"


def test_workers_of_two_versions_find_each_others_tasks() -> None:
    """Names and queues are on the wire; a change of one of them needs two releases."""
    app = client(NOWHERE, tasks(NOWHERE))
    assert {task.name: app.amqp.router.route({}, task.name)["queue"].name for task in tasks(NOWHERE)} == {
        "redrive": "tocsin.schedule",
        "verdicts": "tocsin.schedule",
        "notify": "tocsin.schedule",
        "ehr_tasks": "tocsin.schedule",
        "renew_flags": "tocsin.schedule",
        "reconcile": "tocsin.schedule",
        "outcomes": "tocsin.schedule",
        "watch": "tocsin.schedule",
        "report_month": "tocsin.schedule",
        "resume_backfills": "tocsin.schedule",
        "backfill_step": "tocsin.backfill",
    }
    assert app.conf.task_default_queue == "tocsin.schedule"


def test_a_new_task_is_one_value_which_is_routed_scheduled_and_done() -> None:
    done = list[str]()
    new = Task("recall", "tocsin.recall", lambda: done.append("recall"), every_s=5)
    app = make_app(NOWHERE, [*tasks(NOWHERE), new])
    assert list(app.amqp.queues)[-1] == app.amqp.router.route({}, "recall")["queue"].name == "tocsin.recall"
    assert app.conf.beat_schedule["recall"] == {"task": "recall", "schedule": 5, "options": {"expires": 5}}
    app.tasks["recall"].apply(throw=True)
    assert done == ["recall"]


def test_every_option_of_the_transport_is_one_that_it_reads() -> None:
    """kombu passes over an option it does not know."""
    pauses = set(PAUSES)  # read by our own connection
    assert set(client(NOWHERE, tasks(NOWHERE)).conf.broker_transport_options) - pauses <= set(Channel.from_transport_options)


def test_pauses_between_tries_to_reach_redis_have_the_settings_ceiling() -> None:
    connection = client(NOWHERE, tasks(NOWHERE)).connection_for_read()
    pauses: list[float] = []

    class Enough(Exception):
        pass

    def failed(_error: object, pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            raise Enough

    with pytest.raises(Enough):
        connection.ensure_connection(failed)
    assert pauses == pytest.approx([0.2, 0.4, 0.6])


@pytest.mark.parametrize("limits", [(10, 10, 20), (10, 20, 20), (30, 20, 40)])
def test_a_task_must_be_killed_before_it_is_handed_out_again(limits: tuple[int, int, int]) -> None:
    told, killed, again = limits
    with pytest.raises(ValidationError, match="TOCSIN_WORK__TASK_KILL_AFTER_S"):
        WorkSettings(task_timeout_s=told, task_kill_after_s=killed, visibility_timeout_s=again)


def test_each_scheduled_task_expires_when_the_next_one_comes() -> None:
    settings = Settings(
        work=WorkSettings(redrive_every_s=7, reconcile_every_s=8, resume_every_s=9),
        verdicts=VerdictSettings(retry_every_s=6, outcome_every_s=5),
        worklist=WorklistSettings(renew_every_s=4),
        watch=WatchSettings(every_s=3, report_folder=Path("/srv/reports"), report_every_s=2),
    )
    found = {name: (entry["task"], entry["schedule"], entry["options"]["expires"]) for name, entry in entries(tasks(settings)).items()}
    every_s = {"redrive": 7, "verdicts": 6, "reconcile": 8, "outcomes": 5, "resume_backfills": 9, "renew_flags": 4, "watch": 3}
    every_s |= {"report_month": 2}
    assert found == {name: (name, s, s) for name, s in every_s.items()}


@pytest.mark.parametrize(
    "url",
    [
        "http://:canary@x",
        "redis://",
        "canary:6379",
        "redis://user:can/ary@host:6379/0",
        "redis://user:can#ary@host:6379/0",
        "redis://user:can?ary@host:6379/0",
        "redis://user:canary@host:port/0",
        "redis://user:canary@host:70000/0",
        "redis://user:canary@host:0/0",
        "redis://user:canary@[host/0",
        "redis://user:canary@host:6379/canary",
        "redis://user:canary@host:6379/0/1",
        "redis://user:canary@host:6379/0#canary",
        "rediss://user:canary@host:6379/0?ssl_cert_reqs=none",
        "redis://user:canary\u2100@host:6379/0",
    ],
)
def test_an_address_that_is_no_redis_address_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TOCSIN_REDIS__URL", url)
    with pytest.raises(ConfigurationError, match=r"TOCSIN_REDIS__URL.*rediss:// over TLS") as refused:
        read_settings()
    assert not any(piece in str(refused.value) for piece in ("canary", "can/", "ary@", "user:c", "host:", "70000"))


@pytest.mark.parametrize("url", ["redis://redis", "redis://redis:6379/", "rediss://:se%2Fcret@redis:6380/15", "redis://[::1]:6379/0"])
def test_an_address_of_redis_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TOCSIN_REDIS__URL", url)
    assert read_settings().redis.url.get_secret_value() == url


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"TOCSIN_BACKFILL__PAUSE_MAX_S": "80"}, "TOCSIN_BACKFILL__PAUSE_MAX_S"),
        ({"TOCSIN_WORK__VISIBILITY_TIMEOUT_S": "180"}, "TOCSIN_WORK__VISIBILITY_TIMEOUT_S"),
        ({"TOCSIN_RECONCILE__RUN_S": "90"}, "TOCSIN_RECONCILE__RUN_S"),
    ],
)
def test_a_task_that_waits_and_runs_is_never_handed_out_meanwhile_and_a_run_stops_before_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=rf"settings: Value error, {named}|{named}"):
        read_settings()
