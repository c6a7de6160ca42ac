"""`tocsin consume` as a process of its own, with a bus and nothing else."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import orjson
import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import InvalidTimestampError
from tocsin.network import free_ports
from tocsin.sandbox.commands import environment, launch
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import Child

from tests.support.house import House, house
from tests.support.lost_stderr import LOST, start
from tests.support.waiting import eventually
from tests.support.web import Reply, Web, web

WITHIN_S = 60.0
STATEMENT = "/fhir/metadata?_elements=fhirVersion"


@pytest.fixture
def site() -> Iterator[Web]:
    """A FHIR server in trouble."""
    with web() as made:
        made.replies[STATEMENT] = Reply(503)
        yield made


@pytest.fixture
def alone(kafka: Kafka, site: Web, noop_card: Path, tmp_path: Path) -> Iterator[House]:
    """A hospital whose FHIR server is in trouble, and whose Triton is away."""
    (triton,) = free_ports(1)
    made = house(kafka=kafka.bootstrap_servers, fhir=f"{site.origin}/fhir", triton=f"127.0.0.1:{triton}", card=noop_card, folder=tmp_path)
    yield made
    made.bus.close()


def said(house: House) -> list[dict[str, str]]:
    """Every line of the log about a neighbour that is away, or back."""
    lines = [orjson.loads(line) for line in house.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] in ("a neighbour does not answer", "a neighbour answers again")]


def test_an_idle_consumer_says_within_seconds_and_once_which_neighbour_is_away_and_where_it_was_looked_for(alone: House, site: Web) -> None:
    with alone.consuming(TOCSIN_METRICS__PING_EVERY_S="0.2"):
        eventually(lambda: alone.folder.joinpath("consume.log").exists() and "consuming" in alone.log(), within_s=WITHIN_S, what="a start")
        assert alone.log().count("loops over pixels") == 1
        eventually(lambda: len(said(alone)) == 2, within_s=60, what="both neighbours")
        expected = {
            "fhir": f"{alone.variables['TOCSIN_FHIR__BASE_URL']} (TOCSIN_FHIR__BASE_URL): HTTP 503",
            "triton": f"{alone.variables['TOCSIN_TRITON__GRPC_URL']} (TOCSIN_TRITON__GRPC_URL): ",
        }
        found = {line["neighbour"]: line["detail"] for line in said(alone)}
        assert {name: found[name].startswith(detail) for name, detail in expected.items()} == {"fhir": True, "triton": True}, found
        site.replies[STATEMENT] = Reply(200, b"{}")
        eventually(lambda: len(said(alone)) == 3, within_s=WITHIN_S, what="that it is back")
        assert (said(alone)[2]["event"], said(alone)[2]["neighbour"]) == ("a neighbour answers again", "fhir")


def test_a_bus_that_is_away_at_the_start_is_named_within_seconds(noop_card: Path, tmp_path: Path) -> None:
    kafka, fhir, triton = free_ports(3)
    variables = environment(kafka=f"127.0.0.1:{kafka}", fhir=f"http://127.0.0.1:{fhir}/fhir", triton=f"127.0.0.1:{triton}", card=noop_card)
    child = Child(launch("consume", tmp_path, variables))
    log = tmp_path / "consume.log"
    try:
        eventually(lambda: log.exists() and log.read_text() != "", within_s=WITHIN_S, what="a first line")
        eventually(
            lambda: all(each in log.read_text() for each in (f"127.0.0.1:{kafka}", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS")),
            within_s=60,
            what="the bus",
        )
    finally:
        child.stop(grace_s=60)


@pytest.mark.parametrize("lost", LOST)
def test_a_refused_event_is_one_dead_letter_though_no_line_of_it_can_be_written(alone: House, lost: str) -> None:
    alone.bus.publish(b"not json")
    with start([sys.executable, "-m", "tocsin", "consume"], lost, alone.variables) as process:
        try:
            eventually(lambda: alone.bus.lag() == 0, within_s=WITHIN_S, what="its ending")
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN_S) == 0
        finally:
            process.kill()
    assert [letter.reason for letter in alone.bus.letters()] == ["not-json"]


ODD_TIMES_MS: Final = (1_772_354_400_000_000, 253_402_300_800_000, 0, 1_772_354_400_000)
"""In microseconds; beyond the year 9999; 1970; as it should be."""


def _taken(bus: str, topic: str, at_ms: int) -> bool:
    with closing(KafkaProducer(bootstrap_servers=bus)) as producer:  # a new one: kafka-python's sends nothing more after this refusal
        try:
            producer.send(topic, b"not json", b"key", timestamp_ms=at_ms).get(timeout=WITHIN_S)
        except InvalidTimestampError:
            return False
    return True


def stamp(house: House, times_ms: Sequence[int]) -> None:
    """Puts a record that is no event on the imaging topic for each time, whatever the time."""
    topic, bus = house.bus.settings.topic_imaging, house.bus.settings.bootstrap_servers
    with closing(KafkaAdminClient(bootstrap_servers=bus)) as admin:
        admin.alter_configs([ConfigResource("topic", topic, {"message.timestamp.after.max.ms": str(2**63 - 1)})])
    for at_ms in times_ms:
        eventually(partial(_taken, bus, topic, at_ms), within_s=WITHIN_S, what="the topic's new limit")


def test_a_record_time_that_no_calendar_has_stops_nothing_not_even_after_an_unclean_death(alone: House) -> None:
    stamp(alone, ODD_TIMES_MS)
    first = alone.start("killed", TOCSIN_CONSUME__COMMIT_INTERVAL_S="600")
    eventually(lambda: len(alone.bus.letters()) == len(ODD_TIMES_MS), within_s=WITHIN_S, what="every dead letter")
    first.kill()
    assert alone.bus.lag() == len(ODD_TIMES_MS)
    with alone.consuming():
        eventually(lambda: alone.bus.lag() == 0, within_s=WITHIN_S, what="the commit")
    assert [letter.original.timestamp_ms for letter in alone.bus.letters()] == list(ODD_TIMES_MS)
