"""The topics as schemas/topics/*.yaml describes them, and the names the settings give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator, model_validator

from tocsin.errors import ConfigurationError
from tocsin.settings import KafkaSettings

POLICY: Final = "cleanup.policy"
MIN_IN_SYNC: Final = "min.insync.replicas"
RETENTION: Final = "retention.ms"

CONFIG_NAMES: Final = frozenset(
    {
        "cleanup.policy",
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.type",
        "compression.zstd.level",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "index.interval.bytes",
        "leader.replication.throttled.replicas",
        "local.retention.bytes",
        "local.retention.ms",
        "max.compaction.lag.ms",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "preallocate",
        "remote.log.copy.disable",
        "remote.log.delete.on.disable",
        "remote.storage.enable",
        "retention.bytes",
        "retention.ms",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    }
)
"""Every topic configuration of Apache Kafka 4.1."""


class Topic(BaseModel):
    """One topic of the bus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    value: str = Field(description="Schema of its records' values, a path below schemas/.")
    key: str
    dead_letters: str | None = None
    partitions: PositiveInt
    replication_factor: PositiveInt = Field(3, description="Copies of each partition, each on a broker of its own.")
    for_good: bool = Field(True, description="Whether a site may have the brokers keep its records without end.")
    config: Mapping[str, bool | int | float | str] = Field(description="Kafka's topic configuration.")

    @field_validator("config")
    @classmethod
    def _known(cls, config: Mapping[str, bool | int | float | str]) -> Mapping[str, bool | int | float | str]:
        unknown = sorted(config.keys() - CONFIG_NAMES)
        if unknown:
            raise ValueError(f"Kafka has no topic configuration {', '.join(unknown)}")
        return config

    @model_validator(mode="after")
    def _writable(self) -> Self:
        if int(self.config.get(MIN_IN_SYNC, 1)) > self.replication_factor:
            raise ValueError(f"{MIN_IN_SYNC} above replication_factor: nobody could write to it")
        return self

    def with_replicas(self, count: int) -> Topic:
        """The topic as a cluster of `count` brokers can keep it: so many copies, and min.insync.replicas at most as many."""
        config = dict(self.config)
        if MIN_IN_SYNC in config:
            config[MIN_IN_SYNC] = min(int(config[MIN_IN_SYNC]), count)
        return self.model_copy(update={"replication_factor": count, "config": config})


def read_topics(folder: Path) -> list[Topic]:
    """Every topic in the folder, by file name.

    Raises ConfigurationError with the name of a file that describes no topic, or does not state how many copies it needs and for how
    long its records stay.
    """
    return [_read(file) for file in sorted(folder.glob("*.yaml"))]


def topic_names(settings: KafkaSettings) -> dict[str, str]:
    """Name in a topic's file, which is the setting's default -> the name it has here.

    Every topic that Tocsin reads or writes is in it.
    """
    fields = KafkaSettings.model_fields.items()
    return {field.default: getattr(settings, name) for name, field in fields if name.startswith("topic_")}


def named(topics: Sequence[Topic], settings: KafkaSettings) -> list[Topic]:
    """The topics under the names they have here; one that no setting is about keeps its own.

    Raises ConfigurationError where nothing describes a topic of the settings, or two descriptions come to one name.
    """
    names = topic_names(settings)
    renamed = [topic.model_copy(update=_new_names(topic, names)) for topic in topics]
    counts = Counter(topic.topic for topic in renamed)
    absent = sorted(set(names.values()) - counts.keys())
    if absent:
        raise ConfigurationError(f"no file describes the topic {', '.join(absent)}, which the settings name (TOCSIN_KAFKA__TOPIC_*)")
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise ConfigurationError(f"two files describe the topic {', '.join(twice)}: give each its own name (TOCSIN_KAFKA__TOPIC_*)")
    return renamed


def _new_names(topic: Topic, names: Mapping[str, str]) -> dict[str, str | None]:
    letters = topic.dead_letters
    return {"topic": names.get(topic.topic, topic.topic), "dead_letters": names.get(letters, letters) if letters else None}


def _read(file: Path) -> Topic:
    try:
        topic = Topic.model_validate(yaml.safe_load(file.read_bytes()))
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in error.errors())
        raise ConfigurationError(f"{file} does not describe a topic: {said}") from None
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file} does not describe a topic: {' '.join(str(error).split())}") from None
    unstated = _unstated(topic)
    if unstated:
        raise ConfigurationError(f"{file} does not state {', '.join(unstated)}")
    return topic


def _unstated(topic: Topic) -> list[str]:
    needed = {POLICY, MIN_IN_SYNC, "max.message.bytes"}
    if "delete" in str(topic.config.get(POLICY)):
        needed.add(RETENTION)
    return sorted(needed - topic.config.keys()) + sorted({"replication_factor"} - topic.model_fields_set)
