"""Typed records: one way to read, and one to write, a topic whose records hold one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tocsin.kafka.ports import TopicReader
from tocsin.kafka.types import Position, Record
from tocsin.telemetry.log import logger

VERSION: Final = 1
"""Of every contract so far, as its `version` says it."""

Model = TypeVar("Model", bound=BaseModel)


class Contract(BaseModel):
    """The base of all that stands on a topic. A reader passes over fields that a later Tocsin added: schemas/README.md, "Versions"."""

    model_config = ConfigDict(frozen=True, extra="ignore")


LeaveOut = Callable[[Position], None]
"""Hears the position of a record that is not what its topic holds."""


def warn(position: Position) -> None:
    """Log that the record is not what its topic holds."""
    reader = position.topic_partition
    logger().warning(
        "a record was left out: it is not of its topic's schema", topic=reader.topic, partition=reader.partition, offset=position.offset
    )


def read(
    reader: TopicReader,
    topic: str,
    model: type[Model],
    since: datetime | None = None,
    *,
    wanted: Callable[[Record], bool] = lambda _record: True,
    leave_out: LeaveOut = warn,
) -> Iterator[tuple[Record, Model]]:
    """Every record on the topic as it stands now with what it holds; those of one partition in order, one in memory at a time.

    `since` (aware) leaves out what the bus got before; a record that is not `wanted` is not even parsed. A record that does not hold the
    model goes to `leave_out`. Raises what TopicReader.read does.
    """
    for record in filter(wanted, reader.read(topic, since)):
        held = _held(record, model, leave_out)
        if held is not None:
            yield record, held


def latest(reader: TopicReader, topic: str, model: type[Model], *, wanted: Callable[[str], bool]) -> dict[str, Model]:
    """Key -> what a compacted topic holds under it by now, for each wanted key. Raises what TopicReader.read does.

    A record without a value takes its key away. So does one of a later schema version: what stood there before no longer holds, and is
    neither gone on with nor written over.
    """
    found: dict[str, Model] = {}
    for record in reader.read(topic):
        key = (record.key or b"").decode("ascii", "replace")
        if not wanted(key):
            continue
        if (held := None if record.value is None else _held(record, model, warn)) is not None:
            found[key] = held
        elif record.value is None or _is_of_a_later_version(record.value):
            found.pop(key, None)
    return found


def _held(record: Record, model: type[Model], leave_out: LeaveOut) -> Model | None:
    try:
        return model.model_validate_json(record.value or b"")
    except ValidationError:
        leave_out(record.position)
        return None


def _is_of_a_later_version(value: bytes) -> bool:
    try:
        stated = orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    version = stated.get("version") if isinstance(stated, dict) else None
    return isinstance(version, int) and version > VERSION


def encode(model: BaseModel) -> bytes:
    """The value of a record that holds the model; a field that is None is left out."""
    return model.model_dump_json(exclude_none=True).encode()
