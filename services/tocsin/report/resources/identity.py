"""Ids that come out the same whenever the same work is done again (RFC 9562, UUID version 5), so that a repeat is no duplicate."""

from __future__ import annotations

import uuid
from typing import Final

from tocsin.model_card import ModelVersion

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:tocsin")


def report_id(source: str, media: str, content_sha256: str, model: ModelVersion) -> str:
    """Of the DiagnosticReport on one picture by one model version at one installation (`source`, a URI)."""
    return _id("report", source, media, content_sha256, model.name, model.version)


def device_id(source: str, model: ModelVersion) -> str:
    """Of the Device that stands for one model version, so that everything it touched can be found and recalled."""
    return _id("device", source, model.name, model.version)


def card_id(source: str, model: ModelVersion) -> str:
    """Of the DocumentReference that holds the model's card."""
    return _id("card", source, model.name, model.version)


def part_id(report: str, part: str) -> str:
    """Of a resource that belongs to the report with the id `report`."""
    return _id(report, part)


def _id(*parts: str) -> str:
    return repeatable_id(_NAMESPACE, *parts)


def repeatable_id(namespace: uuid.UUID, *parts: str) -> str:
    """The same for the same parts in the same order; none of them may hold a line end."""
    return str(uuid.uuid5(namespace, "\n".join(parts)))
