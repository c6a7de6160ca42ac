"""What of a CodeableConcept may be copied from one resource into another: its codings.

Everything else belongs to the resource it stands in: an extension may point to what that one contains (`#lesion1`, FHIR R4,
references.html#contained) or to another server, an element's id is its own there, and `text` is somebody's own words.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.fhir.datatypes import Json, an_object, coding, objects, text

CODINGS_MAX: Final = 10
DISPLAY_CHARACTERS_MAX: Final = 200
"""A longer one is no name; servers index displays and some refuse long ones."""

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S{1,500}")
_CODE: Final = re.compile(r"\S{1,100}(?: \S{1,100}){0,4}")


def copied(concept: Any) -> Json | None:
    """Its codings, as far as they are sound; None where there is none."""
    codings = [each for each in map(_copied, objects(an_object(concept).get("coding"))) if each]
    return {"coding": codings[:CODINGS_MAX]} if codings else None


def _copied(stated: Json) -> Json | None:
    """None also for a system that is no absolute URI: servers refuse that, and a code without its system is another."""
    found = coding(stated)
    if found is None or not _CODE.fullmatch(found.code) or not (found.system is None or _URI.fullmatch(found.system)):
        return None
    display = " ".join(text(stated.get("display")).split())
    version = text(stated.get("version"))
    return {
        **({} if found.system is None else {"system": found.system}),
        **({"version": version} if _CODE.fullmatch(version) else {}),
        "code": found.code,
        **({"display": display} if 0 < len(display) <= DISPLAY_CHARACTERS_MAX else {}),
    }
