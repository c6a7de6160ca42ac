"""Three tiny consumers, written for the test of the auditor: a sound one, and two that are broken in a way the auditor has to see.

    python -m tests.chaos.broken KIND BOOTSTRAP_SERVERS IMAGING FLAGS GROUP FHIR

- `sound` writes the report under an id that follows from the picture, then the flag, then commits;
- `commits-first` commits what it polled before it has written anything, so that a kill loses events;
- `random-ids` makes a new id for each report, so that a kill between the write and the commit doubles reports.

Each runs until it is killed. None shares code with the product or with the auditor.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import uuid
from collections.abc import Sequence
from typing import Any, Literal
from urllib.request import Request, urlopen

from kafka import KafkaConsumer, KafkaProducer

Kind = Literal["sound", "commits-first", "random-ids"]
Json = dict[str, Any]

POLL_MS = 10_000
"""Longer than a join takes: kafka-python 3.0.12 forgets a join that new metadata brought about, should a poll end before it has ended."""

AI_LABEL = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
"""Whole: HAPI answers everybody's label with the words of whoever wrote it first."""


class Consumer:
    """Whole journeys, one after the other, batch by batch."""

    def __init__(self, kind: Kind, bootstrap_servers: str, imaging: str, flags: str, group: str, fhir: str) -> None:
        self._kind = kind
        self._flags = flags
        self._fhir = fhir
        self._producer = KafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
        self._consumer = KafkaConsumer(
            imaging,
            bootstrap_servers=bootstrap_servers,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6000,
        )

    def run(self) -> None:
        """Never returns."""
        while True:
            batches = self._consumer.poll(timeout_ms=POLL_MS)
            if batches and self._kind == "commits-first":
                self._consumer.commit()
            for batch in batches.values():
                for record in batch:
                    self._judge(json.loads(record.value))
            if batches and self._kind != "commits-first":
                self._consumer.commit()

    def _judge(self, event: Json) -> None:
        media = self._ask("GET", event["media"])
        content = hashlib.sha256(base64.b64decode(media["content"]["data"])).hexdigest()
        report = self._report_id(event["media"], content)
        self._ask("PUT", f"DiagnosticReport/{report}", _report(report, event))
        flag = _flag(report, event, content)
        self._producer.send(self._flags, json.dumps(flag).encode(), key=event["subject"].encode()).get(timeout=60)

    def _report_id(self, media: str, content: str) -> str:
        return str(uuid.uuid4() if self._kind == "random-ids" else uuid.uuid5(uuid.NAMESPACE_URL, f"{media} {content}"))

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        with urlopen(Request(f"{self._fhir}/{path}", data, headers, method=method), timeout=120) as answer:
            content = json.loads(answer.read())
        assert isinstance(content, dict)
        return content


def _report(report: str, event: Json) -> Json:
    return {
        "resourceType": "DiagnosticReport",
        "id": report,
        "meta": {"security": [AI_LABEL]},
        "status": "preliminary",
        "code": {"text": "Test reading"},
        "subject": {"reference": event["subject"]},
        "media": [{"link": {"reference": event["media"]}}],
    }


def _flag(report: str, event: Json, content: str) -> Json:
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, report)),
        "report": f"DiagnosticReport/{report}",
        "media": event["media"],
        "subject": event["subject"],
        "outcome": "assessed",
        "content_sha256": content,
        "event": event["id"],
    }


def main(arguments: Sequence[str]) -> None:
    """Never returns."""
    kind, *rest = arguments
    assert kind in ("sound", "commits-first", "random-ids")
    Consumer(kind, *rest).run()  # type: ignore[arg-type] # assert narrows no str to a Literal


if __name__ == "__main__":
    main(sys.argv[1:])
