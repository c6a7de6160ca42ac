"""Records and events the tests start from; every builder takes only what the test is about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import orjson
from PIL import Image
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.datatypes import Coding
from tocsin.image.taken import Days, Taken
from tocsin.image.types import PatientFacts, Picture
from tocsin.inference.types import Findings
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.model_card import ModelCard, ModelVersion
from tocsin.report.types import Grounds, Rank

from tests.support.pictures import encoded, textured

LOG = TopicPartition("imaging.events.v1", 0)
RANK = Rank(edition=0, judging=0, model=3)
"""Of the model of `card()`."""


def event_json(**changes: Any) -> dict[str, Any]:
    """A valid imaging event as JSON; a change to None removes the field."""
    event: dict[str, Any] = {
        "version": 1,
        "id": "evt-1",
        "source": "urn:test:camera",
        "occurred_at": "2026-03-01T09:30:00+01:00",
        "media": "Media/m1",
        "subject": "Patient/p1",
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def record(value: bytes | None = None, *, offset: int = 0, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """A record as the bus delivers it."""
    content = orjson.dumps(event_json()) if value is None else value
    return Record(position=Position(LOG, offset), key=b"Patient/p1", value=content, headers=headers, timestamp_ms=1_772_354_400_000)


def card(**changes: Any) -> ModelCard:
    """A small model card with three classes and three bands."""
    whole: dict[str, Any] = {
        "card_version": 1,
        "name": "reader",
        "version": "3",
        "title": "Test reader",
        "manufacturer": "Test",
        "intended_use": "Tests.",
        "provenance": {
            "source": "none",
            "source_sha256": "0" * 64,
            "served_sha256": "1" * 64,
            "trained_on": "nothing",
            "licence": "MIT",
        },
        "accepts": {
            "modalities": [{"system": DICOM_MODALITY, "code": "DMS", "display": "Dermoscopy"}],
            "age": {"years_min": 18, "years_max": 120},
            "quality": {
                "side_px_min": 32,
                "aspect_ratio_max": 3,
                "luma_mean_min": 20,
                "luma_mean_max": 250,
                "luma_deviation_min": 2,
                "detail_min": 1,
            },
        },
        "image": {"name": "image", "height": 16, "width": 16, "datatype": "FP16", "reduced_decoding": False},
        "facts": {
            "name": "patient_facts",
            "sexes": ["female", "male", "unknown"],
            "sites": ["arm", "trunk", "unknown"],
            "site_codes": {"arm": ["53120007", "14975008"], "trunk": ["22943007"]},
            "age": {"divided_by": 90, "years_when_missing": 51.9},
        },
        "output": {
            "name": "probabilities",
            "classes": [
                {
                    "code": "mel",
                    "display": "Melanoma",
                    "malignant": True,
                    "codings": [{"system": "http://snomed.info/sct", "code": "93655004", "display": "Malignant melanoma of skin"}],
                },
                {"code": "bcc", "display": "Basal cell carcinoma", "malignant": True},
                {"code": "nv", "display": "Melanocytic naevus", "malignant": False},
            ],
        },
        "calibration": "none",
        "operating_point": {
            "name": "test-point",
            "chosen": "By hand.",
            "bands": [
                {"code": "below-threshold", "display": "Below threshold", "at_least": 0, "flagged": False, "sentence": "Below."},
                {
                    "code": "raised",
                    "display": "Raised",
                    "at_least": 0.1,
                    "flagged": True,
                    "qualitative_risk": "moderate",
                    "sentence": "Raised.",
                },
                {"code": "high", "display": "High", "at_least": 0.5, "flagged": True, "qualitative_risk": "high", "sentence": "High."},
            ],
        },
        "limits": ["It knows nothing."],
    }
    return ModelCard.model_validate(whole | changes)


def picture(image: Image.Image | None = None, **changes: Any) -> Picture:
    """A picture that the card of `card()` accepts, or one of this image."""
    whole: dict[str, Any] = {
        "media": "Media/m1",
        "version": "1",
        "as_of": datetime(2026, 3, 1, 9, 31, tzinfo=UTC),
        "fetched": datetime(2026, 3, 1, 9, 32, tzinfo=UTC),
        "subject": "Patient/p1",
        "content_sha256": "ab" * 32,
        "taken": Taken(Days(date(2026, 3, 1), date(2026, 3, 1)), {"DateTime": "2026-03-01T09:30:00+00:00"}),
        "modality": (Coding(DICOM_MODALITY, "DMS"),),
        "modality_stated": True,
        "body_site": None,
        "born": None,
        "facts": PatientFacts("female", 55.0, ("22943007",)),
        "content": encoded(textured(64, 48) if image is None else image, "PNG"),
    }
    return Picture(**(whole | changes))


def findings(mel: float = 0.6, bcc: float = 0.1, nv: float = 0.3) -> Findings:
    """What the model of `card()` may answer."""
    return Findings(ModelVersion("reader", "3"), {"mel": mel, "bcc": bcc, "nv": nv})


def grounds_on(facts: str = "0c", *, rule: str = "00", rank: Rank = RANK) -> Grounds:
    """Grounds of made-up facts and a made-up rule, each named by two hexadecimal digits; the same names are the same grounds."""
    return Grounds((facts + rule) * 16, facts * 32, rank)
