"""Repeatable ids (RFC 9562, UUID version 5): the same work gets the same ids again, so that a repeat is no duplicate."""

from __future__ import annotations

import hashlib
import uuid
from functools import lru_cache
from typing import Final

from tocsin.model_card import ModelVersion
from tocsin.site.file import site_sha256
from tocsin.site.parts import SiteFile

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:tocsin").bytes
_VARIANT: Final = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""First digit of an id's fourth group, by that of the digest (RFC 9562, 4.1)."""


def report_id(source: str, media: str, content_sha256: str, model: ModelVersion) -> str:
    """Id of the DiagnosticReport on one picture by one model version at one installation (`source`, a URI)."""
    return _id("report", source, media, content_sha256, model.name, model.version)


def device_id(source: str, model: ModelVersion) -> str:
    """Id of the Device that stands for one model version, by which everything it touched can be found and recalled."""
    return _id("device", source, model.name, model.version)


def site_device_id(source: str, model: ModelVersion, site: SiteFile) -> str:
    """Id of the Device that stands for a site file with just this content, by which what was judged by it can be found and recalled."""
    return _id("site file", source, model.name, model.version, str(site), site_sha256(site))


def card_id(source: str, model: ModelVersion) -> str:
    """Id of the DocumentReference that holds the model's card."""
    return _id("card", source, model.name, model.version)


def part_id(report: str, part: str) -> str:
    """Id of a resource that belongs to the report with the id `report`."""
    return _id(report, part)


def _id(*parts: str) -> str:
    return _version_5(_NAMESPACE, parts)


def repeatable_id(namespace: uuid.UUID, *parts: str) -> str:
    """The same id for the same parts in the same order; no part may hold a line end."""
    return _version_5(namespace.bytes, parts)


@lru_cache(maxsize=1024)
def _version_5(namespace: bytes, parts: tuple[str, ...]) -> str:
    """As uuid.uuid5 makes it (RFC 9562, 5.5), in a third of its time; a journey asks twice for most of its ids."""
    text = hashlib.sha1(namespace + "\n".join(parts).encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"
