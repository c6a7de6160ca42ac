"""What Kafka and the FHIR server hold, read with kafka-python and http.client alone: this module knows nothing of the product."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

from kafka import KafkaConsumer, TopicPartition

READ_WITHIN_S: Final = 120.0
"""Longest reading of one topic."""
ANSWER_WITHIN_S: Final = 60.0
"""Longest wait for one page of a search."""
PAGE: Final = 50
AI_LABEL: Final = "AIAST"
"""HL7's label for what an AI asserted (meta.security)."""

Json = dict[str, Any]


class EvidenceMissing(Exception):
    """Kafka or the FHIR server did not hand out what there is to read, so that nothing can be said."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Where to look on the bus."""

    imaging: str
    flags: str
    dead_letters: str
    group: str
    """The consumers' group."""
    more: Sequence[str] = ()
    """Other topics that the group reads."""
    verdicts: str = ""
    """Where clinicians' verdicts are; empty where nobody gives any."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One record."""

    place: tuple[str, int, int]
    """Topic, partition, offset."""
    value: bytes


@dataclass(frozen=True, slots=True)
class Bus:
    """The topics, each from its beginning to where it ended when the reading began."""

    events: Sequence[Seen]
    flags: Sequence[Json]
    letters: Sequence[Json]
    uncommitted: Mapping[str, int]
    """Topic -> records behind what the group has committed."""
    committed: Mapping[tuple[str, int], int]
    """Topic and partition -> the group's committed offset."""
    verdicts: Sequence[Json] = ()
    """Everything on the topic of verdicts, in order of each report."""


@dataclass(frozen=True, slots=True)
class Report:
    """One DiagnosticReport of an AI as it stands."""

    id: str
    status: str
    subject: str
    media: Sequence[str]

    @property
    def effective(self) -> bool:
        """Whether it still says something about the patient."""
        return self.status != "entered-in-error"


@dataclass(frozen=True, slots=True)
class Provenance:
    """One Provenance: what it speaks of, and what it says that came from."""

    targets: frozenset[str]
    entities: Sequence[tuple[str, str, str]]
    """Role, reference and identifier of each entity; empty texts where it has none."""


@dataclass(frozen=True, slots=True)
class Act:
    """What the Provenance of a verifier says that a clinician did to a report."""

    report: str
    kind: str
    """accept, override, ..."""
    at: str
    """Provenance.occurredDateTime."""


@dataclass(frozen=True, slots=True)
class Record:
    """The FHIR server's side."""

    reports: Sequence[Report]
    provenances: Sequence[Provenance]
    acts: Sequence[Act] = ()
    histories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Report on which somebody acted -> the status of each of its versions, the oldest first."""


def read_bus(bootstrap_servers: str, topics: Topics) -> Bus:
    """The topics as they stand. Raises EvidenceMissing, and kafka-python's errors where no broker answers."""
    with _consumer(bootstrap_servers, topics.group) as consumer:
        read = (topics.imaging, *topics.more)
        uncommitted = {topic: _uncommitted(consumer, topic) for topic in read}
        committed = {(each.topic, each.partition): consumer.committed(each) or 0 for topic in read for each in _partitions(consumer, topic)}
        return Bus(
            events=list(_records(consumer, topics.imaging)),
            flags=[json.loads(each.value) for each in _records(consumer, topics.flags)],
            letters=[json.loads(each.value) for each in _records(consumer, topics.dead_letters)],
            uncommitted=uncommitted,
            committed=committed,
            verdicts=[json.loads(each.value) for each in _records(consumer, topics.verdicts)] if topics.verdicts else [],
        )


def read_record(fhir: str) -> Record:
    """Every AI report and every Provenance below the base address `fhir`. Raises EvidenceMissing, OSError where no server answers."""
    reports = (_report(each) for each in _search(fhir, "DiagnosticReport") if _is_labelled(each))
    provenances = list(_search(fhir, "Provenance"))
    acts = [act for each in provenances for act in _acts(each)]
    histories = {report: _statuses(fhir, report) for report in sorted({act.report for act in acts})}
    return Record(list(reports), [_provenance(each) for each in provenances], acts, histories)


