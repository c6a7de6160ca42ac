"""`tocsin serve` keeps the worklist as a process: not ready before it is whole, counted in its metrics, the same after a kill."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from pydantic import BaseModel
from tocsin.clock import utc_now
from tocsin.kafka.records import encode
from tocsin.network import HOST, free_ports
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis

from tests.support.flags import flag, standing, verdict
from tests.support.waiting import eventually

HOUR = timedelta(hours=1)
WITHIN_S = 40.0


class Site:
    """Topics of this test alone, and the process that reads them."""

    def __init__(self, bus: Kafka, redis: Redis) -> None:
        self.mark, self.bus, self.redis = secrets.token_hex(4), bus, redis
        self.flags, self.verdicts = f"flags-{self.mark}", f"verdicts-{self.mark}"

    def make(self) -> None:
        described = {"num_partitions": 2, "replication_factor": 1}
        with closing(KafkaAdminClient(bootstrap_servers=self.bus.bootstrap_servers)) as admin:
            admin.create_topics({self.flags: described, self.verdicts: described}, wait_for_metadata=True)

    def say(self, *said: BaseModel) -> None:
        with closing(KafkaProducer(bootstrap_servers=self.bus.bootstrap_servers)) as producer:
            for each in said:
                topic = self.flags if type(each).__name__ == "Flag" else self.verdicts
                producer.send(topic, encode(each), b"key").get(timeout=20)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """A process of `tocsin serve`, killed at the end; gives the address of its health pages."""
        page, health = free_ports(2)
        settings = {
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": self.bus.bootstrap_servers,
            "TOCSIN_KAFKA__TOPIC_FLAGS": self.flags,
            "TOCSIN_KAFKA__TOPIC_VERDICTS": self.verdicts,
            "TOCSIN_REDIS__URL": self.redis.url,
            "TOCSIN_SERVE__PORT": str(page),
            "TOCSIN_METRICS__PORT": str(health),
            "TOCSIN_METRICS__HOST": HOST,
        }
        process = subprocess.Popen([sys.executable, "-m", "tocsin", "serve"], env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
        try:
            yield f"http://{HOST}:{health}"
        finally:
            process.kill()
            process.wait(10)


def asked(url: str) -> Any:
    """The page as JSON; None where nobody answers yet."""
    try:
        with urlopen(url, timeout=5) as answer:
            return orjson.loads(answer.read())
    except HTTPError as refused:
        return orjson.loads(refused.read())
    except OSError:
        return None


def gauge(origin: str, series: str) -> float | None:
    """The value of a series; None where there is none."""
    with urlopen(f"{origin}/metrics", timeout=5) as answer:
        found = re.search(rf"^{series}[,}}][^\n]* ([0-9.e+-]+)$", answer.read().decode(), re.MULTILINE)
    return None if found is None else float(found[1])


@pytest.fixture
def site(kafka: Kafka, redis_server: Redis) -> Site:
    return Site(kafka, redis_server)


def test_it_is_ready_once_the_list_is_whole_and_counts_what_is_unread_the_same_after_a_kill(site: Site) -> None:
    with site.serving() as origin:
        eventually(lambda: (asked(f"{origin}/ready") or {}).get("ready") is False, within_s=WITHIN_S, what="an answer")
        why = asked(f"{origin}/ready")["not_ready_because"]
        assert any("the worklist is being read from the bus" in each for each in why), why
        site.make()
        now = utc_now()
        site.say(flag(1, at=now - 5 * HOUR), flag(2, at=now), flag(3, at=now), verdict(3, at=now), standing(3, at=now))
        eventually(lambda: asked(f"{origin}/ready")["ready"], within_s=WITHIN_S, what="a whole list")
        eventually(lambda: gauge(origin, r'tocsin_worklist_unread\{band="high"') == 2, within_s=WITHIN_S, what="two unread")
        assert gauge(origin, r'tocsin_worklist_overdue\{model_version="[^"]+"') == 1
    with site.serving() as origin:
        eventually(lambda: (asked(f"{origin}/ready") or {}).get("ready") is True, within_s=WITHIN_S, what="a whole list")
        assert gauge(origin, r'tocsin_worklist_unread\{band="high"') == 2
        assert (gauge(origin, r'tocsin_worklist_unread_oldest_age_seconds\{band="high"') or 0) > 5 * 3600 - 1
