"""Closes dead letters: a person is done with one, nothing is sent, and nothing waits for it any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from tocsin.deadletter.letters import Letter
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.records import Contract, LeaveOut, encode, read, warn
from tocsin.kafka.types import Record

KEY: Final = b"closed/"
"""Begins a closure's key on the topic of replays: closures and replays never replace each other there."""


class Closure(Contract):
    """A dead letter was closed: schemas/events/closure.v1.schema.json. The record's key is `closed/` and `dead_letter`."""

    model_config = ConfigDict(title="Closure v1")

    version: Literal[1] = Field(description="Version of this schema.")
    dead_letter: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\[[0-9]+\]@[0-9]+$", description="Its place, topic[partition]@offset.")]
    failed_at: AwareDatetime = Field(description="Its last_failed_at: a topic made anew has other dead letters at the same places.")
    at: AwareDatetime = Field(description="When it was closed last.")
    by: Literal["operator"] = Field(description="operator: `tocsin dead-letters --close`.")


def close(sink: EventSink, topic_replays: str, letter: Letter, now: datetime) -> Closure:
    """Return once Kafka remembers that the letter is closed; `now` is aware. Raises Deferred(kafka)."""
    done = Closure(version=1, dead_letter=str(letter.position), failed_at=letter.dead.last_failed_at, at=now, by="operator")
    sink.send(topic_replays, KEY + done.dead_letter.encode(), encode(done))
    return done


def closed(reader: TopicReader, topic_replays: str, unreadable: LeaveOut = warn) -> dict[str, Closure]:
    """The latest closure of each dead letter, by its position as text; see `closure_of`. Raises as TopicReader.read does."""
    closures = read(reader, topic_replays, Closure, wanted=is_closure, leave_out=unreadable)
    return {each.dead_letter: each for _, each in closures}


def is_closure(record: Record) -> bool:
    """Whether the record is a closure, by its key; else it is a replay."""
    return (record.key or b"").startswith(KEY)


def closure_of(closures: Mapping[str, Closure], letter: Letter) -> Closure | None:
    """The latest closure of this very dead letter, among those that `closed` found."""
    found = closures.get(str(letter.position))
    return found if found is not None and found.failed_at == letter.dead.last_failed_at else None
