"""An operator's desk, with dead letters on a real broker."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from kafka import KafkaAdminClient
from tocsin.deadletter.replay import replayed
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import AttemptsExhausted, NotJson, Poisoned, Refused, SubjectMismatch
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.settings import KafkaSettings

from tests.builders import event_json
from tests.support.terminal import on_a_terminal

WITHIN_S = 60
CANARY = "Canary-Quintessa"
SEEN_AS = (CANARY, base64.b64encode(CANARY.encode()).decode()[:20], CANARY.encode().hex())
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
VALUE = b'{"name": "' + CANARY.encode() + b'", \xff'
"""No JSON, and a name in it."""
TRACE = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
REPLAYS_MAX = 3
NEVER = {"cap": 0, "no-value": 0, "gone": 0, "too-large": 0}
"""None of what is never replayed."""
Json = dict[str, Any]


class Desk:
    """An operator's desk, on a bus with topics of this test alone in one partition each."""

    def __init__(self, bootstrap_servers: str) -> None:
        mark = secrets.token_hex(4)
        self.kafka = KafkaSettings(
            bootstrap_servers=bootstrap_servers,
            topic_imaging=f"imaging-{mark}",
            topic_backfill=f"backfill-{mark}",
            topic_dead_letters=f"letters-{mark}",
            topic_replays=f"replays-{mark}",
            send_linger_ms=0,
        )
        names = ("topic_imaging", "topic_backfill", "topic_dead_letters", "topic_replays")
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            described = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "4194304"}}
            admin.create_topics({getattr(self.kafka, name): described for name in names}, wait_for_metadata=True)
        self._sink = KafkaSink(self.kafka)
        self.variables = {f"TOCSIN_KAFKA__{name.upper()}": getattr(self.kafka, name) for name in names} | {
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
            "TOCSIN_KAFKA__CONNECT_TIMEOUT_S": "2",
            "TOCSIN_REPLAY__REPLAYS_MAX": str(REPLAYS_MAX),
        }

    def refuse(self, error: Refused, value: bytes | None = None, *, media: str = "m1", ago: timedelta = HOUR, **record: Any) -> Record:
        """A dead letter of this error, that failed last so long ago; gives the original."""
        content = orjson.dumps(event_json(media=f"Media/{media}")) if value is None else value
        place = Position(TopicPartition(record.get("topic", self.kafka.topic_imaging), 0), record.get("offset", 0))
        refused = Record(place, record.get("key", CANARY.encode()), content, record.get("headers", (TRACE, ("ward", CANARY.encode()))), 1)
        self.refuse_again(refused, error, ago=ago)
        return refused

    def refuse_again(self, refused: Record, error: Refused, *, ago: timedelta = HOUR) -> None:
        letter = dead_letter(refused, error, attempts=6, first_failed_at=NOW - 2 * ago, now=NOW - ago)
        send_dead_letter(self._sink, self.kafka.topic_dead_letters, letter, refused.key)

    def damage(self, value: bytes = CANARY.encode()) -> None:
        """A record that is no dead letter."""
        self._sink.send(self.kafka.topic_dead_letters, b"x", value)

    def refuse_without_value(self) -> None:
        record = Record(Position(TopicPartition(self.kafka.topic_imaging, 0), 0), b"x", None, (), 1)
        self.refuse_again(record, NotJson("the record has no value"))

    def read(self, topic: str) -> list[Record]:
        with closing(KafkaTopicReader(self.kafka)) as log:
            return list(log.read(topic))

    def replayed(self) -> dict[str, Any]:
        with closing(KafkaTopicReader(self.kafka)) as log:
            return {place.partition("[")[2].replace("]", ""): each for place, each in replayed(log, self.kafka.topic_replays).items()}

    def run(self, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """`tocsin WORDS` to its end, which must be this exit code; a name in its output is a failure."""
        command = [sys.executable, "-m", "tocsin", *words]
        done = subprocess.run(command, env=self.environment(variables), capture_output=True, text=True, timeout=WITHIN_S, check=False)
        assert done.returncode == code, done.stderr
        assert [each for each in SEEN_AS if each in done.stdout + done.stderr] == []
        return done

    def rows(self, *words: str, code: int = 0) -> list[Json]:
        return [json.loads(line) for line in self.run(*words, "--json", code=code).stdout.splitlines()]

    def ids(self, *options: str) -> list[str]:
        return [row["id"] for row in self.rows("dead-letters", *options)]

    def on_a_terminal(self, *words: str, **variables: str) -> str:
        """What a person sees."""
        code, shown = on_a_terminal([sys.executable, "-m", "tocsin", *words], self.environment(variables), WITHIN_S)
        assert code == 0
        return shown

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_") and name not in ("NO_COLOR", "TERM")}
        return {**ours, "COLUMNS": "80", "LANG": "C.UTF-8", **self.variables, **variables}

    def close(self) -> None:
        self._sink.close()


def filled(desk: Desk) -> Desk:
    """0@0 poison, 0@1 transient, 0@2 permanent and unreadable, 0@3 permanent; the latest failure is 0@1's."""
    desk.refuse(Poisoned("the process died 3 times"), media="m1", ago=4 * HOUR)
    desk.refuse(AttemptsExhausted("fhir failed on this event 6 times: HTTP 503", reference="Media/m2"), media="m2", ago=1 * HOUR)
    desk.refuse(NotJson("no JSON after 30 of 31 bytes"), VALUE, ago=2 * HOUR)
    desk.refuse(SubjectMismatch("the event names Patient/p1", reference="Media/m3"), media="m3", ago=3 * HOUR)
    return desk
