"""The parts of an evaluation: what was looked at, how, and every figure with its uncertainty. Its JSON has the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal

import numpy as np

from tocsin.learning.types import Floats, Interval, LabelKind

Points = tuple[tuple[float, float], ...]
"""A curve, from left to right."""
Verification = Literal["all", "weighted", "alike", "by-score"]
"""Who was verified, of the pictures that were read: all of them; a sample of known probability, by which figures are weighted; a part,
flagged or not; flagged ones rather than others, so that missed cancers stayed unseen and sensitivity is an upper bound."""
OF_A_MONTH: Final = "of-a-month"
"""How the pictures of a month's report were chosen: all that were judged in it and whose flags the bus still holds."""
Why = Literal["too-few-cancers", "below-the-bound", "not-after-comparisons"]


@dataclass(frozen=True, slots=True)
class Gate:
    """An input gate, and what cross-validation showed of it when it was made."""

    sha256: str
    of_another_kind: Interval
    """Share of the pictures of another kind that it refused."""
    of_its_own: Interval
    """Share of the pictures of the model's own kind that it refused, wrongly."""


@dataclass(frozen=True, slots=True)
class About:
    """What an evaluation is of. Empty text or None: not known, which the report says."""

    model: str
    """Name and version, as the card has them."""
    title: str
    manufacturer: str
    intended_use: str
    card_sha256: str
    modality: str
    """DICOM modality code that was said of the pictures."""
    source: str
    """Where the pictures came from: folder, fhir or bus."""
    made_at: datetime
    """When the evaluation was made, aware."""
    calibrated: bool = False
    """Whether the scores may be called probabilities here."""
    site: str = ""
    site_file: str = ""
    """Name and version of the site file whose calibration the scores went through."""
    site_file_sha256: str = ""
    """Of what it says. Where a promotion keeps the report: without its part `evaluation`, which names this very report by its hash."""
    input_gate: Gate | None = None
    """The site's input gate by which pictures were refused; None: there was none."""
    scores_sha256: str = ""
    taken_from: date | None = None
    """Day of the earliest picture."""
    taken_to: date | None = None
    how_chosen: str = ""
    """How the pictures were chosen, in the words of whoever did: consecutive, at random, all that were excised. Of a month's report:
    of-a-month, all that were judged in it and whose flags the bus still holds."""
    skin_tone_source: str = ""
    """By whom or what, and on which scale, skin tone was told."""
    point_source: str = ""
    """Where the operating point comes from: card, site-file, asked, or in words."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What became of the pictures."""

    pictures: int
    """Read, assessable or not."""
    not_assessable: Mapping[str, int] = field(default_factory=dict)
    """Reason code -> how many."""
    unlabelled: Floats = field(default_factory=lambda: np.zeros(0))
    """Scores of the assessable pictures without a label: they are in no figure, but tell who was verified."""
    kinds: Mapping[LabelKind, int] = field(default_factory=dict)
    """Kind of label -> how many assessable pictures."""
    labelled_from: date | None = None
    """Day of the earliest label, verdicts aside."""
    labelled_to: date | None = None
    """Day of the latest, verdicts aside, which come at once: labels are mature to it."""
    days: Mapping[LabelKind, tuple[date, date]] = field(default_factory=dict)
    """Kind of label -> days of its earliest and its latest, of those that state one."""
    unsought: int = 0
    """Pictures below threshold that were verified, and nobody knows how likely they were to be."""
    unsought_malignant: int = 0
    read_alone: int = 0
    """Pictures of the audit sample of which a clinician spoke, and neither pathology nor follow-up."""
    refused_malignant: int = 0
    """Pictures that are not assessable and whose label says malignant."""


