"""What is known after the image stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from tocsin.fhir.datatypes import Coding
from tocsin.image.taken import Days, Taken, ages, taken

Pixels = npt.NDArray[np.uint8]
"""RGB, shape [height, width, 3], dtype uint8, upright (EXIF orientation applied)."""


WITHDRAWN_MEDIA: Final = frozenset({"entered-in-error", "not-done"})
"""Statuses of a Media that is refused and never announced (FHIR R4, event-status)."""


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What a model may want to know of the patient, coded; everything may be missing."""

    sex: str | None = None
    """FHIR administrative-gender code."""
    age_years: float | None = None
    """Age in years when the picture was taken; None where the record does not tell it."""
    body_site_codes: tuple[str, ...] = ()
    """SNOMED CT codes of Media.bodySite."""
    ages_open: tuple[int, int] | None = None
    """Youngest and oldest age in whole years, where the record's dates leave more than one open."""

    def aged(self, years: tuple[int, int] | None) -> PatientFacts:
        """The same facts, with the youngest and the oldest age at the picture that the dates leave open; None where none is stated."""
        if years is None or years[0] == years[1]:
            return replace(self, age_years=None if years is None else float(years[0]), ages_open=None)
        return replace(self, age_years=None, ages_open=years)


@dataclass(frozen=True, slots=True)
class Picture:
    """One verified picture of one certain patient, as it was fetched: not yet decoded."""

    media: str
    """Media/<id>."""
    version: str | None
    """The Media's version when it was fetched: meta.versionId, or meta.lastUpdated; None where the server keeps neither."""
    as_of: datetime
    """When the Media's version was stored, aware and to the millisecond: meta.lastUpdated, or `fetched` where there is none."""
    fetched: datetime
    """The time just before the Media was read, by this process's clock; aware and to the millisecond."""
    subject: str
    """Patient/<id>: named alike by the event and the Media, and an active record."""
    content_sha256: str
    """Hex SHA-256 of the attachment's bytes."""
    taken: Taken
    """When it was taken, as exactly as the record says."""
    modality: tuple[Coding, ...]
    """Codings of Media.modality and Media.type that can be read."""
    modality_stated: bool
    """Whether the Media states its kind, be it in words alone."""
    body_site: dict[str, object] | None
    """Media.bodySite as FHIR JSON, copied into the report."""
    born: Days | None = field(repr=False)
    """The patient's birthday, as exactly as the record says."""
    facts: PatientFacts = field(repr=False)
    content: bytes = field(repr=False)
    """The attachment's bytes: only decoding shows whether they are a JPEG or PNG."""
    device: str = ""
    """What it was taken with, in a form of `image.device`; empty where the record does not say. For figures by device alone."""

    @property
    def recency(self) -> tuple[datetime, datetime]:
        """Orders what was seen of one Media: by version, then by who looked last, since an address may serve other bytes."""
        return self.as_of, self.fetched

    @property
    def undated(self) -> bool:
        """Whether nobody says when it was taken: the Media states it in no form, and the event's source cannot know."""
        return not self.taken.by_the_media and not self.taken.effective

    def dated(self, at: datetime) -> Picture:
        """The picture as an event describes it that says when it was taken; `at` is aware."""
        when = taken({}, announced=at, stored=self.as_of)
        return replace(self, taken=when, facts=self.facts.aged(ages(self.born, when.days)))


ObstacleCode = Literal[
    "modality-unknown",
    "modality-not-accepted",
    "too-small",
    "wrong-shape",
    "too-dark",
    "too-bright",
    "empty",
    "blurred",
    "age-not-certain",
    "outside-intended-ages",
    "wrong-kind-of-picture",
    "model-gave-no-answer",
    "self-check",
]
"""Every reason for which a picture cannot be assessed; the last stands in no record."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a picture cannot be assessed: a reason code and one sentence a clinician reads."""

    reason: ObstacleCode
    pattern: str
    """The sentence as the catalogues know it: in English, with {name} in the place of each of `values`."""
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The sentence in English."""
        return self.pattern.format(**self.values)
