"""What a topic is against what its file says: pure, so that every difference can be shown without a broker."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from tocsin.kafka.topics import MIN_IN_SYNC, POLICY, RETENTION, Topic
from tocsin.settings import KafkaSettings

UNCLEAN: Final = "unclean.leader.election.enable"
"""Verified on every topic, also where its file does not name it: where it is true, acks=all keeps nothing."""

_NOTES: Final = {
    POLICY: "what the other policy took away does not come back",
    UNCLEAN: "a copy that lags behind may become the leader, and what it lacks is lost although it was acknowledged",
}
COPIES: Final = "replication factor"
PARTITIONS: Final = "partitions"
_KEPT: Final = (RETENTION, "retention.bytes")
"""Of these more keeps records longer, and a value below 0 keeps them for good."""
_LIFETIME_MS: Final = "3155760000000"
"""100 years: what is kept so long is kept for good, whether it has an end or none."""
_SHORTENS: Final = "it shortens the retention: the brokers then delete at once what is older"
_KEY_ORDER: Final = "a key's later records go to another partition than its earlier ones, so that their order and compaction are lost"


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the broker has it."""

    partitions: int
    replicas: tuple[int, int]
    """Copies of the partition with the fewest and of the one with the most."""
    config: Mapping[str, str | None]
    """Every effective configuration value, the defaults too."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One property that is not as the topic's file says."""

    property: str
    wanted: str
    found: str
    fix: str
    """A command of Kafka's own tools, or what to do where there is none."""
    note: str
    """What to know before the property is mended; may be empty."""


@dataclass(frozen=True, slots=True)
class Surplus:
    """One property by which a topic has more than its file says, as a site may want it. It is told, and nothing is to be mended."""

    property: str
    wanted: str
    found: str
    note: str
    """What comes of it."""


def tool_options(settings: KafkaSettings) -> str:
    """How Kafka's command-line tools reach the same brokers."""
    options = f"--bootstrap-server {shlex.quote(settings.bootstrap_servers)}"
    return options if settings.security_protocol == "PLAINTEXT" else f"{options} --command-config client.properties"


def drifts(topic: Topic, found: Found, options: str) -> Iterator[Drift]:
    """Every difference that is no surplus, each with its fix; `options` are those of `tool_options`."""
    more = {each.property for each in surpluses(topic, found)}
    if found.partitions != topic.partitions and PARTITIONS not in more:
        yield _partitions(topic, found.partitions, options)
    if found.replicas != (topic.replication_factor, topic.replication_factor):
        yield _replicas(topic, found.replicas, options)
    wanted = {UNCLEAN: False, **topic.config} if found.config.get(UNCLEAN) else topic.config
    for name, value in wanted.items():
        has = found.config.get(name)
        if has is None or not (name in more or _same(text(value), has)):
            yield _config(topic, name, text(value), has, options)


def surpluses(topic: Topic, found: Found) -> Iterator[Surplus]:
    """What the topic has more of than its file says: partitions, or time and room for its records.

    More partitions of a compacted topic are none: the last word on a key would then stand in two of them. Nor are records that stay for
    good where the file rules that out.
    """
    if found.partitions > topic.partitions and "compact" not in str(topic.config.get(POLICY)):
        note = f"Kafka takes none away; where they were added to a topic in use, {_KEY_ORDER}"
        yield Surplus(PARTITIONS, str(topic.partitions), str(found.partitions), note)
    for name in _KEPT:
        wanted, has = text(topic.config.get(name, "")), found.config.get(name)
        if has is not None and _longer(has, wanted) and (topic.for_good or name != RETENTION or _longer(_LIFETIME_MS, has)):
            yield Surplus(name, wanted, has, "what it holds of patients stays on the bus as long (deploy/data.md)")


def text(value: bool | int | float | str) -> str:
    """A value of a configuration as Kafka writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _same(wanted: str, found: str) -> bool:
    try:
        return Decimal(wanted) == Decimal(found)
    except InvalidOperation:
        return _items(wanted) == _items(found)


def _items(value: str) -> set[str]:
    return {item.strip() for item in value.split(",")}


def _partitions(topic: Topic, found: int, options: str) -> Drift:
    if found > topic.partitions:
        fix = f"write `partitions: {found}` into the topic's file if so many are meant; Kafka takes none away"
        note = f"where they were added to a topic in use, {_KEY_ORDER}"
    else:
        fix = f"kafka-topics.sh {options} --alter --topic {shlex.quote(topic.topic)} --partitions {topic.partitions}"
        note = f"let its readers come to its end first: {_KEY_ORDER}"
    return Drift(PARTITIONS, str(topic.partitions), str(found), fix, note)


def _replicas(topic: Topic, found: tuple[int, int], options: str) -> Drift:
    count = topic.replication_factor
    fix = (
        f"name {count} broker(s) for each partition in a file, then kafka-reassign-partitions.sh {options} "
        "--reassignment-json-file FILE --execute"
    )
    fewest, most = found
    return Drift(COPIES, str(count), str(fewest) if fewest == most else f"{fewest} to {most}", fix, "")


def _config(topic: Topic, name: str, wanted: str, found: str | None, options: str) -> Drift:
    if found is None:
        return Drift(name, wanted, "unknown to this broker", "take it out of the topic's file, or run a Kafka that knows it", "")
    if name in _KEPT and _longer(found, wanted):
        return Drift(name, wanted, found, f"give it an end, at {name}={wanted} or later: its records must not be kept for good", _SHORTENS)
    value = f"[{wanted}]" if "," in wanted else wanted
    fix = (
        f"kafka-configs.sh {options} --alter --entity-type topics --entity-name {shlex.quote(topic.topic)} "
        f"--add-config {shlex.quote(f'{name}={value}')}"
    )
    return Drift(name, wanted, found, fix, _note(name, wanted, found))


def _note(name: str, wanted: str, found: str) -> str:
    if name == MIN_IN_SYNC and int(found) < int(wanted):
        return "until then a record may be acknowledged that fewer brokers have, and be lost with them"
    return _NOTES.get(name, "")


def _longer(one: str, other: str) -> bool:
    """Whether `one` keeps records longer than `other`; a value below 0 keeps them for good, and what is no number keeps none longer."""
    try:
        kept, said = Decimal(one), Decimal(other)
        return said >= 0 and (kept < 0 or kept > said)
    except InvalidOperation:
        return False
