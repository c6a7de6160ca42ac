"""A bus with topics of one test alone, and the worker and the scheduler on it."""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from kafka.admin import KafkaAdminClient
from pydantic import SecretStr
from redis import Redis as Client
from tocsin.bootstrap.work import tasks
from tocsin.deadletter.types import REPLAYS_HEADER, dead_letter, send_dead_letter
from tocsin.errors import AttemptsExhausted, Refused
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.network import HOST
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.commands import Command, environment, launch
from tocsin.sandbox.process import Child
from tocsin.settings import KafkaSettings, RedisSettings, Settings
from tocsin.work.app import client

from tests.builders import event_json
from tests.support.house import CANARY
from tests.support.waiting import eventually

ROUND_S = 1
"""How often dead letters are looked through here."""
VISIBILITY_S = 6
REPLAYS_MAX = 3
UNHURRIED = {"TOCSIN_WORK__TASK_TIMEOUT_S": "90", "TOCSIN_WORK__TASK_KILL_AFTER_S": "120", "TOCSIN_WORK__VISIBILITY_TIMEOUT_S": "200"}
"""Limits that no test waits for."""
DOWN = AttemptsExhausted("fhir failed on this event 6 times: 503")


class Desk:
    """A bus with topics of this test alone, and the worker and the scheduler on it."""

    def __init__(self, bootstrap_servers: str, redis_url: str, folder: Path, topics: KafkaSettings | None = None) -> None:
        mark = secrets.token_hex(4)
        given = topics or KafkaSettings(
            bootstrap_servers=bootstrap_servers,
            topic_imaging=f"imaging-{mark}",
            topic_flags=f"flags-{mark}",
            topic_dead_letters=f"letters-{mark}",
        )
        new = {f"topic_{name}": f"{name}-{mark}" for name in ("backfill", "backfills", "replays", "verdicts")}
        self.topics = given.model_copy(update={**new, "send_linger_ms": 0})
        wanted = [*new, *(() if topics else ("topic_imaging", "topic_flags", "topic_dead_letters"))]
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            described = {"num_partitions": 1, "replication_factor": 1}
            admin.create_topics({getattr(self.topics, name): described for name in wanted}, wait_for_metadata=True)
        self.sink = KafkaSink(self.topics)
        self.redis_url = redis_url
        self._folder = folder
        self._running = ExitStack()
        more = {
            f"TOCSIN_KAFKA__{name.upper()}": getattr(self.topics, name)
            for name in type(self.topics).model_fields
            if name.startswith("topic_")
        }
        more |= {
            "TOCSIN_REDIS__URL": redis_url,
            "TOCSIN_REDIS__RECONNECT_WAIT_MAX_S": "1",
            "TOCSIN_WORK__PROCESSES": "1",
            "TOCSIN_WORK__TASK_TIMEOUT_S": "4",
            "TOCSIN_WORK__TASK_KILL_AFTER_S": "5",
            "TOCSIN_WORK__VISIBILITY_TIMEOUT_S": str(VISIBILITY_S),
            "TOCSIN_BACKFILL__PAUSE_MAX_S": "0.5",
            "TOCSIN_RECONCILE__RUN_S": "2",
            "TOCSIN_VERDICTS__RETRY_RUN_S": "2",
            "TOCSIN_WORK__RESTORE_EVERY_S": "0.5",
            "TOCSIN_WORK__DRAIN_TIMEOUT_S": "1",
            "TOCSIN_WORK__REDRIVE_EVERY_S": str(ROUND_S),
            "TOCSIN_WORK__REDRIVE_INITIAL_S": "0.1",
            "TOCSIN_WORK__REDRIVE_REPLAYS_MAX": str(REPLAYS_MAX),
        }
        nowhere = f"http://{HOST}:1/fhir"
        self.variables = environment(kafka=bootstrap_servers, fhir=nowhere, triton=f"{HOST}:1", card=packaged(REFERENCE_CARD), more=more)

    def start(self, command: Command, name: str | None = None, **variables: str) -> Child:
        """`tocsin COMMAND`, until the test ends."""
        child = Child(launch(command, self._folder, {**self.variables, **variables}, name))
        self._running.callback(child.stop, grace_s=20.0)
        return child

    def log(self, name: str) -> str:
        """What the process wrote."""
        return (self._folder / f"{name}.log").read_text()

    def refuse(self, media: str, error: Refused = DOWN, *, replays: int = 0, subject: str = "Patient/p1") -> None:
        """Dead-letter the event of this Media; it carries a name where none belongs."""
        failed = datetime.now(UTC) - timedelta(hours=1)
        value = orjson.dumps(event_json(id=media.partition("/")[2], media=media, subject=subject))
        headers = ((REPLAYS_HEADER, b"%d" % replays), ("x-name", CANARY.encode()))
        position = Position(TopicPartition(self.topics.topic_imaging, 0), secrets.randbelow(10**9))
        record = Record(position, subject.encode(), value, headers, 0)
        letter = dead_letter(record, error, attempts=6, first_failed_at=failed, now=failed)
        send_dead_letter(self.sink, self.topics.topic_dead_letters, letter, record.key)

    def ask(self, task: str, *ids: str) -> None:
        """Queue a task, as the scheduler does."""
        settings = Settings(redis=RedisSettings(url=SecretStr(self.redis_url)))
        client(settings, tasks(settings)).send_task(task, ids)

    def ask_and_wait(self, task: str) -> None:
        """Queue a task; return once a worker is at it."""
        self.ask(task)
        eventually(lambda: bool(self.queues.exists(f"tocsin.alone.{task}")), within_s=120, what="a task under way")

    def redriven(self) -> Counter[str]:
        """Media -> how often its event went back to the imaging topic."""
        with closing(KafkaTopicReader(self.topics)) as log:
            return Counter(orjson.loads(each.value or b"")["media"] for each in log.read(self.topics.topic_imaging))

    def await_redriven(self, media: str, within_s: float = 120.0) -> None:
        """Until the event of this Media is back on the imaging topic."""
        eventually(lambda: media in self.redriven(), within_s=within_s, what=f"the redrive of {media}")

    def rounds(self) -> int:
        """How often dead letters were looked through."""
        return self.log("work").count('"task": "redrive", "duration_ms"')

    def await_rounds(self, more: int) -> None:
        """Until dead letters were looked through so many times more."""
        wanted = self.rounds() + more
        eventually(lambda: self.rounds() >= wanted, within_s=30, what=f"{more} rounds")

    @property
    def port(self) -> int:
        """Where Redis listens, or is to."""
        return urlsplit(self.redis_url).port or 0

    @property
    def queues(self) -> Client:
        """Redis, as whoever has its address sees it."""
        return Client.from_url(self.redis_url, socket_timeout=5.0)

    def held(self) -> bytes:
        """Everything that Redis holds, as it stores it."""
        return b"".join(bytes(key) + (self.queues.dump(key) or b"") for key in self.queues.scan_iter())

    def close(self) -> None:
        """End the processes and leave the bus."""
        self._running.close()
        self.sink.close()


def children(process: Child) -> list[int]:
    """The processes that do a worker's tasks."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
