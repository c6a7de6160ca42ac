"""The dead letter: why an event was refused, where its record stood, and the unchanged original."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal, NamedTuple

import orjson
from pydantic import AwareDatetime, ConfigDict, Field, NonNegativeInt, PositiveInt

from tocsin.errors import Kind, RecordTooLarge, Refused
from tocsin.kafka.ports import EventSink
from tocsin.kafka.records import Contract
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.telemetry.calls import sending

REPLAYS_HEADER: Final = "tocsin-replays"
"""How often an event was replayed, in ASCII digits; absent from an event that never was."""

REASON_HEADER: Final = "reason"
"""Header of a dead letter's record: the reason code, so that letters can be chosen without being parsed."""

_REPLAYS_DIGITS_MAX = 4

Base64 = Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

KEPT_BYTES_MAX: Final = 16_384
"""Largest key or value that a letter keeps of a record too large for it; an imaging event is smaller."""

FRAME_BYTES: Final = 8_192
"""Most bytes of a letter beside the original: its own text, and the headers of its record."""

HEADER_BYTES: Final = 48
"""Most bytes that one header takes in a letter beside its name and value."""


class Header(Contract):
    """One header of the original record."""

    name: str
    name_base64: Base64 | None = Field(
        None,
        exclude_if=lambda each: each is None,
        description="The name in UTF-8, base64, where it is not plain printable text; `name` is empty then.",
    )
    value: Base64

    @classmethod
    def of(cls, name: str, value: bytes) -> Header:
        """A header as the bus delivered it. In JSON a control character takes six bytes, so that such a name goes in base64."""
        content = base64.b64encode(value).decode("ascii")
        if name.isprintable() and "\\" not in name and '"' not in name:
            return cls(name=name, value=content)
        return cls(name="", name_base64=base64.b64encode(_utf8(name)).decode("ascii"), value=content)

    @property
    def pair(self) -> tuple[str, bytes]:
        """The header's name and value, as the bus delivered them."""
        name = self.name if self.name_base64 is None else base64.b64decode(self.name_base64).decode("utf-8", "backslashreplace")
        return name, base64.b64decode(self.value)


class Digest(Contract):
    """What is known of a record without its content."""

    key_bytes: NonNegativeInt | None = Field(description="Size of the key; null where there is none.")
    key_sha256: Sha256 | None
    value_bytes: NonNegativeInt | None = Field(description="Size of the value; null where there is none.")
    value_sha256: Sha256 | None
    headers: NonNegativeInt = Field(description="How many headers it has.")
    headers_bytes: NonNegativeInt = Field(description="Size of all their names and values.")
    record_sha256: Sha256 = Field(description="Over key, value and each header's name and value, each behind its length in 8 bytes.")

    @classmethod
    def of(cls, record: Record) -> Digest:
        """The digest of a record as the bus delivered it."""
        return cls(
            key_bytes=None if record.key is None else len(record.key),
            key_sha256=None if record.key is None else sha256(record.key).hexdigest(),
            value_bytes=None if record.value is None else len(record.value),
            value_sha256=None if record.value is None else sha256(record.value).hexdigest(),
            headers=len(record.headers),
            headers_bytes=_headers_bytes(record),
            record_sha256=fingerprint(record),
        )


class Original(Contract):
    """The record as it stood on the bus."""

    topic: str
    partition: NonNegativeInt
    offset: NonNegativeInt
    timestamp_ms: int
    key: Base64 | None = Field(description="The unchanged key, base64.")
    value: Base64 | None = Field(description="The unchanged value, base64.")
    headers: tuple[Header, ...]
    left_out: Digest | None = Field(
        None,
        exclude_if=lambda each: each is None,
        description="Only where the record is too large for its letter: what is known of it. Its headers are not in the letter, key and "
        "value only where they are small; it stands at its place for as long as its topic keeps it.",
    )

    @property
    def record(self) -> Record:
        """The record, byte for byte; of a record that was too large, what was kept."""
        return Record(
            position=self.position,
            key=_bytes(self.key),
            value=_bytes(self.value),
            headers=tuple(header.pair for header in self.headers),
            timestamp_ms=self.timestamp_ms,
        )

    @property
    def position(self) -> Position:
        """Where the record stood."""
        return Position(TopicPartition(self.topic, self.partition), self.offset)

    @property
    def digest(self) -> Digest:
        """The record's digest: all that may be told of its content."""
        return Digest.of(self.record) if self.left_out is None else self.left_out

    @property
    def lacks_value(self) -> bool:
        """Whether the record had a value that this letter does not hold."""
        return self.left_out is not None and self.value is None and self.left_out.value_bytes is not None

    @property
    def identity(self) -> Identity:
        """Which record it was, for comparison with one that is read again."""
        return Identity(self.position, self.timestamp_ms, self.digest.record_sha256)


class Identity(NamedTuple):
    """Tells one record from all others: in a topic that was made anew, another may stand at the same place."""

    position: Position
    timestamp_ms: int
    sha256: str


