"""Labelled scores -> every figure of a go-live report. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from tocsin.learning import parts
from tocsin.learning.parts import About, Evaluation, Flow, Point
from tocsin.learning.statistics import calibration, discrimination, sample_size, utility
from tocsin.learning.statistics.accuracy import accuracy, proportion
from tocsin.learning.statistics.bootstrap import clustered
from tocsin.learning.statistics.given import sound
from tocsin.learning.statistics.proportions import effective_size
from tocsin.learning.statistics.subgroups import FEWEST_CANCERS, Group, subgroups
from tocsin.learning.types import Cases, Floats
from tocsin.learning.verified import flagged_and_not, verification

BINS: Final = 20
"""Of the histogram of scores."""
ROC_POINTS: Final = 200
BOOTSTRAP_MAX: Final = 10_000
"""Pictures above which the draws would cost more than they tell: DeLong's interval stands alone then."""
DRAWS: Final = 1_000
SEED: Final = 20_261
WORTHS: Final = tuple(round(0.01 * step, 2) for step in range(1, 51))
"""Threshold probabilities of the decision curve."""
WHOLE: Final = "all pictures"


def evaluated(cases: Cases, flow: Flow, about: About, point: Point, *, agreement: Cases | None = None) -> Evaluation:
    """The evaluation of `cases`: assessable pictures whose labels speak of truth (pathology, follow-up, stated), and no verdicts.

    `agreement`: the assessable pictures whose label is a clinician's verdict alone. They are told apart, and in no other figure.
    `flow` counts all that were read, and brings the scores of those without any label. Raises ValueError for columns that are none.
    """
    known = sound(cases)
    verdicts = None if agreement is None or not len(agreement) else sound(agreement)
    without = np.asarray(flow.unlabelled, dtype=np.float64)
    unverified = without if verdicts is None else np.concatenate([without, verdicts.scores])
    reference = _reference(known, flow, point, unverified, spoken_of=about.source == "fhir")
    some, both = len(known) > 0, bool(known.malignant.any() and not known.malignant.all())
    return Evaluation(
        about=about,
        point=point,
        flow=parts.Counted(flow.pictures, dict(flow.not_assessable), len(without), len(known), flow.refused_malignant),
        reference=reference,
        scores=_histogram(known),
        discrimination=_discrimination(known, point.confidence) if both else None,
        calibration=_calibration(known, point.confidence) if both else None,
        at_the_point=_at_the_point(known, point, reference) if some else None,
        utility=_utility(known, point, about.calibrated) if some else None,
        workload=_workload(known, point) if some else None,
        subgroups=_subgroups(known, point, reference) if some else (),
        agreement=None if verdicts is None else _agreement(verdicts, point),
    )


def _reference(cases: Cases, flow: Flow, point: Point, unverified: Floats, *, spoken_of: bool) -> parts.Reference:
    labelled, unlabelled = (flagged_and_not(each, point.threshold) for each in (cases.scores, unverified))
    clusters = len(np.unique(cases.clusters))
    return parts.Reference(
        kinds={str(kind): number for kind, number in flow.kinds.items()},
        labelled_from=flow.labelled_from,
        labelled_to=flow.labelled_to,
        malignant=int(cases.malignant.sum()),
        benign=int((~cases.malignant).sum()),
        clusters=clusters,
        cancers=len(np.unique(cases.clusters[cases.malignant])),
        repeats=clusters < len(cases),
        verification=verification(cases, unverified, point.threshold, selected=spoken_of or flow.unsought > 0),
        flagged=labelled[0] + unlabelled[0],
        flagged_labelled=labelled[0],
        below=labelled[1] + unlabelled[1],
        below_labelled=labelled[1],
        unsought=flow.unsought,
        unsought_malignant=flow.unsought_malignant,
        read_alone=flow.read_alone,
        days={str(kind): days for kind, days in flow.days.items()},
        spoken_of=spoken_of,
    )


def _histogram(cases: Cases) -> parts.Histogram:
    benign, malignant = (np.histogram(cases.scores[each], BINS, (0, 1))[0] for each in (~cases.malignant, cases.malignant))
    return parts.Histogram(tuple(int(each) for each in benign), tuple(int(each) for each in malignant))


def _discrimination(cases: Cases, confidence: float) -> parts.Discrimination:
    curve = discrimination.roc(cases.scores, cases.malignant, cases.weights, ROC_POINTS)
    drawn = None
    if len(cases) <= BOOTSTRAP_MAX:
        bare = Cases(cases.scores, cases.malignant, cases.clusters, cases.weights)
        drawn = clustered(lambda one: discrimination.auroc(one.scores, one.malignant, one.weights), bare, DRAWS, SEED, confidence)
    return parts.Discrimination(
        auroc=discrimination.clustered_auroc(cases, confidence),
        bootstrap=drawn,
        roc=_points(curve.false_positive_rate, curve.sensitivity),
    )


def _calibration(cases: Cases, confidence: float) -> parts.CalibrationFigures:
    p, y, weights = cases.scores, cases.malignant, cases.weights
    clusters = cases.clusters if len(np.unique(cases.clusters)) < len(cases) else None
    uneven = weights if float(np.ptp(weights)) > 0 else None
    curve = calibration.smooth(p, y, weights)
    distance = calibration.ici(p, y, weights)
    intercept, slope = calibration.intercept_slope(p, y, confidence, weights=uneven, clusters=clusters)
    brier = calibration.brier(p, y, confidence, weights=uneven, clusters=clusters)
    return parts.CalibrationFigures(
        curve=_points(curve.predicted, curve.observed),
        intercept=intercept,
        slope=slope,
        observed_over_expected=calibration.observed_over_expected(p, y, confidence, weights=uneven, clusters=clusters),
        ici=distance.ici,
        e50=distance.e50,
        e90=distance.e90,
        ece=calibration.ece(p, y, weights=weights),
        brier=brier.score,
        scaled_brier=brier.scaled,
    )


