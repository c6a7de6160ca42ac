"""`tocsin consume` as a process of its own, with a bus and nothing else."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.process import free_ports

from tests.support.house import House, house
from tests.support.lost_stderr import LOST, start
from tests.support.waiting import eventually

WITHIN_S = 60.0


@pytest.fixture
def alone(kafka: Kafka, noop_card: Path, tmp_path: Path) -> Iterator[House]:
    """A hospital whose FHIR server and Triton are away."""
    fhir, triton = free_ports(2)
    made = house(
        kafka=kafka.bootstrap_servers, fhir=f"http://127.0.0.1:{fhir}/fhir", triton=f"127.0.0.1:{triton}", card=noop_card, folder=tmp_path
    )
    yield made
    made.bus.close()


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
