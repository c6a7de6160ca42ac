"""The labels of a file of scores that may speak of accuracy, and what must be known of them before two sets are held against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from tocsin.learning.parts import Verification
from tocsin.learning.scores import Header, Tally, read_scores, sha256_of, tally
from tocsin.learning.types import Cases, Floats, LabelKind, Scored
from tocsin.learning.verified import verification
from tocsin.site.parts import Labels

ACCURACY: Final[tuple[LabelKind, ...]] = ("pathology", "follow-up", "stated")
"""A clinician's verdict is agreement with the model, no truth: nothing is fitted to it."""
_SEED: Final = 1
"""Of the draw that makes labels equally likely; one number for all, so that nobody draws until it suits."""


@dataclass(slots=True)
class _Seen:
    """What passed by while rows were read."""

    kinds: tuple[LabelKind, ...]
    named: bool
    other_kinds: int = 0
    passed_over: int = 0
    undated: int = 0
    heaviest: float = 0.0
    unnamed: dict[str, int] = field(default_factory=lambda: {"patient": 0, "lesion": 0, "picture": 0})
    names: dict[str, set[bytes]] = field(default_factory=lambda: {"patient": set(), "lesion": set(), "picture": set()})

    def through(self, rows: Iterable[Scored]) -> Iterator[Scored]:
        """The rows: one whose label is of a kind that was not asked for has none, but for a verdict, which is kept apart anyway."""
        for row in rows:
            if row.score is None or row.malignant is None:
                yield row
                continue
            self.heaviest = max(self.heaviest, row.weight)
            if row.label_kind in self.kinds:
                self._note(row)
                yield row
            else:
                self.other_kinds += 1
                self.passed_over += row.label_kind != "verdict"
                yield row if row.label_kind == "verdict" else replace(row, malignant=None)

    def _note(self, row: Scored) -> None:
        self.undated += row.labelled_on is None
        for what, name in (("patient", row.patient), ("lesion", row.lesion), ("picture", row.picture)):
            if not name:
                self.unnamed[what] += 1
            elif self.named:
                self.names[what].add(_short(name))


@dataclass(frozen=True, slots=True)
class Labelled:
    """The assessable pictures of a file that have a label of the kinds that were asked for."""

    header: Header
    cases: Cases
    scores_sha256: str
    days: tuple[date, date] | None
    """Of the earliest and the latest label; None where none states its day."""
    undated: int
    """How many state no day."""
    other_kinds: int
    """How many labels of other kinds were passed over."""
    unlabelled: int
    not_assessable: int
    unnamed: dict[str, int]
    """patient, lesion -> how many pictures name none."""
    names: dict[str, set[bytes]]
    """patient, lesion, picture -> hashes of those that are named; empty where they were not asked for."""
    counted: Tally
    """All that the file holds: labels of other kinds count as none, and verdicts as verdicts."""
    unverified: Floats = field(default_factory=lambda: np.zeros(0))
    """Scores of the assessable pictures without a label of the kinds that were asked for."""
    unsought: int = 0
    """Labels of pictures below threshold of which nobody knows how likely they were to be sought."""
    heaviest_seen: float = 0.0
    """The heaviest weight of any label, those of other kinds too: a drawn picture may have a clinician's verdict alone."""
    whole: Labelled | None = None
    """The file of which this one is a part by chance: it tells better who was verified."""

    def verification(self, threshold: float) -> Verification:
        """Who was verified, by the flags that readers saw: of the model's own scores from the threshold on."""
        if self.whole is not None:
            return self.whole.verification(threshold)
        selected = self.header.source == "fhir" or self.unsought > 0
        return verification(self.cases, self.unverified, threshold, selected=selected)

    @property
    def heaviest(self) -> float:
        """The heaviest weight of all labels, benign or malignant: what a cancer that nobody saw may have weighed."""
        here = max(self.heaviest_seen, float(self.cases.weights.max(initial=0.0)))
        return here if self.whole is None else max(here, self.whole.heaviest)

    @property
    def malignant(self) -> int:
        """How many of the cases are malignant."""
        return int(self.cases.malignant.sum())

    @property
    def labels(self) -> Labels:
        """For a site file. Raises ValueError where there is none."""
        first, last = self.days or (None, None)
        return Labels(
            n=len(self.cases),
            malignant=self.malignant,
            patients=None if (self.cases.clusters < 0).any() else len(np.unique(self.cases.clusters)),
            taken_from=first,
            taken_to=last,
            scores_sha256=self.scores_sha256,
        )


def read_labelled(path: Path, kinds: tuple[LabelKind, ...] = ACCURACY, *, named: bool = False) -> Labelled:
    """The labels of these kinds; `named`: with the hashes of patients, lesions and pictures. Raises as read_scores does."""
    header, rows = read_scores(path)
    seen = _Seen(kinds, named)
    counted = tally(seen.through(rows))
    return Labelled(
        header,
        counted.cases,
        sha256_of(path),
        counted.labelled,
        seen.undated,
        seen.other_kinds,
        len(counted.unlabelled) - seen.passed_over,
        sum(counted.refused.values()),
        seen.unnamed,
        seen.names,
        counted,
        np.concatenate([counted.unlabelled, counted.agreement.scores]),
        counted.unsought,
        seen.heaviest,
    )


def patients_with(cases: Cases) -> int:
    """How many patients, or lesions where no patient is named, have a malignant picture."""
    return len(np.unique(cases.clusters[cases.malignant]))


def cancers(cases: Cases, most: float) -> Floats:
    """One score for each patient with cancer, as an exact test of proportions needs them: independent, and each as likely to be there.

    Of several malignant pictures of one patient the lowest score counts: the patient is found where all are. Labels that were sought with
    different probabilities are thinned to equal ones, each kept with the share that its weight is of `most` (rejection sampling): fewer
    are left, and what is said of those holds for all. `most` is `Labelled.heaviest`, not that of the cancers or of a group:
    where no audited picture was malignant, flagged cancers would count in full, though for each missed one many were never looked at.
    """
    found = cases.where(cases.malignant)
    if not len(found):
        return found.scores
    if found.weights.min() < most:
        drawn = np.random.default_rng(_SEED).random(len(found))
        found = found.where(drawn * most < found.weights)
    _, patient = np.unique(found.clusters, return_inverse=True)
    lowest = np.full(int(patient.max(initial=-1)) + 1, np.inf)
    np.minimum.at(lowest, patient, found.scores)
    return lowest


def _short(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
