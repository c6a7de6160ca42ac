"""Whoever starts a healthy Tocsin reads nothing that somebody should look at."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import orjson
from tocsin.sandbox.redis import Redis

from tests.support.house import House
from tests.support.waiting import eventually
from tests.support.work_desk import Desk


def troubling(log: str) -> list[str]:
    """Lines that are none of Tocsin's own, or of a level at which somebody should look."""
    return [line for line in log.splitlines() if not line.startswith("{") or orjson.loads(line)["level"] not in ("debug", "info")]


def test_all_three_processes_start_and_judge_their_first_pictures_without_a_warning_of_theirs_or_of_any_library(
    quick_hospital: House, redis_server: Redis, tmp_path: Path
) -> None:
    bus, record = quick_hospital.bus, quick_hospital.record
    subject = record.patient("p-healthy")
    with closing(Desk(bus.settings.bootstrap_servers, redis_server.url, tmp_path / "desk", bus.settings)) as desk:
        desk.queues.flushall()
        topics = {f"TOCSIN_KAFKA__TOPIC_{name.upper()}": getattr(desk.topics, f"topic_{name}") for name in ("backfill", "replays")}
        with quick_hospital.consuming(**topics):
            desk.start("work", TOCSIN_FHIR__BASE_URL=quick_hospital.variables["TOCSIN_FHIR__BASE_URL"])
            desk.start("beat", TOCSIN_WORK__STATE_FOLDER=str(tmp_path / "state"))
            for number in range(3):
                bus.announce(record.media(f"healthy-{number}", subject), subject)
            eventually(lambda: len(bus.flags()) == 3, within_s=90, what="three flags")
            desk.await_rounds(2)
        assert bus.letters() == []
    logs = {"consume": quick_hospital.log(), "work": desk.log("work"), "beat": desk.log("beat")}
    assert {name: troubling(log) for name, log in logs.items()} == {"consume": [], "work": [], "beat": []}
