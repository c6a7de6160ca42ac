"""A hospital for journey tests: its record, its bus, and `tocsin consume` as the process that production runs."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from kafka import KafkaAdminClient, KafkaConsumer
from kafka import TopicPartition as Partition
from tocsin.deadletter.types import DeadLetter
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.client import FhirClient, accepted, json_of
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.topics import Topic
from tocsin.report.flag import Flag
from tocsin.sandbox.commands import environment, launch
from tocsin.sandbox.process import Child
from tocsin.sandbox.topics import create_topics
from tocsin.settings import FhirSettings, KafkaSettings

from tests.builders import event_json
from tests.support.pictures import encoded, textured

Json = dict[str, Any]

CANARY = "Canary-Quintessa"
"""Name of every patient of a journey test: wherever it shows outside the record, Tocsin leaked it."""

DERMOSCOPY: Json = {"coding": [{"system": DICOM_MODALITY, "code": "DMS"}]}
JPEG = encoded(textured(320, 240))


class Record:
    """The hospital's FHIR server."""

    def __init__(self, base_url: str) -> None:
        self.fhir = FhirClient(FhirSettings(base_url=base_url))

    def patient(self, patient_id: str, **changes: Any) -> str:
        """A Patient; gives its reference."""
        whole = {"resourceType": "Patient", "id": patient_id, "active": True, "name": [{"family": CANARY}], "birthDate": "1970-06-01"}
        self.fhir.put(whole | changes)
        return f"Patient/{patient_id}"

    def media(self, media_id: str, subject: str | None, picture: bytes | None = JPEG, **changes: Any) -> str:
        """A dermoscopy picture; a change to None removes the field. Gives its reference."""
        attachment: Json = {"contentType": "image/jpeg"}
        if picture is not None:
            attachment["data"] = base64.b64encode(picture).decode()
        whole = {
            "resourceType": "Media",
            "id": media_id,
            "status": "completed",
            "modality": DERMOSCOPY,
            "subject": None if subject is None else {"reference": subject},
            "createdDateTime": "2026-03-01T09:30:00+01:00",
            "content": attachment,
        } | changes
        self.fhir.put({name: value for name, value in whole.items() if value is not None})
        return f"Media/{media_id}"

    def search(self, query: str) -> list[Json]:
        """Every match of a search."""
        bundle = json_of(accepted(self.fhir.get(f"{query}&_count=500"), query), query)
        return [entry["resource"] for entry in bundle.get("entry", [])]

    def reports_on(self, media: str) -> list[Json]:
        """Every DiagnosticReport on one Media."""
        return self.search(f"DiagnosticReport?media={media}")


