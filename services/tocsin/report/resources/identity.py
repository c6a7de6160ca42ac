"""Repeatable ids (RFC 9562, UUID version 5): the same work gets the same ids again, so that a repeat is no duplicate."""

from __future__ import annotations

import hashlib
import uuid
from functools import lru_cache
from typing import Final

from tocsin.model_card import ModelVersion

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:tocsin")
_FIXED: Final = 0xF000 << 64 | 0xC000 << 48
_VERSION_5: Final = 0x5000 << 64 | 0x8000 << 48
"""Version and variant (RFC 9562, 4.1, 4.2), and the bits in which they stand."""


def report_id(source: str, media: str, content_sha256: str, model: ModelVersion) -> str:
    """Id of the DiagnosticReport on one picture by one model version at one installation (`source`, a URI)."""
    return _id("report", source, media, content_sha256, model.name, model.version)


def device_id(source: str, model: ModelVersion) -> str:
    """Id of the Device that stands for one model version, by which everything it touched can be found and recalled."""
    return _id("device", source, model.name, model.version)


def card_id(source: str, model: ModelVersion) -> str:
    """Id of the DocumentReference that holds the model's card."""
    return _id("card", source, model.name, model.version)


def part_id(report: str, part: str) -> str:
    """Id of a resource that belongs to the report with the id `report`."""
    return _id(report, part)


def _id(*parts: str) -> str:
    return repeatable_id(_NAMESPACE, *parts)


@lru_cache(maxsize=1024)
def repeatable_id(namespace: uuid.UUID, *parts: str) -> str:
    """The same id for the same parts in the same order; no part may hold a line end.

    As uuid.uuid5 makes it, in half its time; a journey asks twice for most of its ids.
    """
    digest = hashlib.sha1(namespace.bytes + "\n".join(parts).encode(), usedforsecurity=False).digest()
    number = int.from_bytes(digest[:16]) & ~_FIXED | _VERSION_5
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
