"""A process that dies costs at most what it had in hand, and an event that kills it does so a few times and no more."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import orjson

from tests.support.house import House
from tests.support.pictures import encoded, textured
from tests.support.trap import sitecustomize as trap
from tests.support.waiting import eventually

TRAP = {"PYTHONPATH": str(Path(trap.__file__).parent)}


def test_an_event_that_kills_every_process_ends_as_poison_and_all_others_are_judged(quick_hospital: House) -> None:
    subject = quick_hospital.record.patient("p-poison")
    good = [quick_hospital.record.media(f"poison-good-{number}", quick_hospital.record.patient(f"p-good-{number}")) for number in range(6)]
    killer = quick_hospital.record.media("poison-killer", subject, encoded(textured(*trap.KILLS)))
    for number, media in enumerate([*good[:3], killer, *good[3:]]):
        quick_hospital.bus.announce(media, subject if media == killer else f"Patient/p-good-{number - (number > 3)}")
    deaths = 0
    while quick_hospital.bus.lag() or not quick_hospital.bus.letters():
        child = quick_hospital.start(f"life-{deaths}", TOCSIN_KAFKA__GROUP_INSTANCE_ID="one", **TRAP)
        eventually(lambda child=child: not child.alive or quick_hospital.bus.lag() == 0, within_s=60, what="death, or the end of the work")  # type: ignore[misc] # a lambda's default has no type
        if child.alive:
            break
        assert child.exit_code == -signal.SIGSEGV
        deaths += 1
        assert deaths < 10
    child.stop()
    [letter] = quick_hospital.bus.letters()
    assert (letter.kind, letter.attempts) == ("poison", 3)
    assert killer in letter.detail
    assert sorted({flag.media for flag in quick_hospital.bus.flags()}) == sorted(good)
    assert quick_hospital.record.reports_on(killer) == []


def shares(hospital: House, name: str) -> list[int]:
    """How many partitions each rebalance gave to the process."""
    lines = [orjson.loads(line) for line in hospital.log(name).splitlines()]
    return [line["partitions"] for line in lines if line["event"] == "partitions assigned"]


def announce(hospital: House, media: list[str]) -> None:
    for each in media:
        hospital.bus.announce(each, f"Patient/p-{each.partition('/')[2]}")


NAMED = {"TOCSIN_KAFKA__SESSION_TIMEOUT_MS": "60000"}
"""A session that no slow machine outlasts: whoever comes back within it has kept its partitions."""


def test_a_restart_under_the_same_name_moves_no_partition_and_is_at_work_at_once(quick_hospital: House) -> None:
    ids = [f"restart-{number}" for number in range(18)]
    media = [quick_hospital.record.media(each, quick_hospital.record.patient(f"p-{each}")) for each in ids]
    with quick_hospital.consuming("other", TOCSIN_KAFKA__GROUP_INSTANCE_ID="other", **NAMED) as other:
        first = quick_hospital.start("first", TOCSIN_KAFKA__GROUP_INSTANCE_ID="restarted", **NAMED)
        eventually(lambda: shares(quick_hospital, "other")[-1:] + shares(quick_hospital, "first")[-1:] in ([4, 2], [2, 4]), within_s=60)
        before = shares(quick_hospital, "other")
        first.kill()
        announce(quick_hospital, media[:12])
        began = time.monotonic()
        with quick_hospital.consuming("second", TOCSIN_KAFKA__GROUP_INSTANCE_ID="restarted", **NAMED):
            eventually(lambda: quick_hospital.bus.lag() == 0, within_s=120, what="every ending")
            took_s = time.monotonic() - began
            assert shares(quick_hospital, "other") == before
            assert "published" in quick_hospital.log("second")
            before = shares(quick_hospital, "second")
            announce(quick_hospital, media[12:15])
            other.stop(grace_s=30.0)  # as a rolling update does, with events in hand
            announce(quick_hospital, media[15:])
            with quick_hospital.consuming("third", TOCSIN_KAFKA__GROUP_INSTANCE_ID="other", **NAMED):
                eventually(lambda: quick_hospital.bus.lag() == 0, within_s=120, what="every ending")
            assert shares(quick_hospital, "second") == before
    assert (other.exit_code, quick_hospital.bus.letters()) == (0, [])
    assert sorted({flag.media for flag in quick_hospital.bus.flags()}) == sorted(media)
    assert [len(quick_hospital.record.reports_on(each)) for each in media] == [1] * len(media)
    print(f"work went on {took_s:.1f} s after the restart began, without a rebalance")
