"""The pictures that the record holds already are judged, whatever dies on the way."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis as Client
from tocsin.event.types import ImagingEvent
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.network import HOST
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.commands import Command, launch
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import Child
from tocsin.sandbox.redis import Redis

from tests.support.house import House, house
from tests.support.waiting import eventually

NOWHERE = f"{HOST}:1"
PAGE = 50


@dataclass
class Ward:
    """A hospital with pictures of this test alone, and an operator."""

    hospital: House
    mark: str = field(default_factory=lambda: secrets.token_hex(4))

    def fill(self, count: int, patients: int = 7) -> list[str]:
        subjects = [self.hospital.record.patient(f"p-{self.mark}-{number}") for number in range(patients)]
        identifier = [{"system": "urn:test:camera", "value": self.mark}]
        return [
            self.hospital.record.media(f"{self.mark}-{number}", subjects[number % patients], identifier=identifier)
            for number in range(count)
        ]

    def letters(self, *arguments: str) -> str:
        """`tocsin dead-letters ...`; gives what it printed."""
        return self._run("dead-letters", *arguments)

    def tocsin(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """`tocsin backfill ...`; gives what it printed."""
        return self._run("backfill", *arguments, code=code, **variables)

    def _run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        argv = (sys.executable, "-m", "tocsin", *arguments)
        done = subprocess.run(argv, env={**self.hospital.variables, **variables}, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr if code or variables else done.stdout

    def start(self, *more: str) -> str:
        """The id of a new backfill over these pictures."""
        begun = self.tocsin("start", "--where", f"identifier=urn:test:camera|{self.mark}", *more, "--yes", "--json")
        return str(orjson.loads(begun)["id"])

    def show(self, backfill: str) -> dict[str, Any]:
        shown: dict[str, Any] = orjson.loads(self.tocsin("show", backfill, "--json"))
        return shown

    def announced(self) -> list[str]:
        values = self.hospital.bus.values(self.hospital.bus.settings.topic_backfill)
        return [ImagingEvent.model_validate_json(value).media for value in values]

    def run(self, command: Command, name: str | None = None) -> Child:
        return Child(launch(command, self.hospital.folder, self.hospital.variables, name))


def ward(hospital: House, redis: str) -> Ward:
    hurried = {
        "TOCSIN_REDIS__URL": redis,
        "TOCSIN_WORK__RESUME_EVERY_S": "1",
        "TOCSIN_WORK__PROCESSES": "1",
        "TOCSIN_BACKFILL__STALE_AFTER_S": "1",
        "TOCSIN_BACKFILL__SETTLE_S": "0",
        "TOCSIN_BACKFILL__PAGE_MEDIA": str(PAGE),
    }
    return Ward(House(hospital.record, hospital.bus, hospital.folder, {**hospital.variables, **hurried}))


@pytest.fixture
def archive_ward(kafka: Kafka, fhir_server: Fhir, redis_server: Redis, tmp_path: Path) -> Iterator[Ward]:
    """Nobody judges here."""
    card = packaged(REFERENCE_CARD)
    hospital = house(kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=NOWHERE, card=card, folder=tmp_path)
    with closing(Client.from_url(redis_server.url)) as client:
        client.flushall()
    yield ward(hospital, redis_server.url)
    hospital.bus.close()


@pytest.fixture
def judging_ward(quick_hospital: House, redis_server: Redis) -> Ward:
    return ward(quick_hospital, redis_server.url)


def test_a_backfill_goes_on_after_its_worker_was_killed_and_redis_emptied_and_misses_no_picture(
    archive_ward: Ward, redis_server: Redis
) -> None:
    media = archive_ward.fill(250)
    backfill = archive_ward.start("--per-second", "25")
    first = archive_ward.run("work", "first")
    eventually(lambda: len(archive_ward.announced()) >= PAGE, within_s=60, what="the first page")
    first.kill()
    with closing(Client.from_url(redis_server.url)) as client:
        client.flushall()
    seen = len(archive_ward.announced())
    assert seen < len(media)
    second, beat = archive_ward.run("work", "second"), archive_ward.run("beat")
    try:
        eventually(lambda: archive_ward.show(backfill)["state"] == "done", within_s=90, what="the end of the backfill")
    finally:
        beat.stop()
        second.stop()
    announced = Counter(archive_ward.announced())
    assert set(announced) == set(media)
    assert sum(announced.values()) <= len(media) + PAGE
    ended = archive_ward.show(backfill)
    assert (ended["total"], ended["announced"]) == (250, 250)
    [listed] = orjson.loads(f"[{archive_ward.tocsin('list', '--json')}]")
    assert listed == ended


def test_a_dry_run_says_how_many_there_are_and_announces_none(archive_ward: Ward) -> None:
    archive_ward.fill(3)
    said = archive_ward.tocsin("start", "--where", f"identifier=urn:test:camera|{archive_ward.mark}", "--per-second", "0.5")
    assert "3 Media match; at 0.5 a second that takes 6 seconds" in said
    assert "Run it again with --yes" in said
    assert "There is no backfill." in archive_ward.tocsin("list")


def test_a_backfill_started_while_redis_is_away_is_kept_and_said_to_begin_later(archive_ward: Ward) -> None:
    archive_ward.fill(1)
    where = f"identifier=urn:test:camera|{archive_ward.mark}"
    said = archive_ward.tocsin("start", "--where", where, "--yes", TOCSIN_REDIS__URL=f"redis://{NOWHERE}/0")
    assert "`tocsin beat` takes it up within 2 s of Redis being back" in said
    assert "running" in archive_ward.tocsin("list")


def test_a_backfill_that_an_operator_paused_stands_still_and_one_that_was_cancelled_has_ended(archive_ward: Ward) -> None:
    archive_ward.fill(1)
    backfill = archive_ward.start()
    assert "paused" in archive_ward.tocsin("pause", backfill)
    assert archive_ward.show(backfill)["state"] == "paused"
    assert orjson.loads(archive_ward.tocsin("resume", backfill, "--json"))["state"] == "running"
    assert "cancelled" in archive_ward.tocsin("cancel", backfill)
    assert "it has ended" in archive_ward.tocsin("resume", backfill, code=1)
    assert "there is no backfill 00000000" in archive_ward.tocsin("show", "00000000", code=1)


def test_a_search_that_the_server_refuses_begins_nothing(archive_ward: Ward) -> None:
    said = archive_ward.tocsin("start", "--where", "no-such-parameter=1", "--yes", code=1)
    assert "the FHIR server refuses the search parameter no-such-parameter of Media" in said
    assert "dead letter" not in said
    assert "There is no backfill." in archive_ward.tocsin("list")


def test_the_rate_of_a_backfill_holds_on_the_bus_from_its_first_picture(archive_ward: Ward) -> None:
    archive_ward.fill(5)
    backfill = archive_ward.start("--per-second", "0.5")
    worker = archive_ward.run("work")
    try:
        eventually(lambda: archive_ward.show(backfill)["state"] == "done", within_s=120, what="the end of the backfill")
    finally:
        worker.stop()
    with closing(KafkaTopicReader(archive_ward.hospital.bus.settings)) as log:
        times = sorted(record.timestamp_ms for record in log.read(archive_ward.hospital.bus.settings.topic_backfill))
    assert len(times) == 5
    assert min(later - earlier for earlier, later in pairwise(times)) > 1900


def test_a_picture_of_which_it_is_open_whose_it_is_gets_a_report_only_once_a_person_closed_its_dead_letter(judging_ward: Ward) -> None:
    hospital = judging_ward.hospital
    disputed, _ = judging_ward.fill(2)
    hospital.bus.announce(disputed, "Patient/somebody-else")
    worker = judging_ward.run("work")
    try:
        with hospital.consuming():
            eventually(lambda: [each.reason for each in hospital.bus.letters()] == ["subject-mismatch"], within_s=60, what="its letter")
            first = judging_ward.start("--per-second", "100")
            eventually(lambda: judging_ward.show(first)["state"] == "done", within_s=60, what="the first backfill")
            assert (judging_ward.show(first)["announced"], judging_ward.show(first)["skipped"]) == (1, {"disputed": 1})
            assert hospital.record.reports_on(disputed) == []
            [letter] = [orjson.loads(line) for line in judging_ward.letters("--json").splitlines()]
            judging_ward.letters("--close", letter["id"], "--yes")
            judging_ward.start("--per-second", "100")
            eventually(lambda: len(hospital.record.reports_on(disputed)) == 1, within_s=60, what="its report")
    finally:
        worker.stop()


def test_pictures_that_nobody_announced_are_judged_and_a_second_backfill_changes_nothing_in_the_record(judging_ward: Ward) -> None:
    hospital = judging_ward.hospital
    media = judging_ward.fill(12)

    def judged(times: int) -> bool:
        flags = Counter(flag.media for flag in hospital.bus.flags())
        return set(flags) == set(media) and set(flags.values()) == {times}

    worker = judging_ward.run("work")
    try:
        with hospital.consuming():
            for times in (1, 2):
                judging_ward.start("--per-second", "100")
                eventually(lambda: judged(times), within_s=90, what="a flag for every picture")  # noqa: B023 - over before the next turn
    finally:
        worker.stop()
    assert hospital.bus.letters() == []
    for each in media:
        [report] = hospital.record.reports_on(each)
        assert report["meta"]["versionId"] == "1"
    with closing(KafkaGroup(hospital.bus.settings)) as group:
        assert group.lag(hospital.bus.settings.topic_backfill) == 0
