"""Flag events on the bus."""

from __future__ import annotations

from typing import Final

from tocsin.kafka.ports import EventSink
from tocsin.kafka.records import encode
from tocsin.kafka.types import Record
from tocsin.report.flag import Flag
from tocsin.telemetry.calls import sending

SITE_FILE: Final = "tocsin-site-file"
"""Header of a flag: the site file by which the picture was judged, <name>/<version>; absent where the card was used alone."""


def site_file_of(flag: Record) -> str | None:
    """The site file that a flag's record names; None where it names none."""
    return next((value.decode("ascii", "replace") for name, value in flag.headers if name == SITE_FILE), None)


class KafkaFlags:
    """Adapter of the Flags port. Safe for threads."""

    def __init__(self, sink: EventSink, topic: str) -> None:
        self._sink = sink
        self._topic = topic

    def announce(self, flag: Flag, site_file: str | None) -> None:
        """See Flags.announce."""
        with sending(self._topic) as headers:
            if site_file is not None:
                headers.append((SITE_FILE, site_file.encode("ascii")))
            self._sink.send(self._topic, flag.subject.encode("ascii"), encode(flag), headers)
