"""A file of a folder as the picture that a journey would have fetched: its bytes, and what the list of labels says of its patient."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from tocsin.errors import ContentTooLarge
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.datatypes import Coding
from tocsin.image.taken import Days, Taken
from tocsin.image.types import PatientFacts, Picture
from tocsin.learning.labels_csv import Labelled
from tocsin.learning.run import Asked


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
