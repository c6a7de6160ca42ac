"""Flag events on the bus."""

from __future__ import annotations

from tocsin.kafka.ports import EventSink
from tocsin.kafka.records import encode
from tocsin.report.flag import Flag
from tocsin.report.told import SITE_FILE
from tocsin.telemetry.calls import sending


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
