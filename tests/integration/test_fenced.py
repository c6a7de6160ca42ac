"""Of two consumers with one name the older one ends, and says so to whoever watches it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tocsin.errors import ContractError
from tocsin.network import HOST
from tocsin.sandbox.kafka import Kafka
from tocsin.telemetry.metrics import LOSSES

from tests.support.health import said
from tests.support.house import House, house
from tests.support.otlp import collector
from tests.support.waiting import eventually

WITHIN_S = 90.0
NAME = {"TOCSIN_KAFKA__GROUP_INSTANCE_ID": "consume-0"}


@pytest.fixture
def alone(kafka: Kafka, noop_card: Path, tmp_path: Path) -> Iterator[House]:
    """A hospital that has a bus and nothing else."""
    made = house(kafka=kafka.bootstrap_servers, fhir=f"http://{HOST}:1/fhir", triton=f"{HOST}:1", card=noop_card, folder=tmp_path)
    with closing(made.bus):
        yield made


def test_a_fenced_consumer_counts_that_once_and_sends_the_count_before_it_ends(alone: House) -> None:
    alone.bus.publish(b"not json")
    with collector() as found:
        variables = {"TOCSIN_OTLP__ENDPOINT": found.endpoint, "TOCSIN_OTLP__SIGNALS": '["metrics"]', "TOCSIN_OTLP__METRICS_EVERY_S": "600"}
        with alone.consuming("older", **NAME, **variables) as older:
            eventually(lambda: alone.bus.lag() == 0, within_s=WITHIN_S, what="a member that works")
            with alone.consuming("newer", **NAME):
                eventually(lambda: not older.alive, within_s=WITHIN_S, what="the end of the older one")
                assert older.exit_code == ContractError.exit_code
        assert found.latest(LOSSES.name, kind="fenced") == 1
    assert said(alone, "consuming", "newer") != []
