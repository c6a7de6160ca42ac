"""Composes what prints reports."""

from __future__ import annotations

from datetime import tzinfo

from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.journey import to_other_origins
from tocsin.fhir.client import FhirClient
from tocsin.image.content import Contents
from tocsin.paper.desk import Desk
from tocsin.settings import Settings


def desk(settings: Settings, zone: tzinfo) -> Desk:
    """What makes documents by these settings, with times in this zone. Raises ConfigurationError; reaches out to nobody yet."""
    others = to_other_origins(settings, lambda: None)
    return Desk(
        card=card_in_use(settings.model),
        zone=zone,
        attachments=lambda record: Contents(record, others, settings.image),
        side_px_max=settings.paper.picture_side_px_max,
        pixels_max=settings.image.pixels_max,
    )


def record(settings: Settings) -> FhirClient:
    """The record as Tocsin itself may see it."""
    return FhirClient(settings.fhir)
