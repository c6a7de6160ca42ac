"""Flags that were told, as they stand on the bus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from tocsin.kafka.ports import TopicReader
from tocsin.kafka.records import read
from tocsin.kafka.types import Record
from tocsin.report.flag import Flag

SITE_FILE: Final = "tocsin-site-file"
"""Header of a flag's record: the site file by which the picture was judged, <name>/<version>; absent where the card was used alone."""


class ToldFlag(NamedTuple):
    """A flag, and what its record says beside it."""

    flag: Flag
    site_file: str | None
    """By which its picture was judged, <name>/<version>; None where its record names none."""


def flags_of(reader: TopicReader, topic: str, source: str, since: datetime | None = None) -> Iterator[ToldFlag]:
    """The flags of that installation, as `read` gives them."""
    for record, flag in read(reader, topic, Flag, since):
        if flag.source == source:
            yield ToldFlag(flag, _site_file(record))


def _site_file(record: Record) -> str | None:
    return next((value.decode("ascii", "replace") for name, value in record.headers if name == SITE_FILE), None)
