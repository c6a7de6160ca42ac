"""Several consumers on one machine, run by one command."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tocsin.sandbox.process import Child, Launch
from tocsin.telemetry.metrics import EVENTS

from tests.support.health import Health, said
from tests.support.house import House
from tests.support.scraped import Scrapes
from tests.support.waiting import eventually

STARTED = "consuming by several processes"


@contextmanager
def fleet(hospital: House, **variables: str) -> Iterator[Child]:
    """Two consumers under one command, until the block ends."""
    argv = (sys.executable, "-m", "tocsin", "consume", "--processes", "2")
    environment = {**hospital.variables, "TOCSIN_METRICS__PING_EVERY_S": "0.2", **variables}
    child = Child(Launch("tocsin consume", argv, hospital.folder, hospital.folder / "consume.log", environment))
    try:
        yield child
    finally:
        child.stop(grace_s=60.0)


def members(of: Child) -> list[int]:
    """The numbers of its processes."""
    return [int(each) for each in Path(f"/proc/{of.pid}/task/{of.pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Whether the process has ended."""
    return not Path(f"/proc/{pid}").exists()


def test_two_processes_share_the_work_answer_as_one_and_end_as_one(quick_hospital: House) -> None:
    subjects = [quick_hospital.record.patient(f"p-fleet-{number}") for number in range(12)]
    pictures = [quick_hospital.record.media(f"fleet-{subject.partition('-')[2]}", subject) for subject in subjects]
    with fleet(quick_hospital) as command:
        Health(quick_hospital, event=STARTED).becomes(ready=200, within_s=90)
        for picture, subject in zip(pictures, subjects, strict=True):
            quick_hospital.bus.announce(picture, subject)
        scrapes = Scrapes(quick_hospital, event=STARTED)
        eventually(lambda: scrapes.value(EVENTS, ending="published") == 12, within_s=90, what="every ending")
        assert {each.labels["process"] for each in scrapes.read()} == {"0", "1"}
        both = members(command)
        assert len(both) == 2
        command.stop(grace_s=60)
        assert command.exit_code == 0
        assert all(map(gone, both))
    assert quick_hospital.bus.lag() == 0
    assert sorted(flag.media for flag in quick_hospital.bus.flags()) == sorted(pictures)


def test_a_process_that_dies_is_started_again_and_its_events_are_judged_once(quick_hospital: House) -> None:
    subjects = [quick_hospital.record.patient(f"p-lost-{number}") for number in range(6)]
    pictures = [quick_hospital.record.media(f"lost-{subject.partition('-')[2]}", subject) for subject in subjects]
    with fleet(quick_hospital) as command:
        health = Health(quick_hospital, event=STARTED)
        health.becomes(ready=200, within_s=90)
        victim = members(command)[0]
        os.kill(victim, signal.SIGKILL)
        for picture, subject in zip(pictures, subjects, strict=True):
            quick_hospital.bus.announce(picture, subject)
        eventually(lambda: quick_hospital.bus.lag() == 0, within_s=120, what="every ending")
        [line] = said(quick_hospital, "a process of several has died")
        assert line["detail"].endswith("exit code -9")
        health.becomes(ready=200, within_s=90)
        assert victim not in members(command)
    assert sorted(flag.media for flag in quick_hospital.bus.flags()) == sorted(pictures)


def test_no_process_outlives_the_command(quick_hospital: House) -> None:
    with fleet(quick_hospital) as command:
        Health(quick_hospital, event=STARTED).becomes(ready=200, within_s=90)
        both = members(command)
        os.kill(command.pid, signal.SIGKILL)
        eventually(lambda: all(map(gone, both)), within_s=30, what="the end of both")


def test_a_setting_that_is_wrong_for_all_ends_the_command_with_its_code(quick_hospital: House, tmp_path: Path) -> None:
    with fleet(quick_hospital, TOCSIN_MODEL__CARD=str(tmp_path / "no-card.json")) as command:
        eventually(lambda: not command.alive, within_s=90, what="its end")
        assert command.exit_code == 78


def test_a_port_that_is_taken_is_said_before_any_process_is_started(quick_hospital: House) -> None:
    with fleet(quick_hospital, TOCSIN_METRICS__PORT="1", TOCSIN_METRICS__HOST="203.0.113.1") as command:
        eventually(lambda: not command.alive, within_s=60, what="its end")
        assert command.exit_code == 78
        assert "TOCSIN_METRICS__PORT" in quick_hospital.log()


@pytest.mark.parametrize("number", ["0", "65", "many"])
def test_a_number_of_processes_that_makes_no_sense_is_refused(number: str) -> None:
    argv = [sys.executable, "-m", "tocsin", "consume", "--processes", number]
    assert os.spawnv(os.P_WAIT, sys.executable, argv) == 2
