"""Nothing lost and nothing twice, whatever dies or goes away in the middle."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from tocsin.sandbox import kafka as broker
from tocsin.sandbox import triton as model_server
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.triton import Triton

from tests.support.house import House, house
from tests.support.pictures import encoded, textured
from tests.support.proxy import Proxy
from tests.support.stack import NOOP_MODEL, cached_jars, running
from tests.support.waiting import eventually
from tests.support.web import Reply


def ward(hospital: House, mark: str, count: int, patients: int = 5) -> dict[str, str]:
    """Media -> its patient."""
    subjects = [hospital.record.patient(f"p-{mark}-{number}") for number in range(patients)]
    return {hospital.record.media(f"{mark}-{number}", subjects[number % patients]): subjects[number % patients] for number in range(count)}


def announce(hospital: House, pictures: dict[str, str]) -> None:
    for media, subject in pictures.items():
        hospital.bus.announce(media, subject)


def assert_each_has_one_report_and_a_flag(hospital: House, pictures: dict[str, str], *, written_once: bool = True) -> None:
    """`written_once` where no two processes can have had the same event under way at the same time."""
    assert hospital.bus.letters() == []
    flags = hospital.bus.flags()
    assert {flag.media for flag in flags} == set(pictures)
    assert all(flag.subject == pictures[flag.media] for flag in flags)
    for media, subject in pictures.items():
        [report] = hospital.record.reports_on(media)
        assert report["subject"]["reference"] == subject
        assert report["meta"]["versionId"] == "1" or not written_once
    assert hospital.bus.lag() == 0


def test_a_killed_consumer_loses_nothing_and_its_successor_repeats_no_report(quick_hospital: House) -> None:
    pictures = ward(quick_hospital, "killed", 60)
    announce(quick_hospital, pictures)
    first = quick_hospital.start("first")
    eventually(lambda: len(quick_hospital.bus.flags()) >= 10, within_s=60, what="work in flight")
    first.kill()
    assert quick_hospital.bus.lag() > 0
    with quick_hospital.consuming("second"):
        eventually(lambda: quick_hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
    assert_each_has_one_report_and_a_flag(quick_hospital, pictures)


def test_two_consumers_share_the_work_and_a_stopped_one_hands_its_part_over(quick_hospital: House) -> None:
    pictures = ward(quick_hospital, "shared", 60, patients=12)
    with quick_hospital.consuming("first") as first, quick_hospital.consuming("second"):
        announce(quick_hospital, pictures)
        eventually(lambda: len(quick_hospital.bus.flags()) >= 15, within_s=60, what="work in flight")
        first.stop(grace_s=30.0)
        assert first.exit_code == 0
        eventually(lambda: quick_hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
    assert_each_has_one_report_and_a_flag(quick_hospital, pictures, written_once=False)
    assert '"drained"' in quick_hospital.log("first")


def test_an_event_delivered_again_changes_nothing_in_the_record(quick_hospital: House) -> None:
    pictures = ward(quick_hospital, "again", 3)
    announce(quick_hospital, pictures)
    announce(quick_hospital, pictures)
    with quick_hospital.consuming():
        eventually(lambda: quick_hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
    assert_each_has_one_report_and_a_flag(quick_hospital, pictures)
    assert set(Counter(flag.id for flag in quick_hospital.bus.flags()).values()) == {2}


def test_pictures_of_two_patients_judged_side_by_side_never_mix(hospital: House) -> None:
    subjects = [hospital.record.patient(f"p-mix-{number}", gender=("female", "male")[number]) for number in range(2)]
    pictures = {}
    for number in range(16):
        subject = subjects[number % 2]
        media = hospital.record.media(f"mix-{number}", subject, encoded(textured(300, 300, seed=number)))
        pictures[media] = subject
    announce(hospital, pictures)
    with hospital.consuming():
        eventually(lambda: hospital.bus.lag() == 0, within_s=90, what="an ending for every event")
    assert_each_has_one_report_and_a_flag(hospital, pictures)
    scores = {flag.media: flag.probability for flag in hospital.bus.flags()}
    alone = [
        hospital.record.media(f"alone-{number}", subjects[number % 2], encoded(textured(300, 300, seed=number))) for number in range(16)
    ]
    with hospital.consuming("alone", TOCSIN_CONSUME__WORKERS="1"):
        announce(hospital, {media: subjects[number % 2] for number, media in enumerate(alone)})
        eventually(lambda: hospital.bus.lag() == 0, within_s=90, what="an ending for every event")
    one_by_one = {flag.media: flag.probability for flag in hospital.bus.flags()}
    for number in range(16):
        assert one_by_one[f"Media/alone-{number}"] == pytest.approx(scores[f"Media/mix-{number}"], abs=1e-4)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_fhir_server_in_trouble_delays_events_and_loses_none(troubled: tuple[House, Proxy], status: int) -> None:
    hospital, between = troubled
    pictures = ward(hospital, f"trouble-{status}", 6)
    announce(hospital, pictures)
    refused = threading.Event()

    def trouble(method: str, _path: str) -> Reply | None:
        refused.set()
        return Reply(status, b"", {"Retry-After": "1"})

    between.trouble = trouble
    with hospital.consuming():
        eventually(refused.is_set, within_s=30, what="the trouble")
        eventually(lambda: "deferred" in hospital.log(), within_s=30, what="word of the wait")
        assert hospital.bus.flags() == []
        between.trouble = lambda _method, _path: None
        eventually(lambda: hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
    assert_each_has_one_report_and_a_flag(hospital, pictures)


def test_a_write_that_the_server_stored_before_it_failed_is_not_written_again(troubled: tuple[House, Proxy]) -> None:
    hospital, between = troubled
    pictures = ward(hospital, "stored", 4)
    announce(hospital, pictures)
    swallowed = Counter[str]()

    def swallow(method: str, _path: str) -> Reply | None:
        if method != "POST" or swallowed["posts"] >= len(pictures):
            return None
        swallowed["posts"] += 1
        return Reply(500)

    between.afterwards = swallow
    with hospital.consuming():
        eventually(lambda: hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
    assert swallowed["posts"] == len(pictures)
    assert_each_has_one_report_and_a_flag(hospital, pictures)


def test_events_wait_for_a_triton_that_is_away_and_are_judged_when_it_is_back(
    kafka: Kafka, fhir_server: Fhir, noop_card: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "triton"
    with running(lambda: model_server.start(NOOP_MODEL, folder)) as server:
        hospital = house(
            kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=server.grpc_url, card=noop_card, folder=tmp_path / "house"
        )
        pictures = ward(hospital, "triton", 6)
        server.kill()
        announce(hospital, pictures)
        with hospital.consuming():
            eventually(lambda: "deferred" in hospital.log(), within_s=30, what="word of the wait")
            assert hospital.bus.lag() == len(pictures)
            with running(lambda: model_server.start(NOOP_MODEL, folder, ports=server.ports)):
                eventually(lambda: hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
        assert_each_has_one_report_and_a_flag(hospital, pictures)
        hospital.bus.close()


def test_a_kafka_that_dies_and_comes_back_finds_every_event_once_in_the_record(
    fhir_server: Fhir, triton: Triton, noop_card: Path, tmp_path: Path
) -> None:
    folder, jars = tmp_path / "kafka", cached_jars("kafka")
    with running(lambda: broker.start(jars, folder)) as first:
        hospital = house(
            kafka=first.bootstrap_servers, fhir=fhir_server.base_url, triton=triton.grpc_url, card=noop_card, folder=tmp_path / "house"
        )
        pictures = ward(hospital, "kafka", 40, patients=8)
        announce(hospital, pictures)
        with hospital.consuming():
            eventually(lambda: len(hospital.bus.flags()) >= 5, within_s=60, what="work in flight")
            first.kill()
            with running(lambda: broker.start(jars, folder, ports=first.ports)):
                eventually(lambda: hospital.bus.lag() == 0, within_s=90, what="an ending for every event")
                assert_each_has_one_report_and_a_flag(hospital, pictures)
                hospital.bus.close()


def test_a_setting_that_is_wrong_ends_the_process_with_one_line_that_names_it(quick_hospital: House) -> None:
    child = quick_hospital.start(TOCSIN_CONSUME__WORKERS="none")
    assert child.exit_code == 78
    assert "TOCSIN_CONSUME__WORKERS" in quick_hospital.log()
    assert "Traceback" not in quick_hospital.log()


def test_a_bus_that_is_not_there_ends_the_process_with_one_line_that_names_it(quick_hospital: House) -> None:
    child = quick_hospital.start(TOCSIN_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9", TOCSIN_KAFKA__CONNECT_TIMEOUT_S="2")
    assert child.exit_code == 75
    assert "tocsin: kafka" in quick_hospital.log()
    assert "Traceback" not in quick_hospital.log()