class Bus:
    """The hospital's Kafka, with topics of this test alone."""

    def __init__(self, bootstrap_servers: str, partitions: int = 3) -> None:
        mark = secrets.token_hex(4)
        self.settings = KafkaSettings(
            bootstrap_servers=bootstrap_servers,
            group_id=f"tocsin-{mark}",
            topic_imaging=f"imaging-{mark}",
            topic_flags=f"flags-{mark}",
            topic_dead_letters=f"letters-{mark}",
            topic_backfill=f"backfill-{mark}",
            topic_replays=f"replays-{mark}",
            topic_backfills=f"backfills-{mark}",
            topic_verdicts=f"verdicts-{mark}",
            send_linger_ms=0,
        )
        create_topics(bootstrap_servers, [_topic(name, partitions) for field, name in self.settings if field.startswith("topic_")])
        self._sink = KafkaSink(self.settings)

    def publish(self, value: bytes | Json, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Put an event (its subject is the key unless told), or any bytes, on the imaging topic."""
        if isinstance(value, dict):
            key = str(value.get("subject")).encode() if key is None else key
            value = orjson.dumps(value)
        self._sink.send(self.settings.topic_imaging, key, value, headers)

    def announce(self, media: str, subject: str, headers: Sequence[tuple[str, bytes]] = (), **changes: Any) -> None:
        """Put an imaging event on the bus."""
        self.publish(event_json(id=media.partition("/")[2], media=media, subject=subject, **changes), headers=headers)

    def forget(self) -> None:
        """Every imaging event so far is deleted, as retention does."""
        topic = self.settings.topic_imaging
        with closing(KafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)) as admin, self._reader() as reader:
            ends = reader.end_offsets([Partition(topic, number) for number in reader.partitions_for_topic(topic)])
            admin.delete_records({each: end for each, end in ends.items() if end})

    def flags(self) -> list[Flag]:
        """Every flag so far."""
        return [Flag.model_validate_json(value) for value in self.values(self.settings.topic_flags)]

    def letters(self) -> list[DeadLetter]:
        """Every dead letter so far."""
        return [DeadLetter.model_validate_json(value) for value in self.values(self.settings.topic_dead_letters)]

    def values(self, topic: str) -> list[bytes]:
        """Every record's value so far."""
        return [record.value for record in self.records(topic)]

    def records(self, topic: str) -> list[Any]:
        """Every record so far, as kafka-python gives it."""
        with self._reader() as reader:
            partitions = [Partition(topic, number) for number in reader.partitions_for_topic(topic)]
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            ends = reader.end_offsets(partitions)
            records: list[Any] = []
            while any(reader.position(each) < ends[each] for each in partitions):
                records += [record for batch in reader.poll(timeout_ms=500).values() for record in batch]
            return records

    def lag(self) -> int:
        """Events that are not committed yet."""
        with self._reader(self.settings.group_id) as reader:
            partitions = [
                Partition(self.settings.topic_imaging, number) for number in reader.partitions_for_topic(self.settings.topic_imaging)
            ]
            ends = reader.end_offsets(partitions)
            return sum(ends[each] - (reader.committed(each) or 0) for each in partitions)

    def close(self) -> None:
        """Leave the bus."""
        self._sink.close()

    @contextmanager
    def _reader(self, group: str | None = None) -> Iterator[KafkaConsumer]:
        reader = KafkaConsumer(
            bootstrap_servers=self.settings.bootstrap_servers, group_id=group, enable_auto_commit=False, isolation_level="read_committed"
        )
        try:
            yield reader
        finally:
            reader.close(autocommit=False)


@dataclass(frozen=True)
class House:
    """One test's hospital."""

    record: Record
    bus: Bus
    folder: Path
    variables: Mapping[str, str]

    @contextmanager
    def consuming(self, name: str = "consume", **variables: str) -> Iterator[Child]:
        """`tocsin consume` until the block ends."""
        child = self.start(name, **variables)
        try:
            yield child
        finally:
            child.stop(grace_s=30.0)

    def start(self, name: str = "consume", **variables: str) -> Child:
        """`tocsin consume`, left running."""
        return Child(launch("consume", self.folder, {**self.variables, **variables}, name))

    def log(self, name: str = "consume") -> str:
        """What the process wrote."""
        return (self.folder / f"{name}.log").read_text()


def house(*, kafka: str, fhir: str, triton: str, card: Path, folder: Path, partitions: int = 3) -> House:
    """A hospital with topics of its own on the given parts."""
    bus = Bus(kafka, partitions)
    names = bus.settings
    more = {
        "TOCSIN_KAFKA__GROUP_ID": names.group_id,
        **{f"TOCSIN_KAFKA__{field.upper()}": name for field, name in names if field.startswith("topic_")},
        "TOCSIN_KAFKA__SESSION_TIMEOUT_MS": "6000",
        "TOCSIN_REPORT__VALIDATE_EVERY": "1",
        "TOCSIN_CONSUME__COMMIT_INTERVAL_S": "0.2",
        "TOCSIN_CONSUME__RETRY_MAX_S": "1",
    }
    return House(Record(fhir), bus, folder, environment(kafka=kafka, fhir=fhir, triton=triton, card=card, more=more))


def _topic(name: str, partitions: int) -> Topic:
    return Topic(
        topic=name,
        owner="test",
        producers=(),
        consumers=(),
        value="",
        key="",
        partitions=partitions,
        config={"max.message.bytes": 4_194_304},
    )
