"""FHIR R4's datatypes as Tocsin reads them, in one place: an answer is input like any other, and none of it is believed unread.

Each function takes any JSON value and returns what it holds, or nothing where it holds something else; none of them raises.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tocsin.fhir.reference import FHIR_ID

Json = dict[str, Any]
"""A JSON object (RFC 8259), such as a resource or an element of one (FHIR R4, json.html)."""


def an_object(value: object) -> Json:
    """The JSON object; an empty one for whatever else it is."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Json]:
    """The JSON objects of an array; none where it is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """The JSON string; an empty one for whatever else it is."""
    return value if isinstance(value, str) else ""


def aware(value: object) -> datetime | None:
    """A FHIR instant, or a dateTime that has a time of day; None for whatever names no one moment."""
    try:
        when = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return when if when.tzinfo else None


def is_resource(value: Json, kind: str) -> bool:
    """Whether it is a resource of this type that can be named."""
    return value.get("resourceType") == kind and re.fullmatch(FHIR_ID, text(value.get("id"))) is not None


def version_of(resource: Json) -> str | None:
    """meta.versionId as the server counts it; None where it states none."""
    version = an_object(resource.get("meta")).get("versionId")
    return str(version) if isinstance(version, str | int) and not isinstance(version, bool) and str(version) else None
