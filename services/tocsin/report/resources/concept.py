"""Copies a CodeableConcept from one resource into another: only its codings may be copied.

Everything else belongs to the resource it stands in: an extension may point to what that resource contains (`#lesion1`, FHIR R4,
references.html#contained) or to another server, an element's id holds in that resource alone, and `text` is somebody's own words.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.fhir.datatypes import Json, an_object, coding, objects, text

CODINGS_MAX: Final = 10
DISPLAY_CHARACTERS_MAX: Final = 200
"""A longer display is no name; servers index displays and some refuse long ones."""

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S{1,500}")
_CODE: Final = re.compile(r"\S{1,100}(?: \S{1,100}){0,4}")


def copied(concept: Any) -> Json | None:
    """The concept reduced to its sound codings; None where it has none."""
    codings = [each for each in map(_copied, objects(an_object(concept).get("coding"))) if each]
    return {"coding": codings[:CODINGS_MAX]} if codings else None


def _copied(stated: Json) -> Json | None:
    """The coding reduced to what may be copied; None where it is not sound, and where its system is no absolute URI.

    Servers refuse such a system, and a code without its system is another code.
    """
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
