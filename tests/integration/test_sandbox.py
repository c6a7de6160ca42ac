"""The parts that tests and the demo run on are the real ones, and behave as production's do where it matters."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_client
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from tocsin.fhir.http import Answer, Http
from tocsin.network import HOST, free_ports
from tocsin.sandbox import fhir
from tocsin.sandbox import kafka as broker
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.triton import Triton

from tests.support.stack import cached_jars, running
from tests.support.waiting import comes_to_hold
from tests.support.web import Reply, Web, web

Resource = dict[str, Any]

AIAST = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
MEDIA: Resource = {
    "resourceType": "Media",
    "status": "completed",
    "subject": {"reference": "Patient/sandbox"},
    "modality": {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "XC"}]},
    "content": {"contentType": "image/jpeg", "data": "AAAA"},
}
REPORT: Resource = {
    "resourceType": "DiagnosticReport",
    "meta": {"security": [AIAST]},
    "extension": [{"url": "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/anything", "valueString": "x"}],
    "status": "preliminary",
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "IMG"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
    "subject": {"reference": "Patient/sandbox"},
    "issued": "2026-01-01T10:00:00Z",
    "conclusionCode": [
        {"coding": [{"system": "http://snomed.info/sct", "code": "372244006"}, {"system": "urn:tocsin:band", "code": "high"}]}
    ],
}


def transaction(*entries: tuple[Resource, Resource]) -> Resource:
    """Resources and the requests that write them; every entry needs a fullUrl, or the relative references in it are refused."""
    listed = [
        {"fullUrl": f"urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0{number}", "resource": resource, "request": request}
        for number, (resource, request) in enumerate(entries)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": listed}


class Records:
    """The FHIR server as a client sees it."""

    def __init__(self, server: Fhir) -> None:
        self._http = Http(connect_timeout_s=3, request_timeout_s=60)
        self._base = server.base_url

    def ask(self, method: str, path: str, resource: Resource | None = None) -> Answer:
        body = None if resource is None else json.dumps(resource).encode()
        headers = {"Content-Type": "application/fhir+json"}
        return self._http.exchange(method, f"{self._base}{path}", neighbour="fhir", headers=headers, body=body, body_bytes_max=10_000_000)

    def put(self, resource: Resource, name: str) -> Answer:
        kind = resource["resourceType"]
        return self.ask("PUT", f"/{kind}/{name}", {**resource, "id": name})


@pytest.fixture(scope="module")
def records(fhir_server: Fhir) -> Records:
    """A server that knows one patient and one device."""
    records = Records(fhir_server)
    for resource in ({"resourceType": "Patient", "active": True}, {"resourceType": "Device", "status": "active"}):
        assert records.put(resource, "sandbox").status in (200, 201)
    return records


def test_a_report_with_ai_label_unknown_extension_snomed_loinc_and_local_codes_is_accepted(records: Records) -> None:
    assert records.put(REPORT, "good").status in (200, 201)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"status": "bananas"}, id="a status that is none"),
        pytest.param({"code": None}, id="a required element that is missing"),
        pytest.param({"performer": [{"reference": "Device/sandbox"}]}, id="a device as performer, which R4 does not allow"),
        pytest.param({"subject": {"reference": "Media/none"}}, id="a reference to the wrong type"),
        pytest.param({"bananas": True}, id="an element that R4 does not have"),
        pytest.param({"issued": "yesterday"}, id="a time that is none"),
        pytest.param({"meta": {"security": [{**AIAST, "code": "AIASTT"}]}}, id="a misspelt code of a known system"),
    ],
)
@pytest.mark.parametrize("way", ["alone", "in a transaction"])
def test_a_report_that_is_not_r4_is_refused_with_its_reasons(records: Records, wrong: Resource, way: str) -> None:
    report = {key: value for key, value in {**REPORT, **wrong, "id": "wrong"}.items() if value is not None}
    bundle = transaction((report, {"method": "PUT", "url": "DiagnosticReport/wrong"}))
    answer = records.put(report, "wrong") if way == "alone" else records.ask("POST", "/", bundle)
    outcome = json.loads(answer.body)
    assert (answer.status, outcome["resourceType"]) == (422, "OperationOutcome")
    assert any(issue["severity"] == "error" and issue["diagnostics"] for issue in outcome["issue"])


def test_a_report_about_nobody_known_is_refused(records: Records) -> None:
    assert records.put({**REPORT, "subject": {"reference": "Patient/nobody"}}, "orphan").status == 400


def test_a_transaction_creates_what_is_not_there_yet_once(records: Records) -> None:
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": "DiagnosticReport/together"}],
        "recorded": "2026-01-01T10:00:00Z",
        "agent": [{"who": {"reference": "Device/sandbox"}}],
    }
    bundle = transaction(
        ({**REPORT, "id": "together"}, {"method": "PUT", "url": "DiagnosticReport/together"}),
        (provenance, {"method": "POST", "url": "Provenance", "ifNoneExist": "target=DiagnosticReport/together"}),
    )
    statuses = []
    for _ in range(2):
        answer = records.ask("POST", "/", bundle)
        assert answer.status == 200
        statuses.append([entry["response"]["status"][:3] for entry in json.loads(answer.body)["entry"]])
    assert statuses == [["201", "201"], ["200", "200"]]


def test_many_writes_at_once_succeed(records: Records) -> None:
    with ThreadPoolExecutor(16) as writers:
        answers = list(writers.map(lambda number: records.put(REPORT, f"many-{number}").status, range(48)))
    assert set(answers) <= {200, 201}


def test_what_is_asked_of_a_server_that_still_starts_is_hung_up_on_and_never_done_later(tmp_path_factory: pytest.TempPathFactory) -> None:
    (port,), folder = free_ports(1), tmp_path_factory.mktemp("starting")
    body = b'{"resourceType": "Patient", "id": "early"}'
    head = f"PUT /fhir/Patient/early HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"

    def asked() -> bytes:
        held: list[socket.socket] = []
        assert comes_to_hold(lambda: connected(port, held), within_s=60)
        with held[0] as early:
            early.sendall(head.encode() + body)
            with suppress(ConnectionResetError):
                return early.recv(1024)
        return b""

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(asked)
        with running(lambda: fhir.start(cached_jars("fhir"), folder, port=port)) as server:
            assert answer.result(timeout=10) == b""
            assert Records(server).ask("GET", "/Patient/early").status == 404


def connected(port: int, held: list[socket.socket]) -> bool:
    with suppress(ConnectionRefusedError):
        held.append(socket.create_connection((HOST, port)))
        held[0].settimeout(120)
    return bool(held)


def test_a_search_sees_what_was_written_before_it(records: Records) -> None:
    for name in ("seen-1", "seen-2"):
        records.put({**MEDIA, "identifier": [{"system": "urn:tocsin:test", "value": "seen"}]}, name)
        found = json.loads(records.ask("GET", "/Media?identifier=urn:tocsin:test%7Cseen&_total=accurate").body)
    assert found["total"] == 2


def test_a_subscription_is_told_of_new_pictures(records: Records) -> None:
    """Not of each one at first: HAPI calls it active a moment before it tells, and may forget it again until its next look, in a minute."""
    with web() as site:

        def write(name: str) -> bool:
            site.replies[f"/hook/Media/{name}"] = Reply(200)
            return records.put(MEDIA, name).status == 201

        channel = {"type": "rest-hook", "endpoint": f"{site.origin}/hook", "payload": "application/fhir+json"}
        subscription = {"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": "Media?", "channel": channel}
        assert records.put(subscription, "pictures").status in (200, 201)
        tried = (write(f"told-{number}") and comes_to_hold(lambda: bool(told(site)), within_s=1.0) for number in range(120))
        assert any(tried), "no picture was told in two minutes"
        records.ask("DELETE", "/Subscription/pictures")
    assert {(one.method, json.loads(one.body)["resourceType"]) for one in site.asked} == {("PUT", "Media")}


def told(site: Web) -> set[str]:
    return {str(json.loads(one.body)["id"]) for one in site.asked}


def test_kafka_keeps_what_it_took_and_makes_no_topic_unasked(kafka: Kafka) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    admin.create_topics([NewTopic("sandbox", num_partitions=2, replication_factor=1)])
    _produce(kafka, "sandbox", [b"first", b"x" * 3_000_000])
    assert sorted(map(len, _consume(kafka, "sandbox", 2))) == [5, 3_000_000]
    assert "sandbox-misspelt" not in admin.list_topics()
    admin.close()


def test_a_killed_broker_comes_back_at_its_address_with_its_data(tmp_path_factory: pytest.TempPathFactory, kafka: Kafka) -> None:
    del kafka  # asked for so that this is skipped where Kafka cannot start
    first = broker.start(cached_jars("kafka"), tmp_path_factory.mktemp("again"))
    try:
        admin = KafkaAdminClient(bootstrap_servers=first.bootstrap_servers)
        admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
        admin.close()
        _produce(first, "kept", [b"durable"])
    finally:
        first.kill()
    second = broker.start(cached_jars("kafka"), first.folder, ports=first.ports)
    try:
        assert second.bootstrap_servers == first.bootstrap_servers
        assert _consume(second, "kept", 1) == [b"durable"]
    finally:
        second.stop()


def test_triton_answers_for_a_batch_with_every_class(triton: Triton) -> None:
    image = triton_client.InferInput("image", [2, 254, 254, 3], "FP16")
    image.set_data_from_numpy(np.zeros((2, 254, 254, 3), np.float16))
    facts = triton_client.InferInput("patient_facts", [2, 10], "FP32")
    facts.set_data_from_numpy(np.zeros((2, 10), np.float32))
    with triton_client.InferenceServerClient(triton.grpc_url) as client:
        answer = client.infer("noop", [image, facts], client_timeout=20).as_numpy("probabilities")
    assert answer.shape == (2, 7)
    assert np.allclose(answer, 1 / 7)


def _produce(kafka: Kafka, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, max_request_size=4_000_000)
    for sent in [producer.send(topic, value) for value in values]:
        sent.get(timeout=20)
    producer.close()


def _consume(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap_servers, group_id="sandbox", auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    values = [record.value for _, record in zip(range(count), consumer, strict=False)]
    consumer.close()
    return values
