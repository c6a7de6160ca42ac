"""An operator's desk for the commands on dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tocsin.sandbox.kafka import Kafka

from tests.support.letters import Desk, filled


@pytest.fixture
def desk(kafka: Kafka) -> Iterator[Desk]:
    """On topics of this test alone."""
    with closing(Desk(kafka.bootstrap_servers)) as desk:
        yield desk


@pytest.fixture
def full(desk: Desk) -> Desk:
    """A desk with a letter of each sort."""
    return filled(desk)
