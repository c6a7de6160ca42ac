"""The parts of a site file."""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from tocsin.model_card import Code, OperatingPoint, Probability, Sha256
from tocsin.site.gate import InputGate

CERTAIN: Final = 1e-6
"""No calibrated probability is nearer to 0 or 1 than this: no number of pictures shows more."""

Strictly = Annotated[float, Field(gt=0, lt=1)]


class SitePart(BaseModel):
    """A closed, frozen part."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Labels(SitePart):
    """The labelled pictures on which something rests."""

    n: PositiveInt = Field(description="Assessable pictures with a label.")
    malignant: NonNegativeInt = Field(description="How many of them are malignant.")
    patients: PositiveInt | None = Field(None, description="Of how many patients, or lesions where no patient is named; unset: not known.")
    taken_from: date | None = Field(None, description="Day of the earliest label.")
    taken_to: date | None = Field(None, description="Day of the latest label: they are mature to that day.")
    scores_sha256: Sha256 = Field(description="SHA-256 of the file of scores.")


class Calibration(SitePart):
    """score -> probability here: logistic(intercept + slope * logit(score)); never 0 or 1."""

    kind: Literal["none", "intercept", "intercept-and-slope"]
    intercept: float = 0.0
    slope: PositiveFloat = 1.0
    fitted_on: Labels

    def probability(self, score: float) -> float:
        """The probability of malignancy here, CERTAIN..1-CERTAIN, of a score 0..1."""
        known = min(max(score, CERTAIN), 1 - CERTAIN)
        odds = self.intercept + self.slope * math.log(known / (1 - known))
        return min(max(_share(odds), CERTAIN), 1 - CERTAIN)

    def score(self, probability: float) -> float:
        """The score that has this probability here; of those that share one of the ends, CERTAIN and 1-CERTAIN, the nearest to 0.5."""
        known = min(max(probability, CERTAIN), 1 - CERTAIN)
        return _share((math.log(known / (1 - known)) - self.intercept) / self.slope)


def _share(odds: float) -> float:
    """The share that has these log-odds."""
    return 1 / (1 + math.exp(-max(-700.0, min(700.0, odds))))


class Prevalence(SitePart):
    """The share of malignant lesions that the probabilities assume."""

    of_labels: Strictly = Field(description="Among the labels.")
    assumed: Strictly = Field(description="Among the pictures that are judged here; the map was moved from the one to the other.")
    source: str = Field(max_length=300, description="Where the assumed one comes from.")


class Guarantee(SitePart):
    """What was shown of the operating point."""

    target_sensitivity: Strictly
    confidence: Strictly
    sensitivity_at_least: Probability = Field(description="Exact one-sided lower bound at that confidence.")
    method: str = Field(max_length=300)
    labels: Labels


class Evaluated(SitePart):
    """The evaluation on later labels that carried this file into use."""

    report_sha256: Sha256 = Field(description="SHA-256 of the evaluation's JSON.")
    protocol_sha256: Sha256 = Field(description="SHA-256 of the protocol with the bounds that were set before.")
    labels: Labels
    carried_on: AwareDatetime


class SiteFile(SitePart):
    """A model at one site."""

    model_config = ConfigDict(title="Site file v1")

    site_file_version: Literal[1]
    name: Code = Field(description="Of the site; named in every report.")
    version: PositiveInt = Field(description="Counts up with each file of this name.")
    made_at: AwareDatetime = Field(description="With its offset from UTC.")
    model: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*/[1-9][0-9]*$", description="Name and version, as the card has them.")
    card_sha256: Sha256 = Field(description="Of the card for which it was made (tocsin.site.file.card_sha256).")
    calibration: Calibration
    operating_point: OperatingPoint = Field(description="Limits on the calibrated scale; its bands' codes and sentences are the card's.")
    prevalence: Prevalence
    guarantee: Guarantee | None = Field(None, description="Unset: the data could not show one.")
    input_gate: InputGate | None = Field(
        None, description="Refuses pictures that are not of the kind which the model reads; unset: only what the record says is looked at."
    )
    evaluation: Evaluated | None = Field(None, description="Unset: not promoted; `consume` refuses it.")

    def __str__(self) -> str:
        """Name and version, as reports, metrics and logs name it."""
        return f"{self.name}/{self.version}"
