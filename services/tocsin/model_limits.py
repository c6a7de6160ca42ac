"""What a model is known to be bad at, and on which pictures: a closed set of conditions, each with a sentence for whoever reads a result.

Whatever is not known of a picture counts as what the limit warns of: nobody is told that a limit does not apply because a fact is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Measure = Literal["side_px", "aspect_ratio", "luma_mean", "luma_deviation", "detail"]
"""What QualityLimits bounds, in its units."""
Fitzpatrick = Annotated[int, Field(ge=1, le=6)]
"""Skin type after Fitzpatrick, I to VI."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one picture and its patient, as far as a limit may ask; everything may be missing."""

    ages: tuple[float, float] | None = None
    """Youngest and oldest age in years that the record leaves open at the picture."""
    body_site_codes: frozenset[str] = frozenset()
    """SNOMED CT codes of Media.bodySite."""
    modality_codes: frozenset[str] = frozenset()
    """Codes of Media.modality and Media.type."""
    quality: Mapping[Measure, float] = field(default_factory=dict)
    skin_type: int | None = None
    """After Fitzpatrick, 1 to 6; no FHIR resource that Tocsin reads states it."""
    calibrated: bool = False
    """Whether the number that is read is a probability, by the card's own calibration or a site's."""


class _Condition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Always(_Condition):
    """Whatever the picture."""

    kind: Literal["always"]

    def holds(self, known: Known) -> bool:
        """Whether the limit applies to the picture of which this is known."""
        return True


class Uncalibrated(_Condition):
    """Results whose number is the model's own score; a site's calibration answers such a limit."""

    kind: Literal["uncalibrated"]

    def holds(self, known: Known) -> bool:
        """Whether the limit applies to the picture of which this is known."""
        return not known.calibrated


class Ages(_Condition):
    """Patients of these ages, in whole years, both ends included."""

    kind: Literal["age"]
    years_min: int = Field(0, ge=0)
    years_max: int = Field(130, le=130)

    def holds(self, known: Known) -> bool:
        """Whether the limit applies to the picture of which this is known."""
        youngest, oldest = known.ages or (0, 130)
        return youngest < self.years_max + 1 and oldest >= self.years_min


class BodySites(_Condition):
    """Pictures of these body sites, by SNOMED CT code."""

    kind: Literal["body-site"]
    codes: tuple[str, ...] = Field(min_length=1)

    def holds(self, known: Known) -> bool:
        """Whether the limit applies to the picture of which this is known."""
        return not known.body_site_codes or not known.body_site_codes.isdisjoint(self.codes)


class Modalities(_Condition):
    """Pictures of any other kind than these, by the codes of Media.modality and Media.type."""

    kind: Literal["modality-other-than"]
    codes: tuple[str, ...] = Field(min_length=1)

    def holds(self, known: Known) -> bool:
        """Whether the limit applies to the picture of which this is known."""
        return known.modality_codes.isdisjoint(self.codes)


class Quality(_Condition):
    """Pictures on which one measure lies below, or above, a figure."""

    kind: Literal["quality"]
    measure: Measure
    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.below is None and self.above is None:
            raise ValueError("a condition on quality needs below or above")
        return self

    def holds(self, known: Known) -> bool:
        """Whether the limit applies to the picture of which this is known."""
        found = known.quality.get(self.measure)
        if found is None:
            return True
        return (self.below is not None and found < self.below) or (self.above is not None and found > self.above)


class SkinTypes(_Condition):
    """Patients of these skin types after Fitzpatrick."""

    kind: Literal["skin-type"]
    fitzpatrick: tuple[Fitzpatrick, ...] = Field(min_length=1)

    def holds(self, known: Known) -> bool:
        """Whether the limit applies to the picture of which this is known."""
        return known.skin_type is None or known.skin_type in self.fitzpatrick


Condition = Annotated[Always | Uncalibrated | Ages | BodySites | Modalities | Quality | SkinTypes, Field(discriminator="kind")]


class Limit(BaseModel):
    """One thing that the model is known to be bad at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    condition: Condition = Field(description="On which pictures; where the record does not tell, it applies.")
    sentence: str = Field(max_length=300, description="What a clinician reads beside a picture to which it applies.")
    evidence: str | None = Field(None, description="The measured figures behind it, and their source.")


def of_text(sentence: str) -> Limit:
    """The limit of a card that states none of its conditions: it always applies."""
    return Limit.model_construct(condition=Always(kind="always"), sentence=sentence, evidence=None)
