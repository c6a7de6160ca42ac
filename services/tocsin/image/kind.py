"""What kind of picture a Media says it holds, in whichever code system and form (FHIR R4, Media.modality and Media.type)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.fhir.canonical import OTHER_NAMES
from tocsin.fhir.datatypes import Coding, codings, token

PLAIN_IMAGE: Final = Coding("http://terminology.hl7.org/CodeSystem/media-type", "image")
"""The coding that says no more than that a Media is a picture."""

_CODE: Final = re.compile(r"[!-~]{1,128}")
"""A code that may be shown to people; one with a space in it might be words about somebody."""
NAMED_MAX: Final = 4
"""The most codes of one picture that are shown to people."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a Media says of its picture's kind."""

    codings: tuple[Coding, ...]
    """The codings of Media.modality and Media.type that can be read, without PLAIN_IMAGE."""
    stated: bool
    """Whether the Media states more than a plain image, be it in words or in codes that cannot be read."""


def kind_of(media: Mapping[str, Any]) -> Kind:
    """The kind that Media.modality and Media.type state."""
    concepts = [media[name] for name in ("modality", "_modality", "type", "_type") if media.get(name) is not None]
    readable = [codings(concept) for concept in concepts]
    found = tuple(coding for each in readable for coding in each if coding != PLAIN_IMAGE)
    return Kind(found, any(not _plain(concept, each) for concept, each in zip(concepts, readable, strict=True)))


def names(coding: Coding) -> Iterator[Coding]:
    """The same coding under each name of its code system, as records may hold it."""
    yield coding
    yield from (Coding(other, coding.code) for other in OTHER_NAMES.get(coding.system or "", ()))


def tokens(found: Iterable[Coding]) -> str:
    """The codings in words for people: the first NAMED_MAX in order; what is no code is not repeated."""
    said = sorted({each if _CODE.fullmatch(each) else "what is no code" for each in map(token, found)})
    return ", ".join(said[:NAMED_MAX]) + (" and more" if len(said) > NAMED_MAX else "")


def _plain(concept: Any, readable: Sequence[Coding]) -> bool:
    """Whether the concept, whose `readable` codings these are, says no more than that there is a picture."""
    if not isinstance(concept, dict):
        return False
    stated = concept.get("coding")
    if stated:
        return isinstance(stated, list) and len(readable) == len(stated) and set(readable) == {PLAIN_IMAGE}
    return stated is None and str(concept.get("text", "")).strip().casefold() == "image"
