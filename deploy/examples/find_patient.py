"""Finds where a patient stands on the bus: python find_patient.py REFERENCE... [--delete FILE].

Looks into keys, values, headers and the originals inside dead letters. With --delete it writes FILE for kafka-delete-records.sh, by
which Kafka forgets each record of the patient and all that stand before it in the same partition; it writes none where one of these
still waits to be read by Tocsin. Exit codes: 0 nothing of the patient is on the bus; 1 it prints what is; 2 something still waits.
"""

import argparse
import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from bus import connection
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

TOPICS = {
    "TOPIC_IMAGING": "imaging.events.v1",
    "TOPIC_BACKFILL": "tocsin.backfill.v1",
    "TOPIC_FLAGS": "tocsin.flags.v1",
    "TOPIC_DEAD_LETTERS": "imaging.events.v1.dead-letters",
    "TOPIC_REPLAYS": "tocsin.replays.v1",
    "TOPIC_BACKFILLS": "tocsin.backfills.v1",
    "TOPIC_VERDICTS": "tocsin.verdicts.v1",
}
WAITS_FOR_TOCSIN = ("TOPIC_IMAGING", "TOPIC_BACKFILL")


def name(topic: str) -> str:
    return os.environ.get(f"TOCSIN_KAFKA__{topic}", TOPICS[topic])


def records(topic: str) -> Iterator[ConsumerRecord]:
    """Every record that stands on the topic now."""
    reader = KafkaConsumer(**connection(), enable_auto_commit=False)
    try:
        parts = [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
        reader.assign(parts)
        reader.seek_to_beginning()
        ends = reader.end_offsets(parts)
        while any(reader.position(part) < end for part, end in ends.items()):
            for batch in reader.poll(timeout_ms=1000).values():
                yield from batch
    finally:
        reader.close()


def texts(record: ConsumerRecord) -> Iterator[bytes]:
    """All that a record says, and what a dead letter quotes in base64."""
    yield from (record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers))
    try:
        original = json.loads(record.value or b"{}").get("original") or {}
    except (ValueError, AttributeError):
        return
    quoted = [original.get("key"), original.get("value"), *(header.get("value") for header in original.get("headers") or [])]
    yield from (base64.b64decode(each) for each in quoted if each)


def last_places(wanted: list[str]) -> dict[TopicPartition, int]:
    """Partition -> the offset of its last record about the patient."""
    asked = re.compile("|".join(rf"{re.escape(each)}(?![A-Za-z0-9.-])" for each in wanted).encode())
    found: dict[TopicPartition, int] = {}
    for topic in map(name, TOPICS):
        for record in records(topic):
            if any(map(asked.search, texts(record))):
                found[TopicPartition(topic, record.partition)] = record.offset
                print(f"{topic}[{record.partition}]@{record.offset}")
    return found


def still_waiting(found: dict[TopicPartition, int]) -> list[TopicPartition]:
    """Partitions in which Tocsin has not yet come behind the last such record."""
    group = KafkaConsumer(**connection(), group_id=os.environ.get("TOCSIN_KAFKA__GROUP_ID", "tocsin"), enable_auto_commit=False)
    read = {name(topic) for topic in WAITS_FOR_TOCSIN}
    try:
        return [part for part, offset in found.items() if part.topic in read and (group.committed(part) or 0) <= offset]
    finally:
        group.close()


def main() -> int:
    asked = _arguments()
    found = last_places(asked.wanted)
    if not found:
        print(f"nothing of {asked.wanted[0]} is on the bus")
        return 0
    if asked.delete is None:
        return 1
    waiting = still_waiting(found)
    if waiting:
        print("Tocsin has yet to read " + ", ".join(f"{part.topic}[{part.partition}]" for part in waiting) + ": wait, then ask again")
        return 2
    parts = [{"topic": part.topic, "partition": part.partition, "offset": offset + 1} for part, offset in found.items()]
    asked.delete.write_text(json.dumps({"partitions": parts, "version": 1}, indent=1))
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wanted", nargs="+", metavar="REFERENCE", help="Patient/ID, and what else names the patient: Media/ID ...")
    parser.add_argument("--delete", type=Path, metavar="FILE", help="write FILE for kafka-delete-records.sh --offset-json-file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
