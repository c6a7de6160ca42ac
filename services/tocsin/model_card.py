"""The model card: what the model is, takes, answers and is known to be bad at. The journey holds no such fact anywhere else.

deploy/triton/<model>/card.yaml, held against schemas/models/model-card.v1.schema.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from tocsin.model_limits import Known, Limit, of_text
from tocsin.setting_words import reading

Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Language = Annotated[str, Field(pattern="^de$")]
"""A language besides English in which Tocsin speaks."""
Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model's name and version, as Triton knows them."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CardCoding(_Part):
    """A code of a published code system."""

    system: str
    code: str
    display: str


class Provenance(_Part):
    """Where the weights come from."""

    source: str = Field(description="Package or archive that carries the weights, with its version.")
    source_sha256: Sha256 = Field(description="SHA-256 of that package's file.")
    served_sha256: Sha256 = Field(description="SHA-256 of the network file that Triton serves.")
    trained_on: str = Field(description="Training data, as its maker states it.")
    licence: str = Field(description="SPDX identifier of the weights' licence.")


class AgeRange(_Part):
    """Whole years, both ends included; a patient of unknown age passes."""

    years_min: int = Field(ge=0)
    years_max: int = Field(le=130)


class QualityLimits(BaseModel):
    """Outside these a picture is not assessable; the model card says how each was chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px_min: int = Field(gt=0, description="Shorter side, pixels.")
    aspect_ratio_max: float = Field(ge=1, description="Longer side over shorter side.")
    luma_mean_min: float = Field(ge=0, le=255, description="Darkest mean luma, 0..255.")
    luma_mean_max: float = Field(ge=0, le=255, description="Brightest mean luma, 0..255.")
    luma_deviation_min: float = Field(ge=0, description="Least standard deviation of luma: below it the picture is empty.")
    detail_min: float = Field(ge=0, description="Least variance of the Laplacian of luma on the sampled picture: below it, blurred.")


class Accepts(_Part):
    """What the model may be shown; everything else is not assessable."""

    modalities: tuple[CardCoding, ...] = Field(min_length=1, description="Media.modality or Media.type must hold one of these.")
    refused: tuple[CardCoding, ...] = Field((), description="A Media with one of these is never accepted.")
    age: AgeRange | None = Field(None, description="Ages for which the model was made; unset: all.")
    quality: QualityLimits


class ImageInput(_Part):
    """The picture as the model takes it: RGB 0..255, [height, width, 3], aspect ratio not kept, bilinear without antialiasing."""

    name: str
    height: PositiveInt
    width: PositiveInt
    datatype: Literal["FP16", "FP32"]
    reduced_decoding: bool = Field(
        description="Whether JPEGs may be decoded at 1/2, 1/4 or 1/8 size, both sides at least twice the input's and none shorter than "
        "accepts.quality.side_px_min; only where measured."
    )


class AgeInput(_Part):
    """Age as the model takes it."""

    divided_by: PositiveFloat
    years_when_missing: NonNegativeFloat


class FactsInput(_Part):
    """Patient facts: one-hot sex, one-hot site, age, and 1 where the age is missing. The last sex and the last site mean unknown."""

    name: str
    sexes: tuple[str, ...] = Field(
        min_length=2, description="FHIR administrative-gender codes in the model's order; the last means unknown."
    )
    sites: tuple[str, ...] = Field(min_length=2, description="The model's sites in its order; the last means unknown.")
    site_codes: Mapping[str, tuple[str, ...]] = Field(
        description="For each site but the last, the SNOMED CT codes of Media.bodySite it covers."
    )
    age: AgeInput

    @property
    def length(self) -> int:
        """How many numbers the facts tensor has."""
        return len(self.sexes) + len(self.sites) + 2


class FindingClass(_Part):
    """One class of the model's answer."""

    code: Code
    display: str
    malignant: bool
    codings: tuple[CardCoding, ...] = ()


class Features(_Part):
    """What the network makes of the picture alone, before it decides: a second output, which a site's input gate reads."""

    name: str
    length: PositiveInt = Field(description="How many numbers they are.")


class Output(_Part):
    """The model's answer: probabilities that sum to one, in this order."""

    name: str
    classes: tuple[FindingClass, ...] = Field(min_length=2)
    features: Features | None = Field(None, description="Unset: the served network answers none, and a site's input gate must be off.")


class Band(_Part):
    """A range of the probability of malignancy: from `at_least` up to the next band."""

    code: Code
    display: str
    at_least: Probability
    flagged: bool = Field(description="Whether a clinician is to look sooner because of it.")
    qualitative_risk: Literal["low", "moderate", "high"] | None = Field(
        None,
        description="Code of terminology.hl7.org risk-probability; unset where the model's answer does not support one. No uncalibrated "
        "answer does: a report then says none.",
    )
    sentence: str = Field(max_length=300, description="What a clinician reads, in five seconds.")


class OperatingPoint(_Part):
    """How a probability becomes a band."""

    name: str = Field(description="Named in every report.")
    bands: tuple[Band, ...] = Field(min_length=2)
    chosen: str = Field(description="How the limits were chosen, with the figures.")

    @model_validator(mode="after")
    def _rising_from_zero(self) -> Self:
        starts = [band.at_least for band in self.bands]
        if starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError("bands must begin at 0 and rise")
        return self


