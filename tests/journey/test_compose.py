"""What compose.yaml starts judges events, by the command, the environment and the health check that it has there.

All of its services together: `python -m tests.deploy.small`.
"""

from __future__ import annotations

from pathlib import Path

from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.triton import Triton

from tests.deploy.compose import project as compose
from tests.deploy.small.site import Site
from tests.deploy.small.with_compose import processes
from tests.support.house import House
from tests.support.waiting import eventually


def test_the_consumer_of_the_compose_file_becomes_healthy_turns_an_event_into_a_flag_and_ends_in_time(
    quick_hospital: House, kafka: Kafka, fhir_server: Fhir, triton: Triton, noop_card: Path, tmp_path: Path
) -> None:
    for file, text in {"secrets/redis-url": "redis://redis:6379/0", "models/sklesion/card.yaml": noop_card.read_text()}.items():
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text)
    here = Site(tmp_path, kafka.bootstrap_servers, fhir_server.base_url, triton.grpc_url)
    topics = {name: value for name, value in quick_hospital.variables.items() if name.startswith("TOCSIN_KAFKA__TOPIC_")}
    media = quick_hospital.record.media("m-compose", quick_hospital.record.patient("p-compose"))
    with processes(here, compose.example()["services"], ("consume",), topics) as children:
        quick_hospital.bus.announce(media, "Patient/p-compose")
        eventually(lambda: [flag.media for flag in quick_hospital.bus.flags()] == [media], within_s=120, what="the flag")
    assert [child.exit_code for child in children] == [0]