def _at_the_point(cases: Cases, point: Point, reference: parts.Reference) -> parts.AtThePoint:
    found = accuracy(cases, point.threshold, point.confidence)
    whole = Cases(cases.scores, cases.malignant, cases.clusters, cases.weights, {WHOLE: np.full(len(cases), WHOLE)})
    [group] = subgroups(whole, point.threshold, point.target, point.confidence)
    counts = found.counts
    return parts.AtThePoint(
        true_positive=counts.true_positive,
        false_positive=counts.false_positive,
        false_negative=counts.false_negative,
        true_negative=counts.true_negative,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        ppv=found.ppv,
        npv=found.npv,
        sensitivity_at_least=group.lower,
        shown=_is_shown(group, reference),
        more_cancers=_more(cases, group, point),
        fewest_more_cancers=_fewest(cases, group, point),
    )


def _is_shown(group: Group, reference: parts.Reference) -> bool:
    return group.status == "shown" and reference.verification != "by-score"


def _more(cases: Cases, group: Group, point: Point) -> int | None:
    """How many more confirmed cancers show the target, if missed as those that were seen; at least as many as any claim takes."""
    if group.status == "shown":
        return 0
    hits, of = _worth(cases, point)
    more = sample_size.more_cancers(hits, of, point.target, point.confidence)
    return None if more is None else max(more, FEWEST_CANCERS - group.cancers, 1)


def _fewest(cases: Cases, group: Group, point: Point) -> int:
    """How many more show the target if all of them are found."""
    if group.status == "shown":
        return 0
    hits, of = _worth(cases, point)
    return max(sample_size.cancers_needed(point.target, of - hits, point.confidence) - of, FEWEST_CANCERS - group.cancers, 1)


def _worth(cases: Cases, point: Point) -> tuple[int, int]:
    """Cancers found, and of how many, as if each picture stood for itself."""
    flagged, malignant = cases.scores >= point.threshold, cases.malignant
    hits, of = int((flagged & malignant).sum()), int(malignant.sum())
    if _each_for_itself(cases.where(malignant)):
        return hits, of
    of = math.floor(effective_size(flagged[malignant], cases.weights[malignant], cases.clusters[malignant]))
    share = float(cases.weights[malignant & flagged].sum() / cases.weights[malignant].sum())
    return (of if share == 1 else min(max(of - 1, 0), math.floor(share * of + 1e-9))), of


def _each_for_itself(cases: Cases) -> bool:
    """Whether no patient repeats, and no picture weighs more than another."""
    return len(np.unique(cases.clusters)) == len(cases) and (
        not len(cases) or float(np.ptp(cases.weights)) <= 1e-9 * float(cases.weights.max())
    )


def _utility(cases: Cases, point: Point, calibrated: bool) -> parts.Utility:
    here = utility.net_benefit(cases, point.threshold, point.worth_at, point.confidence)
    curve = utility.decision_curve(cases, WORTHS, point.confidence) if calibrated else ()
    return parts.Utility(_benefit(here), tuple(_benefit(each) for each in curve))


def _benefit(one: utility.Benefit) -> parts.Benefit:
    return parts.Benefit(one.threshold, one.model, one.flag_all, one.over_flag_all)


def _workload(cases: Cases, point: Point) -> parts.Workload:
    found = utility.workload(cases, point.threshold, point.confidence)
    return parts.Workload(found.flags_per_100, found.flags_per_cancer_found)


def _subgroups(cases: Cases, point: Point, reference: parts.Reference) -> tuple[parts.Subgroup, ...]:
    found = subgroups(cases, point.threshold, point.target, point.confidence)
    compared = max(1, sum(each.cancers >= FEWEST_CANCERS for each in found))
    stricter = replace(point, confidence=1 - (1 - point.confidence) / compared)
    return tuple(_subgroup(cases.where(cases.groups[each.column] == each.value), each, stricter, reference) for each in found)


def _subgroup(within: Cases, group: Group, stricter: Point, reference: parts.Reference) -> parts.Subgroup:
    return parts.Subgroup(
        column=group.column,
        value=group.value,
        pictures=group.n,
        malignant=group.events,
        cancers=group.cancers,
        sensitivity=group.sensitivity.raw,
        shrunken=group.sensitivity.shrunken,
        specificity=group.specificity.raw,
        auroc=group.auroc,
        sensitivity_at_least=group.lower,
        shown=_is_shown(group, reference),
        why=group.why,
        more_cancers=_more(within, group, stricter),
        worse_p=group.worse_p,
    )


def _agreement(cases: Cases, point: Point) -> parts.Agreement:
    flagged = cases.scores >= point.threshold
    return parts.Agreement(
        pictures=len(cases),
        called_malignant=int(cases.malignant.sum()),
        flagged_of_called_malignant=proportion(cases, flagged, cases.malignant, point.confidence),
        not_flagged_of_called_benign=proportion(cases, ~flagged, ~cases.malignant, point.confidence),
    )


def _points(x: Floats, y: Floats) -> parts.Points:
    """A curve, to a precision that no eye tells from another."""
    return tuple((round(float(one), 5), round(float(other), 5)) for one, other in zip(x, y, strict=True))
