"""Which lesion a picture shows, as far as its Media states it in codes: body site, side, and the lesion's own identifier.

FHIR R4: Media.bodySite, SNOMED CT laterality codes beside it, and the standard extension `bodySite` that names a BodyStructure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from tocsin.fhir.canonical import BODY_STRUCTURE, SNOMED
from tocsin.fhir.datatypes import Json, an_object, objects, text
from tocsin.words.catalogue import Catalogue, to_say

_IDENTIFIER: Final = re.compile(r"[\w.:/#+-]{1,64}")
"""What a lesion may be called: one word, so that no sentence of somebody's comes along."""
_DISPLAY_CHARACTERS_MAX: Final = 80

_SITES: Final = {
    "774007": to_say("Head or neck"),
    "69536005": to_say("Head"),
    "45048000": to_say("Neck"),
    "89545001": to_say("Face"),
    "41695006": to_say("Scalp"),
    "53120007": to_say("Arm"),
    "40983000": to_say("Upper arm"),
    "14975008": to_say("Forearm"),
    "85562004": to_say("Hand"),
    "61685007": to_say("Leg"),
    "68367000": to_say("Thigh"),
    "30021000": to_say("Lower leg"),
    "56459004": to_say("Foot"),
    "22943007": to_say("Trunk"),
    "51185008": to_say("Chest"),
    "77568009": to_say("Back"),
    "818983003": to_say("Abdomen"),
}
"""SNOMED CT body structure -> what clinicians call it; another one is called as the record displays it."""

_SIDES: Final = {"7771000": to_say("left"), "24028007": to_say("right"), "51440002": to_say("both sides")}
"""SNOMED CT qualifier of laterality -> in words."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """Where the lesion is, and which it is; everything may be unknown."""

    site: str | None = None
    """SNOMED CT code of the body site."""
    display: str | None = None
    """What the record calls the site."""
    side: str | None = None
    """SNOMED CT code of the laterality."""
    identifier: str | None = None
    """The lesion's own identifier."""

    def words(self, catalogue: Catalogue) -> str:
        """The lesion in that language; says so where no site is stated in a code."""
        known = _SITES.get(self.site or "")
        parts = [catalogue.say(known) if known else self.display or catalogue.say("Body site not stated")]
        if self.side is not None:
            parts.append(catalogue.say(_SIDES[self.side]))
        if self.identifier is not None:
            parts.append(catalogue.say("lesion {identifier}", identifier=self.identifier))
        return ", ".join(parts)


UNKNOWN: Final = Lesion()


def lesion_at(body_site: Any) -> Lesion:
    """The lesion that a body site (a CodeableConcept) names. Never its `text`, which is somebody's own words."""
    site = an_object(body_site)
    codings = [each for each in objects(site.get("coding")) if text(each.get("code"))]
    sides = [each for each in codings if _snomed(each) in _SIDES]
    places = [each for each in codings if each not in sides]
    first = next((each for each in places if _snomed(each) in _SITES), places[0] if places else {})
    return Lesion(
        site=_snomed(first) or None,
        display=_display(first),
        side=_snomed(sides[0]) if sides else None,
        identifier=identifier_of(site),
    )


def identifier_of(body_site: Json) -> str | None:
    """The lesion's identifier: of the BodyStructure that the site names, else that BodyStructure's id; None where it is no single word."""
    for each in objects(body_site.get("extension")):
        if each.get("url") == BODY_STRUCTURE:
            named = an_object(each.get("valueReference"))
            _, structure, id_ = text(named.get("reference")).rpartition("BodyStructure/")
            stated = text(an_object(named.get("identifier")).get("value")) or (id_ if structure else "")
            return stated if _IDENTIFIER.fullmatch(stated) else None
    return None


def _snomed(coding: Json) -> str:
    return text(coding.get("code")) if coding.get("system") == SNOMED else ""


def _display(coding: Json) -> str | None:
    display = " ".join(text(coding.get("display")).split())
    return (display if 0 < len(display) <= _DISPLAY_CHARACTERS_MAX else text(coding.get("code"))) or None
