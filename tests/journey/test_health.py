"""Whoever supervises `tocsin consume` is told by it whether a restart would help, and whether it takes part."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
from tocsin.network import free_ports
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.triton import Triton

from tests.support.health import Health, said
from tests.support.house import House, house
from tests.support.pictures import encoded, textured
from tests.support.proxy import Proxy
from tests.support.waiting import eventually
from tests.support.web import Reply

PINGED_OFTEN = {"TOCSIN_METRICS__PING_EVERY_S": "0.2"}
TRAPPED = {"PYTHONPATH": str(Path(__file__).parents[1] / "support" / "trap")}
HANGS = (347, 349)
"""The trap's size of picture that is never decoded."""


def test_a_consumer_is_ready_once_it_polls_and_every_neighbour_answers(quick_hospital: House) -> None:
    with quick_hospital.consuming(**PINGED_OFTEN) as child:
        health = Health(quick_hospital)
        page = health.becomes(ready=200)
        assert {name: each["state"] for name, each in page["neighbours"].items()} == dict.fromkeys(("fhir", "kafka", "triton"), "reached")
        assert (page["not_live_because"], page["not_ready_because"], page["oldest"]) == ([], [], None)
        child.stop(grace_s=30)
        assert child.exit_code == 0
    with pytest.raises(URLError):
        health.ask("/live")


def test_a_fhir_server_that_is_away_makes_a_consumer_unready_only_until_it_waits_for_it(troubled: tuple[House, Proxy]) -> None:
    hospital, between = troubled
    subject = hospital.record.patient("p-health")
    pictures = [hospital.record.media(f"health-{number}", subject) for number in range(5)]
    with hospital.consuming(**PINGED_OFTEN):
        health = Health(hospital)
        health.becomes(ready=200)
        between.trouble = lambda _method, _path: Reply(503)
        page = health.becomes(ready=503)
        assert page["not_ready_because"] == ["fhir: HTTP 503 to the read of metadata: no OperationOutcome"]
        for media in pictures:
            hospital.bus.announce(media, subject)
        page = health.becomes(ready=200)
        assert page["paused_for"] == ["fhir"]
        assert page["neighbours"]["fhir"]["state"] == "waited for"
        assert page["undecided"] > 0
        between.trouble = lambda _method, _path: None
        eventually(lambda: hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
        eventually(lambda: health.ask("/ready")[1]["neighbours"]["fhir"]["state"] == "reached", within_s=30, what="the neighbour")
        assert health.becomes(ready=200)["undecided"] == 0


def test_a_wedged_journey_ends_the_process_and_its_successor_goes_on_with_the_others(
    kafka: Kafka, fhir_server: Fhir, triton: Triton, noop_card: Path, tmp_path: Path
) -> None:
    hospital = house(
        kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=triton.grpc_url, card=noop_card, folder=tmp_path, partitions=1
    )
    subjects = [hospital.record.patient(f"p-wedge-{number}") for number in range(4)]
    hanging = hospital.record.media("wedge-hangs", subjects[0], encoded(textured(*HANGS)))
    others = [hospital.record.media(f"wedge-{subject[-1]}", subject) for subject in subjects[1:]]
    hospital.bus.announce(hanging, subjects[0])
    variables = {**TRAPPED, "TOCSIN_CONSUME__WEDGED_AFTER_S": "8"}

    first = hospital.start("first", **variables)
    eventually(lambda: not first.alive, within_s=90, what="the end of the wedged process")
    assert first.exit_code == 70
    [line] = said(hospital, "stuck", "first")
    assert (line["topic"], line["partition"], line["offset"]) == (hospital.bus.settings.topic_imaging, 0, 0)
    assert "longer than 8 s" in line["detail"]
    assert "sitecustomize.py" in hospital.log("first")
    assert hospital.bus.lag() == 1

    for media, subject in zip(others, subjects[1:], strict=True):
        hospital.bus.announce(media, subject)
    with hospital.consuming("second", **variables):
        eventually(lambda: {flag.media for flag in hospital.bus.flags()} >= set(others), within_s=90, what="the others' endings")
    assert hospital.bus.lag() == 1 + len(others)
    hospital.bus.close()


def test_a_limit_that_a_slow_neighbour_could_break_is_named_at_the_start(quick_hospital: House) -> None:
    with quick_hospital.consuming(TOCSIN_CONSUME__TURN_MAX_S="30"):
        Health(quick_hospital)
        [line] = said(
            quick_hospital, "settings: a deadline is shorter than a slow neighbour may take, so that a healthy process may be ended"
        )
    assert "TOCSIN_CONSUME__TURN_MAX_S is 30 s" in line["detail"]


def test_a_port_that_is_taken_ends_the_process_with_one_line_that_names_its_setting(quick_hospital: House) -> None:
    [port] = free_ports(1)
    with quick_hospital.consuming("first", TOCSIN_METRICS__PORT=str(port)):
        Health(quick_hospital, "first")
        second = quick_hospital.start("second", TOCSIN_METRICS__PORT=str(port))
        eventually(lambda: not second.alive, within_s=60, what="its end")
    assert second.exit_code == 78
    assert "TOCSIN_METRICS__PORT" in quick_hospital.log("second")
    assert "Traceback" not in quick_hospital.log("second")
