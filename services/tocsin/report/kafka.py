"""Flag events on the bus."""

from __future__ import annotations

from tocsin.kafka.ports import EventSink
from tocsin.kafka.records import encode
from tocsin.report.flag import Flag
from tocsin.telemetry.calls import sending


class KafkaFlags:
    """Adapter of the Flags port. Safe for threads."""

    def __init__(self, sink: EventSink, topic: str) -> None:
        self._sink = sink
        self._topic = topic

    def announce(self, flag: Flag) -> None:
        """See Flags.announce."""
        with sending(self._topic) as headers:
            self._sink.send(self._topic, flag.subject.encode("ascii"), encode(flag), headers)
