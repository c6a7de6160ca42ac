"""Each neighbour's ping on the real neighbour, there and away."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from tocsin.errors import Deferred, TocsinError
from tocsin.fhir.client import FhirClient
from tocsin.fhir.ping import FhirPing
from tocsin.inference.ping import Statistics, TritonPing
from tocsin.kafka.ping import KafkaPing, LogEnds
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.types import TopicPartition
from tocsin.model_card import read_card
from tocsin.sandbox import kafka as broker
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.triton import Triton
from tocsin.settings import FhirSettings, KafkaSettings, TritonSettings

from tests.support.proxy import proxy
from tests.support.stack import cached_jars, running
from tests.support.waiting import eventually
from tests.support.web import Reply

NOBODY = "127.0.0.1:9"


def reached(ping: KafkaPing) -> bool:
    try:
        ping.ask()
    except Deferred:
        return False
    return True


def test_a_bus_that_goes_away_and_comes_back_is_noticed_both_times(tmp_path: Path) -> None:
    jars = cached_jars("kafka")
    with running(lambda: broker.start(jars, tmp_path)) as first:
        settings = KafkaSettings(bootstrap_servers=first.bootstrap_servers, commit_timeout_s=2)
        with closing(KafkaPing(settings)) as ping:
            ping.ask()
            first.kill()
            with pytest.raises(Deferred, match="kafka: "):
                ping.ask()
            with running(lambda: broker.start(jars, tmp_path, ports=first.ports)):
                eventually(lambda: reached(ping), within_s=20, what="the bus")


def test_a_bus_that_was_never_there_is_looked_for_again() -> None:
    with closing(KafkaPing(KafkaSettings(bootstrap_servers=NOBODY, connect_timeout_s=0.5))) as ping:
        for _ in range(2):
            with pytest.raises(Deferred, match="kafka: "):
                ping.ask()


def test_a_fhir_server_is_asked_for_next_to_nothing(fhir_server: Fhir) -> None:
    fhir = FhirClient(FhirSettings(base_url=fhir_server.base_url, answer_bytes_max=2048))
    FhirPing(fhir).ask()


@pytest.mark.parametrize("status", [302, 401, 404, 500, 503])
def test_a_fhir_server_that_answers_otherwise_is_not_reached(fhir_server: Fhir, status: int) -> None:
    with proxy(fhir_server.base_url) as between:
        between.trouble = lambda _method, _path: Reply(status)
        with pytest.raises(Deferred, match=f"HTTP {status}"):
            FhirPing(FhirClient(FhirSettings(base_url=between.base_url))).ask()


def test_a_fhir_server_that_is_away_is_not_reached() -> None:
    with pytest.raises(Deferred, match="connection refused"):
        FhirPing(FhirClient(FhirSettings(base_url=f"http://{NOBODY}/fhir"))).ask()


def test_the_model_of_the_card_is_reached_and_no_other(triton: Triton, noop_card: Path) -> None:
    card, settings = read_card(noop_card), TritonSettings(grpc_url=triton.grpc_url)
    with closing(TritonPing(settings, card)) as ping:
        ping.ask()
    for other in ({"name": "other"}, {"version": "99"}):
        with closing(TritonPing(settings, card.model_copy(update=other))) as ping, pytest.raises(TocsinError, match="is not ready"):
            ping.ask()


def test_a_triton_that_is_away_is_not_reached(noop_card: Path) -> None:
    settings = TritonSettings(grpc_url=NOBODY, timeout_s=2)
    with closing(TritonPing(settings, read_card(noop_card))) as ping, pytest.raises(Deferred, match="UNAVAILABLE"):
        ping.ask()


def test_the_ping_of_triton_learns_what_triton_has_done_for_the_model(triton: Triton, noop_card: Path) -> None:
    with closing(TritonPing(TritonSettings(grpc_url=triton.grpc_url), read_card(noop_card))) as ping:
        assert ping.statistics == Statistics()
        ping.ask()
        assert set(ping.statistics.time_s) == {"queue", "input", "compute", "output"}
        assert set(ping.statistics.requests) == {"success", "failure"}


def test_the_ping_of_kafka_learns_where_logs_end_and_a_topic_that_is_missing_is_no_failed_ping(kafka: Kafka) -> None:
    settings, topic = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers), f"ends-{secrets.token_hex(4)}"
    with closing(KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)) as admin:
        admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    with closing(KafkaSink(settings)) as sink:
        sink.send(topic, None, b"x")
    ends = LogEnds((topic,))
    with closing(KafkaPing(settings, ends)) as ping:
        ping.ask()
        assert sorted(ends.known) == [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        assert sum(ends.known.values()) == 1
    missing = LogEnds((f"no-{topic}",))
    with closing(KafkaPing(settings, missing)) as ping:
        ping.ask()
        assert missing.known == {}
