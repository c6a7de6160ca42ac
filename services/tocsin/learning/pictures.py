"""Labelled pictures as a journey fetches them: a file with what the list of labels says of its patient, or a Media of the record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from tocsin.errors import ContentTooLarge
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.datatypes import Coding
from tocsin.image.ports import Pictures
from tocsin.image.taken import Days, Taken
from tocsin.image.types import PatientFacts, Picture
from tocsin.learning.labels_bus import OfMedia, groups_of
from tocsin.learning.labels_csv import Labelled
from tocsin.learning.run import Asked
from tocsin.model_card import FactsInput

TOLD_AGAIN: Final = "urn:tocsin:backfill"
"""Source of events on Media that the record holds already, which cannot know when they were taken."""


@dataclass(frozen=True, slots=True)
class Folder:
    """How files become pictures."""

    modality: str
    """DICOM modality code that is said of each."""
    bytes_max: int
    """Largest file, in bytes."""
    now: Callable[[], datetime]

    def asked(self, labelled: Labelled) -> Asked:
        """The picture that waits for its score."""
        return Asked(labelled.said, partial(self.picture, labelled.file, labelled.facts))

    def picture(self, file: Path, facts: PatientFacts) -> Picture:
        """The file as a picture; it is named by its hash, since a file's name may say whose it is. Raises OSError and ContentTooLarge."""
        content = self._content(file)
        sha256, now = hashlib.sha256(content).hexdigest(), self.now()
        return Picture(
            media=f"picture {sha256[:12]}",
            version=None,
            as_of=now,
            fetched=now,
            subject="",
            content_sha256=sha256,
            taken=Taken(Days(None, None)),
            modality=(Coding(DICOM_MODALITY, self.modality),),
            modality_stated=True,
            body_site=None,
            born=None,
            facts=facts,
            content=content,
        )

    def _content(self, file: Path) -> bytes:
        with file.open("rb") as stream:
            content = stream.read(self.bytes_max + 1)
        if len(content) > self.bytes_max:
            raise ContentTooLarge(f"more than {self.bytes_max} bytes")
        return content


def of_media(labelled: OfMedia, pictures: Pictures, card: FactsInput, now: Callable[[], datetime]) -> Asked:
    """A picture of the record that waits for its score: it is fetched, and its identity checked, as of any Media that is told again."""

    def fetch() -> Picture:
        event = ImagingEvent(
            version=1, id="evaluation", source=TOLD_AGAIN, occurred_at=now(), media=labelled.media, subject=labelled.subject
        )
        return pictures.fetch(event)

    return Asked(labelled.said, fetch, lambda picture: groups_of(picture.facts, card, picture.device))
