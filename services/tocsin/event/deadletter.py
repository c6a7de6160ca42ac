"""The record of a refusal: why, where it stood, and the unchanged original."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from tocsin.errors import Kind, Refused
from tocsin.event.model import Position, Record, TopicPartition
from tocsin.event.ports import EventSink
from tocsin.telemetry.trace import trace_headers

REPLAYS_HEADER: Final = "tocsin-replays"
"""How often an event was replayed, in ASCII digits; absent from an event that never was."""

_REPLAYS_DIGITS_MAX = 4

Base64 = Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]


class Header(BaseModel):
    """One header of the original record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: Base64


class Original(BaseModel):
    """The record as it stood on the bus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    partition: NonNegativeInt
    offset: NonNegativeInt
    timestamp_ms: int
    key: Base64 | None = Field(description="The unchanged key, base64.")
    value: Base64 | None = Field(description="The unchanged value, base64.")
    headers: tuple[Header, ...]

    @property
    def record(self) -> Record:
        """The record, byte for byte."""
        return Record(
            position=Position(TopicPartition(self.topic, self.partition), self.offset),
            key=_bytes(self.key),
            value=_bytes(self.value),
            headers=tuple((header.name, base64.b64decode(header.value)) for header in self.headers),
            timestamp_ms=self.timestamp_ms,
        )


class DeadLetter(BaseModel):
    """A refused event: schemas/events/dead-letter.v1.schema.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Dead letter v1", serialize_by_alias=True)

    version: Literal[1] = Field(description="Version of this schema.")
    reason: Annotated[str, Field(pattern=r"^[a-z][a-z-]*$", description="Reason code.")]
    kind: Kind = Field(
        alias="class",
        description="permanent: something must be corrected first; transient: a neighbour failed and a replay may succeed; "
        "poison: the process died over it each time.",
    )
    """`class` in JSON, a word that Python keeps for itself."""
    detail: Annotated[str, Field(max_length=2000, description="What was seen; references, sizes and codes only.")]
    advice: str = Field(description="What to do.")
    attempts: PositiveInt
    replays: NonNegativeInt = Field(description="How often the event had been replayed before it was refused.")
    first_failed_at: AwareDatetime
    last_failed_at: AwareDatetime
    original: Original


def dead_letter(record: Record, error: Refused, *, attempts: int, first_failed_at: datetime, now: datetime) -> DeadLetter:
    """The dead letter for `record`, refused with `error` after `attempts` attempts; times are aware."""
    return DeadLetter(
        version=1,
        reason=error.reason,
        **{"class": error.kind},
        detail=str(error)[:2000],
        advice=error.advice,
        attempts=attempts,
        replays=_replays(record),
        first_failed_at=first_failed_at,
        last_failed_at=now,
        original=_original(record),
    )


def send_dead_letter(sink: EventSink, topic: str, letter: DeadLetter, key: bytes | None) -> None:
    """Return once Kafka has it. Raises Unavailable(kafka)."""
    value = orjson.dumps(letter.model_dump(mode="json"))
    sink.send(topic, key, value, [("reason", letter.reason.encode("ascii")), *trace_headers()])


def _original(record: Record) -> Original:
    return Original(
        topic=record.position.log.topic,
        partition=record.position.log.partition,
        offset=record.position.offset,
        timestamp_ms=record.timestamp_ms,
        key=_base64(record.key),
        value=_base64(record.value),
        headers=tuple(Header(name=name, value=base64.b64encode(value).decode("ascii")) for name, value in record.headers),
    )


def _replays(record: Record) -> int:
    """What the header says; 0 where it is absent or no small number."""
    said = dict(record.headers).get(REPLAYS_HEADER, b"")
    return int(said) if said.isdigit() and len(said) <= _REPLAYS_DIGITS_MAX else 0


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)
