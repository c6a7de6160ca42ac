"""Reports as they stand in a record, composed by Tocsin itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from tocsin.event.types import ImagingEvent
from tocsin.image.taken import Days, Taken
from tocsin.image.types import Obstacle
from tocsin.report.resources.compose import Issuer, compose
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement, Unassessable

from tests.builders import card, event_json, findings, grounds_on, picture

Json = dict[str, Any]

ISSUER = Issuer(card(), "urn:tocsin:site:test")
BEGAN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
HIGH = judge(findings(), ISSUER.card)
RAISED = judge(findings(mel=0.15, bcc=0.05, nv=0.8), ISSUER.card)
BELOW = judge(findings(mel=0.01, bcc=0.01, nv=0.98), ISSUER.card)
DARK = Unassessable(Obstacle("too-dark", "The image is too dark."))


LEFT_CALF: Json = {"coding": [{"system": "urn:test:sites", "code": "calf-l", "display": "Left calf"}]}
"""A body site that has a code of the site's own."""


def stored(
    judgement: Judgement,
    media: str = "Media/m1",
    *,
    subject: str = "Patient/p1",
    site: str = "",
    days: int = 0,
    version: str | None = "1",
    status: str = "preliminary",
    issuer: Issuer = ISSUER,
    sha256: str = "ab" * 32,
) -> list[Json]:
    """A DiagnosticReport and its Observations as a server hands them out; the picture was taken so many days after BEGAN."""
    taken = BEGAN + timedelta(days=days)
    event = ImagingEvent.model_validate(event_json(media=media, subject=subject))
    shown = picture(
        media=media,
        subject=subject,
        as_of=taken,
        fetched=taken + timedelta(minutes=1),
        content_sha256=sha256,
        taken=Taken(Days(taken.date(), taken.date()), {"DateTime": taken.isoformat()}),
        body_site={"coding": [{"system": "http://snomed.info/sct", "code": "1234", "display": site}]} if site else None,
    )
    made = compose(event, shown, grounds_on("cd"), judgement, issuer, taken + timedelta(minutes=2))
    found: list[Json] = []
    for entry in orjson.loads(orjson.dumps(made.bundle))["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] in ("DiagnosticReport", "Observation"):
            meta = resource["meta"] if version is None else resource["meta"] | {"versionId": version}
            found.append(resource | {"meta": meta, "status": status})
    return found


def searchset(resources: list[Json], *, next_page: str | None = None) -> Json:
    """What a server answers to a search that finds these."""
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}
    return bundle if next_page is None else bundle | {"link": [{"relation": "next", "url": next_page}]}
