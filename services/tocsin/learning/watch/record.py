"""Adapter of the Record port: Media of the FHIR server, found by their ids, a few at a time and within a stated time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tocsin.archive.search import path
from tocsin.errors import Unavailable
from tocsin.fhir.canonical import SNOMED
from tocsin.fhir.client import NEIGHBOUR, FhirClient
from tocsin.fhir.datatypes import Json, codings, reference_to, text
from tocsin.fhir.search import answers, resources_of
from tocsin.image.device import device_of
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.learning.labels_bus import region_of
from tocsin.learning.watch.origins import ELSEWHERE, Origin
from tocsin.model_card import FactsInput

AT_ONCE: Final = 50
"""Most Media in one search: some servers refuse addresses of more than about 8,000 characters."""
ELEMENTS: Final = "status,subject,device,deviceName,bodySite"
"""What is asked for; never the content, which may hold the whole picture."""


class FhirRecord:
    """See Record."""

    def __init__(self, fhir: FhirClient, facts: FactsInput, within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`facts` are the card's; `within_s`: no search begins later than this after the first."""
        self._fhir, self._facts, self._within_s, self._clock = fhir, facts, within_s, clock

    def origins(self, pictures: Mapping[str, str]) -> Mapping[str, Origin]:
        """See Record.origins."""
        until, wanted, found = self._clock() + self._within_s, sorted(pictures), dict[str, Origin]()
        for at in range(0, len(wanted), AT_ONCE):
            for media in self._media(wanted[at : at + AT_ONCE], until):
                reference, subject = reference_to(media), self._fhir.service_base.local(media.get("subject"))
                if subject and pictures.get(reference) == subject and text(media.get("status")) not in WITHDRAWN_MEDIA:
                    found[reference] = self._origin(media)
        return found

    def _media(self, some: list[str], until: float) -> Iterator[Json]:
        ids = ",".join(each.removeprefix("Media/") for each in some)
        asked = answers(self._fhir, path("Media", [("_id", ids), ("_count", str(AT_ONCE)), ("_elements", ELEMENTS)]))
        while True:
            if self._clock() > until:
                raise Unavailable(NEIGHBOUR, f"its Media were not found within {self._within_s:g} s (TOCSIN_WATCH__RECORD_WITHIN_S)")
            bundle = next(asked, None)
            if bundle is None:
                return
            yield from resources_of(bundle, "Media")

    def _origin(self, media: Json) -> Origin:
        codes = [each.code for each in codings(media.get("bodySite")) if each.system == SNOMED]
        return Origin(device_of(media, self._fhir.service_base), region_of(codes, self._facts) or ELSEWHERE)