@contextmanager
def _consumer(bootstrap_servers: str, group: str) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        metrics_enabled=False,
    )
    try:
        yield consumer
    finally:
        consumer.close(autocommit=False)


def _partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise EvidenceMissing(f"there is no topic {topic}")
    return [TopicPartition(topic, number) for number in sorted(numbers)]


def _uncommitted(consumer: KafkaConsumer, topic: str) -> int:
    partitions = _partitions(consumer, topic)
    ends = consumer.end_offsets(partitions)
    return sum(max(0, ends[each] - (consumer.committed(each) or 0)) for each in partitions)


def _records(consumer: KafkaConsumer, topic: str) -> Iterator[Seen]:
    """Up to the end offsets of now; offsets that hold nothing are passed over."""
    partitions = _partitions(consumer, topic)
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    deadline = time.monotonic() + READ_WITHIN_S
    while any(consumer.position(each) < ends[each] for each in partitions):
        if time.monotonic() > deadline:
            raise EvidenceMissing(f"{topic} was not read to its end within {READ_WITHIN_S:.0f} s")
        for batch in consumer.poll(timeout_ms=500).values():
            for record in batch:
                if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                    yield Seen((record.topic, record.partition, record.offset), record.value or b"")


def _search(fhir: str, kind: str) -> Iterator[Json]:
    """Every resource of a kind, page after page."""
    return _pages(fhir, f"{kind}?_count={PAGE}&_sort=_id")


def _statuses(fhir: str, report: str) -> list[str]:
    """Of every version, the oldest first."""
    versions = {int(each["meta"]["versionId"]): str(each.get("status")) for each in _pages(fhir, f"{report}/_history?_count={PAGE}")}
    return [versions[number] for number in sorted(versions)]


def _pages(fhir: str, below: str) -> Iterator[Json]:
    server = urlsplit(fhir)
    connection = HTTPConnection(server.netloc, timeout=ANSWER_WITHIN_S)
    path: str | None = f"{server.path}/{below}"
    try:
        while path is not None:
            page = _page(connection, path)
            yield from (entry["resource"] for entry in page.get("entry", []))
            following = [link["url"] for link in page.get("link", []) if link.get("relation") == "next"]
            path = f"{server.path}?{urlsplit(following[0]).query}" if following else None
    finally:
        connection.close()


def _page(connection: HTTPConnection, path: str) -> Json:
    connection.request("GET", path, headers={"Accept": "application/fhir+json", "Cache-Control": "no-cache"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise EvidenceMissing(f"GET {path} was answered {answer.status}")
    page = json.loads(body)
    assert isinstance(page, dict)
    return page


def _is_labelled(resource: Json) -> bool:
    return any(label.get("code") == AI_LABEL for label in resource.get("meta", {}).get("security", []))


def _report(resource: Json) -> Report:
    return Report(
        id=f"DiagnosticReport/{resource['id']}",
        status=str(resource.get("status")),
        subject=_local(resource.get("subject", {}).get("reference", "")),
        media=tuple(_local(each["link"]["reference"]) for each in resource.get("media", [])),
    )


def _provenance(resource: Json) -> Provenance:
    entities = (
        (str(each.get("role", "")), _local(each["what"].get("reference", "")), str(each["what"].get("identifier", {}).get("value", "")))
        for each in resource.get("entity", [])
    )
    return Provenance(frozenset(_local(each.get("reference", "")) for each in resource.get("target", [])), tuple(entities))


def _acts(resource: Json) -> Iterator[Act]:
    """Of a clinician, the verifier, on each report that the Provenance names."""
    agents = [code.get("code") for each in resource.get("agent", []) for code in each.get("type", {}).get("coding", [])]
    kinds = [each["code"] for each in resource.get("activity", {}).get("coding", []) if not each["system"].startswith("http")]
    if "verifier" in agents:
        targets = [_local(each.get("reference", "")) for each in resource.get("target", [])]
        yield from (Act(each, kinds[0], resource["occurredDateTime"]) for each in targets if each.startswith("DiagnosticReport/"))


def _local(reference: str) -> str:
    """Type/<id>, of a reference with or without a server's address and a version."""
    parts = reference.partition("/_history/")[0].split("/")
    return "/".join(parts[-2:])
