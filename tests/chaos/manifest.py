"""What a load put on the bus and what must become of it. Plain data: this module knows nothing of the product."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

PUBLISHED: Final = "published"
NOT_ASSESSABLE: Final = "not-assessable"
POISON: Final = "poison"
REFUSED_ANY: Final = "refused:any"


@dataclass(frozen=True, slots=True)
class Event:
    """One event that Kafka acknowledged."""

    id: str
    value: str
    """The record's value, base64."""
    media: str | None
    """Media/<id>; None where the value names none that exists."""
    subject: str | None
    """Patient/<id>: whose picture the Media is, whatever the event says."""
    content: str | None
    """SHA-256 of the picture when the event was published; None where there is no picture."""
    expects: str
    """published, not-assessable, poison, refused:<reason> or refused:any."""


@dataclass(frozen=True, slots=True)
class Given:
    """One clinician's verdict of which a page said that it was taken."""

    id: str
    report: str
    """DiagnosticReport/<id>."""
    act: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All events of a load."""

    events: Sequence[Event]
    contents: Mapping[str, Sequence[str]]
    """Media -> SHA-256 of each picture it held, in the order in which the FHIR server took them."""
    aborted: Sequence[str] = ()
    """Values, base64, of events that a transactional producer put on the bus and never committed: nobody may act on them."""
    verdicts: Sequence[Given] = ()

    def last_content(self, media: str) -> str:
        """SHA-256 of the picture that the Media holds at the end."""
        return self.contents[media][-1]


def write_manifest(manifest: Manifest, file: Path) -> None:
    """As JSON."""
    file.write_text(json.dumps(asdict(manifest)), "utf-8")


def read_manifest(file: Path) -> Manifest:
    """What `write_manifest` wrote."""
    whole = json.loads(file.read_text("utf-8"))
    events, verdicts = (Event(**each) for each in whole["events"]), (Given(**each) for each in whole["verdicts"])
    return Manifest(tuple(events), whole["contents"], tuple(whole["aborted"]), tuple(verdicts))
