"""A worklist behind its pages, with a record that opens some of its rows to a reader."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from PIL import Image, ImageDraw
from tocsin.fhir.client import FhirClient, http_of
from tocsin.image.content import Contents
from tocsin.review.worklist import Ranks, Worklist
from tocsin.serve.app import make_app
from tocsin.serve.types import Session
from tocsin.serve.worklist.blueprint import Ports, Rules, blueprint
from tocsin.settings import FhirSettings, ImageSettings, ServeSettings

from tests.builders import card
from tests.fakes.sessions import FixedSessions, a_session
from tests.support.flags import NOW, flag
from tests.support.readable import Json, Readable, readable

BANDS = card().operating_point.bands


@dataclass
class Being:
    """How the list is said to be."""

    whole: bool = True
    behind_s: float = 1.0


@dataclass
class Ward:
    """The worklist, its record and its application."""

    worklist: Worklist
    record: Readable
    app: Flask
    sessions: FixedSessions
    being: Being
    clock: list[datetime] = field(default_factory=lambda: [NOW])

    def admit(
        self,
        number: int,
        band: str | None = "high",
        *,
        name: str = "",
        readable: bool = True,
        readable_picture: bool = True,
        site: Json | None = None,
        **changes: Any,
    ) -> None:
        """Patient `number` with a picture (of that body site) and a report, flagged; the reader may see it or not."""
        self.worklist.flag(flag(number, band, **changes))
        *of_report, media = resources_of(number, name or f"Canary, Jane {number}", str(changes.get("status", "preliminary")))
        self.record.put(*of_report, token="canary-token" if readable else "another's")
        shown = media if site is None else media | {"bodySite": site}
        self.record.put(shown, token="canary-token" if readable and readable_picture else "another's")


def resources_of(number: int, name: str, status: str = "preliminary") -> tuple[Json, ...]:
    """Report, patient and picture of this number."""
    subject = {"reference": f"Patient/p{number}"}
    given, family = name.partition(", ")[2], name.partition(", ")[0]
    return (
        {"resourceType": "DiagnosticReport", "id": f"r{number}", "status": status, "subject": subject},
        {
            "resourceType": "Patient",
            "id": f"p{number}",
            "name": [{"use": "official", "family": family, "given": [given]}],
            "birthDate": "1971-05-03",
            "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": f"MRN-{number:05d}"}],
        },
        {
            "resourceType": "Media",
            "id": f"m{number}",
            "status": "completed",
            "subject": subject,
            "content": {"contentType": "image/jpeg", "data": _picture(number)},
        },
    )


def _picture(number: int) -> str:
    image = Image.new("RGB", (640, 480), (222, 184, 160))
    ImageDraw.Draw(image).ellipse((220, 140, 300 + number % 7 * 20, 340), fill=(96 - number % 5 * 10, 60, 48))
    written = BytesIO()
    image.save(written, "JPEG")
    return base64.b64encode(written.getvalue()).decode()


@contextmanager
def ward(session: Session | None = None, *, page_rows: int = 10, looked_at_max: int = 100, **more: Any) -> Iterator[Ward]:
    """The ward while the block lasts; its time stands still at NOW. `more` are rules of the list."""
    with readable() as record:
        record.may_read.setdefault("canary-token", set())
        sessions = FixedSessions(session or a_session())
        worklist, being = Worklist(Ranks.of(BANDS), 100_000), Being()

        def record_of(session: Session) -> FhirClient:
            return FhirClient(FhirSettings(base_url=record.base_url, bearer_token=session.token, request_timeout_s=5))

        def contents_of(fhir: FhirClient) -> Contents:
            return Contents(fhir, http_of(FhirSettings()), ImageSettings())

        clock = [NOW]
        ports = Ports(record_of, worklist, being, contents_of, lambda: clock[0])
        rules = Rules(ZoneInfo("Europe/Berlin"), card(), page_rows, looked_at_max, 30.0, 50_000_000, **({"by_cards": True} | more))
        app = make_app([blueprint(ports, rules)], sessions, ServeSettings(time_zone="Europe/Berlin"))
        yield Ward(worklist, record, app, sessions, being, clock)


HOUR = timedelta(hours=1)