class DeadLetter(Contract):
    """A refused event: schemas/events/dead-letter.v1.schema.json."""

    model_config = ConfigDict(title="Dead letter v1", serialize_by_alias=True)

    version: Literal[1] = Field(description="Version of this schema.")
    reason: Annotated[str, Field(pattern=r"^[a-z][a-z-]*$", description="Reason code.")]
    kind: Kind = Field(
        alias="class",
        description="permanent: something must be corrected first; transient: a neighbour failed and a replay may succeed; "
        "poison: the process died over it each time.",
    )
    """Named `class` in JSON, which is a reserved word in Python."""
    detail: Annotated[str, Field(max_length=2000, description="What was seen; references, sizes and codes only.")]
    advice: str = Field(description="What to do.")
    attempts: PositiveInt
    replays: NonNegativeInt = Field(description="How often the event had been replayed before it was refused.")
    first_failed_at: AwareDatetime
    last_failed_at: AwareDatetime
    original: Original


def dead_letter(
    record: Record, error: Refused, *, attempts: int, first_failed_at: datetime, now: datetime, bytes_max: int | None = None
) -> DeadLetter:
    """The dead letter for `record`, refused with `error` after `attempts` attempts; times are aware.

    Where the letter would have more than `bytes_max` bytes, it leaves the record out, so that there is a letter for every record.
    """
    fits = bytes_max is None or _letter_bytes(record) <= bytes_max
    return DeadLetter(
        version=1,
        reason=error.reason,
        **{"class": error.kind},
        detail=_utf8(str(error)[:2000]).decode("utf-8")[:2000],
        advice=error.advice,
        attempts=attempts,
        replays=_replays(record),
        first_failed_at=first_failed_at,
        last_failed_at=now,
        original=_original(record) if fits else _leaner(record, Digest.of(record), KEPT_BYTES_MAX),
    )


def send_dead_letter(sink: EventSink, topic: str, letter: DeadLetter, key: bytes | None) -> None:
    """Return once Kafka has the letter, without its original where topic or sink takes no record so large. Raises Unavailable(kafka)."""
    try:
        _send(sink, topic, letter, key)
    except RecordTooLarge:
        _send_leaner(sink, topic, letter)


def _send_leaner(sink: EventSink, topic: str, letter: DeadLetter) -> None:
    record, digest = letter.original.record, letter.original.digest
    for kept_bytes_max in (KEPT_BYTES_MAX, 0):
        leaner = letter.model_copy(update={"original": _leaner(record, digest, kept_bytes_max)})
        try:
            _send(sink, topic, leaner, _bytes(leaner.original.key))
        except RecordTooLarge:
            if kept_bytes_max == 0:
                raise
        else:
            return


def _send(sink: EventSink, topic: str, letter: DeadLetter, key: bytes | None) -> None:
    kept = None if key is not None and letter.original.key is None else key
    value = orjson.dumps(letter.model_dump(mode="json"))
    with sending(topic) as headers:
        sink.send(topic, kept, value, [(REASON_HEADER, letter.reason.encode("ascii")), *headers])


def identity(record: Record) -> Identity:
    """The record's identity."""
    return Identity(record.position, record.timestamp_ms, fingerprint(record))


def fingerprint(record: Record) -> str:
    """The record's SHA-256, as Digest.record_sha256 describes it."""
    hashed = sha256()
    for part in (record.key, record.value, *(part for name, value in record.headers for part in (_utf8(name), value))):
        hashed.update((-1 if part is None else len(part)).to_bytes(8, "big", signed=True))
        hashed.update(part or b"")
    return hashed.hexdigest()


def _letter_bytes(record: Record) -> int:
    """An upper bound of the bytes of the record's letter, the key of the letter's own record included."""
    key, value = len(record.key or b""), len(record.value or b"")
    return FRAME_BYTES + 3 * key + (value + _headers_bytes(record)) * 3 // 2 + HEADER_BYTES * len(record.headers)


def _headers_bytes(record: Record) -> int:
    return sum(len(_utf8(name)) + len(value) for name, value in record.headers)


def _leaner(record: Record, digest: Digest, kept_bytes_max: int) -> Original:
    def kept(value: bytes | None) -> bytes | None:
        return None if value is None or len(value) > kept_bytes_max else value

    lean = replace(record, key=kept(record.key), value=kept(record.value), headers=())
    return _original(lean).model_copy(update={"left_out": digest})


def _original(record: Record) -> Original:
    return Original(
        topic=record.position.topic_partition.topic,
        partition=record.position.topic_partition.partition,
        offset=record.position.offset,
        timestamp_ms=record.timestamp_ms,
        key=_base64(record.key),
        value=_base64(record.value),
        headers=tuple(Header.of(name, value) for name, value in record.headers),
    )


def _replays(record: Record) -> int:
    """How often the record's header says it was replayed; 0 where the header is absent or no small number."""
    said = dict(record.headers).get(REPLAYS_HEADER, b"")
    return int(said) if said.isdigit() and len(said) <= _REPLAYS_DIGITS_MAX else 0


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
