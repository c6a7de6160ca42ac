"""What of a CodeableConcept may be copied from one resource into another: its codings.

Everything else belongs to the resource it stands in: an extension may point to what that one contains (`#lesion1`, FHIR R4,
references.html#contained) or to another server, an element's id is its own there, and `text` is somebody's own words.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.fhir.datatypes import Json, objects, text

CODINGS_MAX: Final = 10
DISPLAY_CHARACTERS_MAX: Final = 200
"""A longer one is no name; servers index displays and some refuse long ones."""

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S{1,500}")
_CODE: Final = re.compile(r"\S{1,100}(?: \S{1,100}){0,4}")


def copied(concept: Any) -> Json | None:
    """Its codings, as far as they are sound; None where there is none."""
    codings = [each for each in map(_coding, objects(concept.get("coding"))) if each] if isinstance(concept, dict) else []
    return {"coding": codings[:CODINGS_MAX]} if codings else None


def _coding(coding: Json) -> Json | None:
    """None where it has no code, or a system that is no absolute URI: servers refuse that, and a code without its system is another."""
    code, system = text(coding.get("code")), coding.get("system")
    if not _CODE.fullmatch(code) or not (system is None or _URI.fullmatch(text(system))):
        return None
    display = " ".join(text(coding.get("display")).split())
    version = text(coding.get("version"))
    return {
        **({} if system is None else {"system": system}),
        **({"version": version} if _CODE.fullmatch(version) else {}),
        "code": code,
        **({"display": display} if 0 < len(display) <= DISPLAY_CHARACTERS_MAX else {}),
    }
