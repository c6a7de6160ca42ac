"""What learning is about: labelled scores, and figures with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

LabelKind = Literal["pathology", "follow-up", "verdict", "stated"]
"""Where a label comes from: a specimen; no change over months; a clinician's act (agreement, no truth); a file that does not say."""

WEIGHT_MAX: Final = 1e6
"""No label counts for more pictures: one sought with a chance below one in a million is rather a slip in its column."""


class Interval(NamedTuple):
    """A figure and how far off it may be. NaN where the data say nothing."""

    estimate: float
    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Scored:
    """One picture that went through the journey up to its judgement: a line of the file of scores."""

    picture: str
    """Path below the pictures' folder, or Media/<id>."""
    score: float | None
    """The model's own score for malignancy, 0..1, before any calibration; None where it is not assessable."""
    refusal: str | None = None
    """Reason code why it is not assessable, or could not be read."""
    malignant: bool | None = None
    """None: no label, which is never benign."""
    label_kind: LabelKind = "stated"
    labelled_on: date | None = None
    patient: str | None = None
    """An id or a hash."""
    lesion: str | None = None
    weight: float = 1.0
    """One over the probability with which its label was sought; 1 where every picture's was. 1..WEIGHT_MAX."""
    sought: bool = True
    """False: a label of a picture that was not flagged, for which nobody knows how likely it was to be sought."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Name of a group's column -> the picture's value: age band, sex, body site, skin tone, device, whatever the site adds."""


@dataclass(frozen=True, slots=True)
class Cases:
    """Assessable pictures with a label, as columns of one length."""

    scores: Floats
    """0..1; the model's own, or probabilities by a site's calibration."""
    malignant: Bools
    clusters: Ints
    """Numbers of the patients, or lesions where no patient is named: what is one another's repeat has one number."""
    weights: Floats
    groups: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    """Name of a column -> each picture's value; empty text: not known."""

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.scores)

    def where(self, chosen: Bools) -> Cases:
        """Those pictures alone."""
        groups = {name: values[chosen] for name, values in self.groups.items()}
        return Cases(self.scores[chosen], self.malignant[chosen], self.clusters[chosen], self.weights[chosen], groups)