@dataclass(frozen=True, slots=True)
class Point:
    """The operating point, and what is to be shown of it."""

    threshold: float
    """Scores at or above it are flagged."""
    target: float = 0.95
    """Sensitivity that is to be shown."""
    confidence: float = 0.95
    worth_at: float = 0.03
    """Probability of cancer from which an examination is worth it, 0..1: NICE NG12 refers at 0.03."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Flow in numbers."""

    pictures: int
    """Lines of the file of scores, and so those whose picture was never looked at (tocsin.learning.labels_csv.NOT_READ), too."""
    not_assessable: Mapping[str, int]
    """Reason code -> how many, those never looked at too."""
    unlabelled: int
    labelled: int
    """Assessable with a label that speaks of truth: what the figures are of."""
    not_assessable_malignant: int = 0
    """Of those not assessable, how many have such a label, which says malignant: they are in no figure."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference standard and who was verified."""

    kinds: Mapping[str, int]
    labelled_from: date | None
    labelled_to: date | None
    malignant: int
    """Pictures."""
    benign: int
    clusters: int
    """Patients, or lesions where no patient is named, or pictures."""
    cancers: int
    """Clusters with a malignant picture: repeats of one patient's count once."""
    repeats: bool
    """Whether a patient or lesion has several pictures."""
    verification: Verification
    flagged: int
    """Assessable pictures at or above the operating point, labelled or not."""
    flagged_labelled: int
    below: int
    below_labelled: int
    unsought: int = 0
    """Pictures below threshold that were verified with a probability that nobody knows; where figures are weighted, they are in none."""
    unsought_malignant: int = 0
    read_alone: int = 0
    """Pictures of the audit sample that a clinician read, and of which neither pathology nor follow-up spoke."""
    days: Mapping[str, tuple[date, date]] = field(default_factory=dict)
    """Kind of label -> days of its earliest and its latest."""
    spoken_of: bool = False
    """Whether only pictures of which somebody spoke were read, so that nobody counted the others."""


@dataclass(frozen=True, slots=True)
class Discrimination:
    """How well the score parts malignant from benign."""

    auroc: Interval
    """By DeLong, over clusters."""
    bootstrap: Interval | None
    """By draws of whole patients; None where so many pictures make it needless."""
    roc: Points
    """(1 - specificity, sensitivity)."""


@dataclass(frozen=True, slots=True)
class CalibrationFigures:
    """How well the scores, taken as probabilities, agree with what was found."""

    curve: Points
    """(score, observed share)."""
    intercept: Interval
    slope: Interval
    observed_over_expected: Interval
    ici: float
    e50: float
    e90: float
    ece: float
    """For comparison alone."""
    brier: Interval
    scaled_brier: Interval


@dataclass(frozen=True, slots=True)
class Histogram:
    """How scores lie, over equal bins of 0..1."""

    benign: tuple[int, ...]
    malignant: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AtThePoint:
    """What flagging from the operating point on does."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval
    sensitivity_at_least: float
    """One-sided exact lower bound at the point's confidence."""
    shown: bool
    """Whether that bound reaches the target, on enough cancers, and every cancer could have been seen missed."""
    more_cancers: int | None
    """How many more confirmed cancers, missed at the rate seen, show it; 0: shown; None: more would not do at that rate."""
    fewest_more_cancers: int
    """How many it takes if not one of them is missed."""


@dataclass(frozen=True, slots=True)
class Benefit:
    """Net benefit at one threshold probability, per picture; of flag-none it is 0."""

    at: float
    model: Interval
    flag_all: Interval
    over_flag_all: Interval


@dataclass(frozen=True, slots=True)
class Utility:
    """Whether flagging by the model helps more than flagging all, or none."""

    at_the_point: Benefit
    """Flagged as the operating point does, a missed cancer and a needless flag weighed as `worth_at` says."""
    curve: tuple[Benefit, ...]
    """Flagged from the probability itself; empty where the scores are no probabilities."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What the flags ask of the readers."""

    flags_per_100: Interval
    flags_per_cancer_found: Interval


@dataclass(frozen=True, slots=True)
class Subgroup:
    """One value of one column."""

    column: str
    value: str
    """Empty: not known."""
    pictures: int
    malignant: int
    cancers: int
    sensitivity: Interval
    shrunken: Interval
    """Sensitivity as the other groups of the column lend it strength."""
    specificity: Interval
    auroc: Interval
    sensitivity_at_least: float
    shown: bool
    why: Why | None
    """Why it is not shown to work."""
    more_cancers: int | None
    """As at the point, allowing for the number of groups by Bonferroni, which is at least what Holm asks."""
    worse_p: float
    """Chance of a sensitivity so far below the others' if it were theirs, by Holm over all groups. NaN: cannot be said."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Against clinicians' acts, who had the flag before them: no accuracy, and never added to it."""

    pictures: int
    called_malignant: int
    flagged_of_called_malignant: Interval
    not_flagged_of_called_benign: Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model at one operating point on one set of labelled pictures. None: no labelled picture of a kind that the part needs."""

    about: About
    point: Point
    flow: Counted
    reference: Reference
    scores: Histogram
    discrimination: Discrimination | None
    calibration: CalibrationFigures | None
    at_the_point: AtThePoint | None
    utility: Utility | None
    workload: Workload | None
    subgroups: tuple[Subgroup, ...]
    agreement: Agreement | None