class Tolerance(_Part):
    """How far a server's answers may lie from those of float32 on a CPU, over a set of pictures. The score is that of malignancy."""

    score_max: PositiveFloat = Field(le=1, description="Furthest that any one picture's score may move.")
    score_mean: PositiveFloat = Field(le=1, description="How far scores may move on average.")
    flags_per_1000: NonNegativeFloat = Field(
        description="Pictures of 1,000 that may fall into another band; one picture always may, since it can lie on a band's limit."
    )


class Arithmetic(_Part):
    """In which arithmetic a server may compute the network, and how far its answers may then move."""

    allowed: tuple[Literal["float32", "tf32", "bfloat16", "float16"], ...] = Field(
        min_length=1,
        description="Each was measured on real pictures; no other one is allowed. What a picture travels in is no matter.",
    )
    tolerance: Tolerance


class ModelCard(_Part):
    """A model, as far as Tocsin has to know it."""

    model_config = ConfigDict(title="Model card v1")

    card_version: Literal[1]
    name: Code = Field(description="The model's name in Triton.")
    version: str = Field(pattern=r"^[1-9][0-9]*$", description="The model's version in Triton.")
    title: str
    manufacturer: str
    intended_use: str
    provenance: Provenance
    accepts: Accepts
    image: ImageInput
    facts: FactsInput
    output: Output
    arithmetic: Arithmetic | None = Field(None, description="Unset: nothing was measured but float32 on a CPU.")
    calibration: Literal["none", "probability"] = Field(
        description="none: the model's own score is reported, and called a score. probability: what the served network answers was "
        "measured to be the share of such lesions, and is called a probability."
    )
    calibrated_on: str | None = Field(None, description="On which pictures that was measured, with the figures.")
    operating_point: OperatingPoint
    limits: tuple[Limit | str, ...] = Field(
        min_length=1,
        description="What the model is known to be bad at, and on which pictures; a text alone is a limit that always applies.",
    )
    translations: Mapping[Language, Mapping[str, str]] = Field(
        {}, description="What the card says to clinicians (displays, sentences), as it stands here -> in that language."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({each.code for each in self.output.classes}) != len(self.output.classes):
            raise ValueError("output.classes: a code stands twice")
        if not any(each.malignant for each in self.output.classes):
            raise ValueError("output.classes: none is malignant")
        if set(self.facts.site_codes) != set(self.facts.sites[:-1]):
            raise ValueError("facts.site_codes must name every site but the last")
        if (self.calibration == "probability") != (self.calibrated_on is not None):
            raise ValueError("calibrated_on goes with calibration: probability, and with no other")
        unknown = [each for words in self.translations.values() for each in words if each not in self.said]
        if unknown:
            raise ValueError(f"translations: the card does not say {unknown[0]!r}")
        return self

    @property
    def model(self) -> ModelVersion:
        """Name and version, as Triton knows them."""
        return ModelVersion(self.name, self.version)

    @property
    def reduce_to_px(self) -> int | None:
        """Pixels of the shorter side below which no JPEG is reduced while it is decoded; None where none ever is.

        None is reduced below what the gate asks for either: it measures the picture as it was decoded.
        """
        longest = max(self.image.height, self.image.width)
        return max(2 * longest, self.accepts.quality.side_px_min) if self.image.reduced_decoding else None

    @property
    def is_calibrated(self) -> bool:
        """Whether the numbers of this model may be called probabilities."""
        return self.calibration == "probability"

    @property
    def known_limits(self) -> tuple[Limit, ...]:
        """All of `limits`, each with its condition."""
        return tuple(of_text(each) if isinstance(each, str) else each for each in self.limits)

    @property
    def said(self) -> tuple[str, ...]:
        """Everything that the card says to clinicians, in English."""
        bands = self.operating_point.bands
        displays = [*(each.display for each in self.output.classes), *(each.display for each in bands)]
        sentences = [*(each.sentence for each in bands), *(each.sentence for each in self.known_limits)]
        return tuple(dict.fromkeys(displays + sentences))

    def say(self, sentence: str, language: str) -> str:
        """The display or sentence of this card in that language; as it stands where the card has no translation."""
        return self._translated(language).get(sentence, sentence)

    def untranslated(self, language: str) -> tuple[str, ...]:
        """What the card does not say in that language."""
        return () if language == "en" else tuple(each for each in self.said if each not in self._translated(language))

    def _translated(self, language: str) -> Mapping[str, str]:
        return self.translations.get(language, {})


def limits_for(card: ModelCard, known: Known) -> tuple[Limit, ...]:
    """The card's limits that apply to the picture of which this is known; whatever is not known counts as what a limit warns of."""
    return tuple(each for each in card.known_limits if each.condition.holds(known))


def read_card(path: Path) -> ModelCard:
    """The card in a YAML file; ConfigurationError says what is wrong with it and where."""
    with reading(f"the model card {path}", ModelCard, "card", ": set TOCSIN_MODEL__CARD"):
        return ModelCard.model_validate(yaml.safe_load(path.read_bytes()))
