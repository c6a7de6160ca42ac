"""What kind of picture a Media says it holds, in whichever code system and form (FHIR R4, Media.modality and Media.type)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.image.types import Coding

DICOM_MODALITY: Final = "http://dicom.nema.org/resources/ontology/DCM"
"""Code system of DICOM modality codes in FHIR R4 (valueset media-modality)."""
SNOMED: Final = "http://snomed.info/sct"
PLAIN_IMAGE: Final = Coding("http://terminology.hl7.org/CodeSystem/media-type", "image")
"""Says no more than that it is a picture."""

OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    DICOM_MODALITY: ("urn:oid:1.2.840.10008.2.16.4",),
    SNOMED: ("urn:oid:2.16.840.1.113883.6.96",),
}
"""A code system's address -> what else it is called: its object identifier (FHIR R4, terminologies-systems)."""
_ADDRESS: Final = {other: address for address, others in OTHER_NAMES.items() for other in others}
_CODE: Final = re.compile(r"[!-~]{1,128}")
"""What may be told of a record's codes: words between them might be about somebody."""
NAMED_MAX: Final = 4
"""Codes told of one picture."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a Media says of its kind."""

    codings: tuple[Coding, ...]
    """Those that can be read, of Media.modality and Media.type; PLAIN_IMAGE is left out."""
    stated: bool
    """Whether the Media says anything of it, though it be in words or in codes that cannot be read."""


def kind_of(media: Mapping[str, Any]) -> Kind:
    """By Media.modality and Media.type."""
    concepts = [media.get(name) for name in ("modality", "_modality", "type", "_type")]
    found = [coding for concept in concepts for coding in codings(concept) if coding != PLAIN_IMAGE]
    return Kind(tuple(found), any(concept is not None and not _plain(concept) for concept in concepts))


def codings(concept: Any) -> tuple[Coding, ...]:
    """Of a CodeableConcept, as far as they can be read, each by its code system's own address."""
    return tuple(Coding(_system(each), each["code"]) for each in _listed(concept) if isinstance(each.get("code"), str) and each["code"])


def canonical(coding: Coding) -> Coding:
    """By its code system's own address."""
    return Coding(None if coding.system is None else _ADDRESS.get(coding.system.lower(), coding.system), coding.code)


def names(coding: Coding) -> Iterator[Coding]:
    """The same coding under each name of its code system, as records may hold it."""
    yield coding
    yield from (Coding(other, coding.code) for other in OTHER_NAMES.get(coding.system or "", ()))


def token(coding: Coding) -> str:
    """As FHIR's search and Tocsin's settings write it: system|code, or |code where it is of no system."""
    return f"{coding.system or ''}|{coding.code}"


def tokens(found: Iterable[Coding]) -> str:
    """For people: the first few of them, in order, without what is no code."""
    said = sorted({each if _CODE.fullmatch(each) else "what is no code" for each in map(token, found)})
    return ", ".join(said[:NAMED_MAX]) + (" and more" if len(said) > NAMED_MAX else "")


def coding_of(said: str) -> Coding:
    """Of a token."""
    system, _, code = said.rpartition("|")
    return canonical(Coding(system or None, code))


def _system(stated: Mapping[str, Any]) -> str | None:
    system = stated.get("system")
    return canonical(Coding(system, "")).system if isinstance(system, str) and system else None


def _listed(concept: Any) -> list[Mapping[str, Any]]:
    stated = concept.get("coding") if isinstance(concept, dict) else None
    return [each for each in stated if isinstance(each, dict)] if isinstance(stated, list) else []


def _plain(concept: Any) -> bool:
    if not isinstance(concept, dict):
        return False
    stated = concept.get("coding")
    if stated:
        readable = codings(concept)
        return isinstance(stated, list) and len(readable) == len(stated) and set(readable) == {PLAIN_IMAGE}
    return stated is None and str(concept.get("text", "")).strip().casefold() == "image"
