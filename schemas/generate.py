"""Writes the JSON Schemas, CodeSystems and example reports of this folder from the code that enforces or makes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
from pydantic import BaseModel
from tocsin.archive.types import Backfill, Reconciliation
from tocsin.deadletter.closure import Closure
from tocsin.deadletter.replay import Replay
from tocsin.deadletter.types import DeadLetter
from tocsin.event.types import ImagingEvent
from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.review.feedback import Feedback
from tocsin.review.notices import Notice
from tocsin.review.outcomes import Outcome
from tocsin.review.types import Standing, Verdict
from tocsin.site.parts import SiteFile
from tocsin.site.protocol import Protocol
from tocsin.site.record import Decision

from schemas import code_systems, evaluations, reports

FOLDER = Path(__file__).parent

CONTRACTS: dict[str, type[BaseModel]] = {
    "events/imaging-event.v1.schema.json": ImagingEvent,
    "events/flag-event.v1.schema.json": Flag,
    "events/dead-letter.v1.schema.json": DeadLetter,
    "events/closure.v1.schema.json": Closure,
    "events/replay.v1.schema.json": Replay,
    "events/backfill.v1.schema.json": Backfill,
    "events/reconciliation.v1.schema.json": Reconciliation,
    "events/notice.v1.schema.json": Notice,
    "events/verdict.v1.schema.json": Verdict,
    "events/standing.v1.schema.json": Standing,
    "events/outcome.v1.schema.json": Outcome,
    "events/feedback.v1.schema.json": Feedback,
    "models/model-card.v1.schema.json": ModelCard,
    "models/site-file.v1.schema.json": SiteFile,
    "models/promotion-protocol.v1.schema.json": Protocol,
    "models/site-decision.v1.schema.json": Decision,
}


def schema_of(model: type[BaseModel]) -> bytes:
    """The model's JSON Schema, draft 2020-12, as it stands in its file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(mode="validation")}
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def files() -> Iterator[tuple[str, bytes]]:
    """Name and content of every file that is made."""
    yield from ((name, schema_of(model)) for name, model in CONTRACTS.items())
    yield from code_systems.files()
    yield from reports.files()
    yield from evaluations.files()


def main() -> None:
    """Write every file."""
    for name, content in files():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
