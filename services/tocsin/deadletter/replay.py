"""Replays dead letters: the refused event's unchanged record goes back to the topic it came from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, PositiveInt

from tocsin.deadletter.closure import is_closure
from tocsin.deadletter.letters import Letter
from tocsin.deadletter.types import REPLAYS_HEADER, identity
from tocsin.errors import RecordTooLarge
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.records import Contract, LeaveOut, encode, read, warn
from tocsin.kafka.types import Record
from tocsin.settings import KafkaSettings
from tocsin.telemetry.calls import sending
from tocsin.telemetry.metrics import REPLAYS
from tocsin.telemetry.trace import TRACE_HEADERS, context_in, current

REPLAY_OF_HEADER: Final = "tocsin-replay-of"
"""Position of the dead letter that a replayed event comes from, as `topic[partition]@offset`."""

By = Literal["operator", "redrive"]

_OURS: Final = frozenset({REPLAYS_HEADER, REPLAY_OF_HEADER, *TRACE_HEADERS})
"""Headers of an earlier try, which a replay leaves out: it begins a trace of its own, which links to the earlier ones."""


class Replay(Contract):
    """A dead letter was replayed: schemas/events/replay.v1.schema.json. The record's key is `dead_letter`."""

    model_config = ConfigDict(title="Replay v1")

    version: Literal[1] = Field(description="Version of this schema.")
    dead_letter: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\[[0-9]+\]@[0-9]+$", description="Its place, topic[partition]@offset.")]
    failed_at: AwareDatetime = Field(description="Its last_failed_at: a topic made anew has other dead letters at the same places.")
    at: AwareDatetime = Field(description="When it was replayed last.")
    replays: PositiveInt = Field(description="How often its event has been replayed by then.")
    by: By = Field(description="operator: `tocsin replay`; redrive: Tocsin by itself.")


class Barred(StrEnum):
    """Why a dead letter is never replayed, whoever asks."""

    CAP = "cap"
    """Its event was replayed as often as `replays_max` allows."""
    NO_VALUE = "no-value"
    """Its record had no value, and will be refused for ever."""
    GONE = "gone"
    """Its record was too large for the letter, and no longer stands on its topic."""
    TOO_LARGE = "too-large"
    """The topic that its record would go back to takes no record of this size."""


def replayed(reader: TopicReader, topic_replays: str, unreadable: LeaveOut = warn) -> dict[str, Replay]:
    """The latest replay of each dead letter, by its position as text; see `replay_of`. Raises as TopicReader.read does."""
    replays = read(reader, topic_replays, Replay, wanted=lambda record: not is_closure(record), leave_out=unreadable)
    return {each.dead_letter: each for _, each in replays}


def replay_of(replays: Mapping[str, Replay], letter: Letter) -> Replay | None:
    """The latest replay of this very dead letter, among those that `replayed` found."""
    found = replays.get(str(letter.position))
    return found if found is not None and found.failed_at == letter.dead.last_failed_at else None


def count(letter: Letter, earlier: Replay | None) -> int:
    """How often the letter's event has been replayed so far, `earlier` being the latest replay of the letter."""
    return max(letter.dead.replays, earlier.replays if earlier else 0)


def barred(letter: Letter, earlier: Replay | None, replays_max: int) -> Barred | None:
    """Why the letter must not be replayed once more; None where it may."""
    if letter.dead.original.value is None and not letter.dead.original.lacks_value:
        return Barred.NO_VALUE
    return Barred.CAP if count(letter, earlier) >= replays_max else None


def destination(letter: Letter, topics: KafkaSettings) -> str:
    """The topic that the letter's event goes back to: its own if Tocsin reads it, else the imaging topic."""
    topic = letter.dead.original.topic
    return topic if topic in (topics.topic_imaging, topics.topic_backfill) else topics.topic_imaging


def whole(reader: TopicReader, letter: Letter) -> Record:
    """The refused record, read again from its topic where the letter does not hold all of it.

    Where the record no longer stands there, what the letter holds. Raises as TopicReader.at does.
    """
    original = letter.dead.original
    if original.left_out is None:
        return original.record
    found = reader.at(original.position)
    return found if found is not None and identity(found) == original.identity else original.record


def replay(
    reader: TopicReader,
    sink: EventSink,
    letter: Letter,
    earlier: Replay | None,
    *,
    topics: KafkaSettings,
    replays_max: int,
    now: datetime,
    by: By,
) -> Replay | Barred:
    """Return once Kafka has the unchanged event again and, after it, the replay on `topics.topic_replays`.

    Nothing is sent where the replay is barred. `earlier` is the latest replay of this letter, `now` is aware. Raises as `reader` and `sink`
    do. A replay that was sent but not remembered is sent again by whoever asks next; the journey's ids make that harmless.
    """
    why = barred(letter, earlier, replays_max)
    if why is not None:
        return why
    record = whole(reader, letter)
    if record.value is None:
        return Barred.GONE
    done = Replay(
        version=1,
        dead_letter=str(letter.position),
        failed_at=letter.dead.last_failed_at,
        at=now,
        replays=count(letter, earlier) + 1,
        by=by,
    )
    try:
        topic, earlier_traces = destination(letter, topics), (letter.trace, context_in(record.headers), current())
        with sending(topic, earlier_traces, apart=True) as trace:
            sink.send(topic, record.key, record.value, [*_headers(record.headers, done), *trace])
    except RecordTooLarge:
        return Barred.TOO_LARGE
    sink.send(topics.topic_replays, done.dead_letter.encode(), encode(done))
    REPLAYS.add(1, {"by": by})
    return done


def _headers(original: tuple[tuple[str, bytes], ...], done: Replay) -> list[tuple[str, bytes]]:
    kept = [(name, value) for name, value in original if name not in _OURS]
    return [*kept, (REPLAYS_HEADER, b"%d" % done.replays), (REPLAY_OF_HEADER, done.dead_letter.encode())]
