"""`tocsin top` beside the processes that production runs, on the real parts."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
from tocsin.network import HOST
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis

from tests.support.health import Health, Logged, said
from tests.support.house import CANARY, House
from tests.support.proxy import Proxy
from tests.support.waiting import eventually
from tests.support.web import Reply
from tests.support.work_desk import Desk

PINGED_OFTEN = {"TOCSIN_METRICS__PING_EVERY_S": "0.2"}
STAGES = {"fetch", "decode", "gate", "infer", "find", "write", "announce"}


def address(logs: Logged, name: str = "consume", event: str = "consuming") -> str:
    """Where the process answers, once it is ready."""
    Health(logs, name, event).becomes(ready=200)
    [line] = said(logs, event, name)
    return f"http://{HOST}:{line['port']}"


def top(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """`tocsin top WORDS` to its end, which must be this exit code; a name in its output is a failure."""
    command = [sys.executable, "-m", "tocsin", "top", "--once", "--every", "0.5", *words]
    variables = {**os.environ, "TOCSIN_METRICS__ANSWER_TIMEOUT_S": "10"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert CANARY not in done.stdout + done.stderr
    return done


def shown(*addresses: str) -> dict[str, Any]:
    found = orjson.loads(top("--json", *addresses).stdout)
    assert isinstance(found, dict)
    return found


def test_a_consumers_endings_lag_stages_and_neighbours_are_shown(quick_hospital: House) -> None:
    subject = quick_hospital.record.patient("p-top")
    pictures = [quick_hospital.record.media(f"top-{number}", subject) for number in range(3)]
    with quick_hospital.consuming(**PINGED_OFTEN) as child:
        at = address(quick_hospital)
        for media in pictures:
            quick_hospital.bus.announce(media, subject)
        quick_hospital.bus.publish(b"no event", key=b"Patient/p-top")
        eventually(lambda: quick_hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
        eventually(lambda: all(each["events"] == 0 for each in shown(at)["lag"]), within_s=30, what="no lag")
        found = shown(at)
        [process] = found["processes"]
        assert (process["role"], process["live"], process["ready"], process["held"]) == ("consume", True, True, False)
        assert process["site"]
        assert process["model_version"]
        assert {each["ending"]: each["total"] for each in found["throughput"]} == {"published": 3.0, "refused": 1.0}
        assert ("refused", "not-json") in {(each["ending"], each["reason"]) for each in found["endings"]}
        assert {each["name"] for each in found["stages"]} == STAGES
        assert all(each["p95_s"] > 0 for each in (*found["stages"], *found["latency"]))
        assert [(each["neighbour"], each["reached_by"], each["breaker_open_at"]) for each in found["neighbours"]] == [
            (neighbour, 1, []) for neighbour in ("fhir", "kafka", "triton")
        ]
        assert f"{at}  consume  ready" in top(at).stdout
        child.stop(grace_s=30)
    assert "connection refused" in top(at, code=75).stderr


def test_events_that_wait_for_a_neighbour_and_its_breaker_are_shown(troubled: tuple[House, Proxy]) -> None:
    hospital, between = troubled
    subject = hospital.record.patient("p-top-waits")
    pictures = [hospital.record.media(f"top-waits-{number}", subject) for number in range(5)]
    with hospital.consuming(**PINGED_OFTEN):
        at = address(hospital)
        between.trouble = lambda _method, _path: Reply(503)
        for media in pictures:
            hospital.bus.announce(media, subject)

        def fhir() -> dict[str, Any]:
            return next((each for each in shown(at)["neighbours"] if each["neighbour"] == "fhir"), {})

        eventually(lambda: fhir().get("breaker_open_at") == [at], within_s=60, what="an open breaker")
        found = shown(at)
        assert sum(each["events"] for each in found["lag"]) == len(pictures)
        assert max(each["seconds"] for each in found["oldest"]) > 0
        assert found["processes"][0]["running"] + found["processes"][0]["waiting"] > 0
        between.trouble = lambda _method, _path: None
        eventually(lambda: fhir().get("breaker_open_at") == [], within_s=60, what="a closed breaker")


def test_a_workers_queues_and_tasks_and_the_schedulers_tick_are_shown(kafka: Kafka, redis_server: Redis, tmp_path: Path) -> None:
    with closing(Desk(kafka.bootstrap_servers, redis_server.url, tmp_path)) as desk:
        desk.queues.flushall()
        desk.start("work")
        desk.start("beat")
        both = (address(desk, "work", "working"), address(desk, "beat", "scheduling"))
        eventually(lambda: bool(shown(*both)["tasks"]), within_s=60, what="a task that was done")
        found = shown(*both)
    assert [(each["role"], each["ready"]) for each in found["processes"]] == [("work", True), ("beat", True)]
    assert found["processes"][1]["tick_age_s"] >= 0
    assert found["queues"]
    assert "sent" in {each["result"] for each in found["sent"]}
    assert "done" in {each["outcome"] for each in found["tasks"]}
