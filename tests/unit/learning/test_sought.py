"""Labels of the record count for as many as they stand for, and a sample that reads the unflagged mends what verification by flag hides."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from tocsin.learning.about import flow
from tocsin.learning.evaluation import evaluated
from tocsin.learning.labels_bus import OfMedia, labels, sha256_of_labels
from tocsin.learning.parts import Evaluation, Point
from tocsin.learning.report import sentences as say
from tocsin.learning.report.open_points import open_points
from tocsin.learning.scores import tally
from tocsin.learning.sought import as_recorded, newest, weighted
from tocsin.learning.types import LabelKind, Scored
from tocsin.report.types import Mark, StoredReport
from tocsin.review.sample import Judged, Sample

from tests.learning.simulated import Truth, site
from tests.support.evaluations import ABOUT, ENGLISH
from tests.support.flags import HOUR, NOW, flag
from tests.unit.learning.test_labels_bus import MEANING, MELANOMA, NAEVUS, outcome

TRUTH = Truth(prevalence=0.15, apart=2.0)
THRESHOLD = TRUTH.threshold(0.9)
SAMPLE = Sample(rate=0.1, near_weight=4, probability_max=0.5, threshold=THRESHOLD, since=NOW, secret=b"a fixed secret of the simulation")


def label(number: int, malignant: bool | None = True, kind: LabelKind = "pathology") -> OfMedia:
    said = Scored(f"Media/m{number}", None, malignant=malignant, label_kind=kind, labelled_on=date(2026, 3, 12), patient=f"p{number}")
    return OfMedia(f"Media/m{number}", f"Patient/p{number}", said, (f"DiagnosticReport/r{number}",))


def judged(number: int = 1, **changes: Any) -> Judged:
    whole: dict[str, Any] = {"media": f"Media/m{number}", "score": 0.01, "flagged": False, "status": "final", "issued": NOW}
    return Judged(**(whole | changes))


def one(known: Judged | None, sample: Sample | None) -> tuple[float, bool]:
    [found] = weighted([label(1)], {} if known is None else {"DiagnosticReport/r1": known}, sample)
    return found.said.weight, found.said.sought


def test_a_flagged_picture_counts_for_itself_with_or_without_a_sample() -> None:
    for sample in (SAMPLE, None):
        assert one(judged(score=0.9, flagged=True), sample) == (1.0, True)


def test_a_drawn_one_counts_for_as_many_as_its_probability_says() -> None:
    certain = replace(SAMPLE, rate=0.25, near_weight=1)
    number = next(each for each in range(100) if certain.draws(judged(each)))
    [found] = weighted([label(number)], {f"DiagnosticReport/r{number}": judged(number)}, certain)
    assert (found.said.weight, found.said.sought) == (4.0, True)


@pytest.mark.parametrize(
    ("known", "sample"),
    [
        (None, SAMPLE),
        (judged(), None),
        (judged(issued=NOW - HOUR), SAMPLE),
        (judged(status="entered-in-error"), SAMPLE),
        (judged(media="Media/other"), replace(SAMPLE, rate=1.0, probability_max=1.0)),
        (judged(), replace(SAMPLE, rate=1e-9)),
    ],
    ids=["nothing is known", "no sample", "of before", "withdrawn", "of another picture", "not drawn"],
)
def test_of_any_other_nobody_knows_how_likely_it_was(known: Judged | None, sample: Sample | None) -> None:
    assert one(known, sample) == (1.0, False)


OLD, NEW = "DiagnosticReport/old", "DiagnosticReport/new"
GONE = judged(score=0.01, status="entered-in-error", issued=NOW)


@pytest.mark.parametrize("told", [(OLD, NEW), (NEW, OLD)])
@pytest.mark.parametrize("known", [{OLD: GONE}, {}, {OLD: judged(issued=NOW - HOUR)}], ids=["gave way", "not known", "stands"])
@pytest.mark.parametrize("older", [MELANOMA, NAEVUS])
def test_of_several_reports_on_a_picture_the_one_that_holds_says_how_its_label_was_sought(
    told: tuple[str, ...], known: dict[str, Judged], older: str
) -> None:
    said = labels([outcome(1, older if report == OLD else MELANOMA, report=report) for report in told], [], [], MEANING)
    flagged = judged(score=0.9, flagged=True, status="preliminary", issued=NOW - HOUR / 2)
    [found] = weighted(said, known | {NEW: flagged}, SAMPLE)
    assert (found.said.malignant, found.said.weight, found.said.sought) == (True, 1.0, True)
    certain = replace(SAMPLE, rate=0.25, near_weight=1, since=NOW - HOUR, secret=b"3")
    drawn = judged(score=0.001, issued=NOW - HOUR / 2)
    assert certain.draws(drawn)
    [found] = weighted(said, known | {NEW: drawn}, certain)
    assert (found.said.weight, found.said.sought) == (4.0, True)


def test_the_newest_flag_says_what_a_report_said() -> None:
    flags = [flag(1, "high", at=NOW + HOUR, probability=0.9), flag(1, "below-threshold", probability=0.01), flag(2, None)]
    found = newest(flags)
    assert (found["DiagnosticReport/r1"].score, found["DiagnosticReport/r1"].flagged) == (0.9, True)
    assert found["DiagnosticReport/r2"].score is None


def test_what_the_bus_no_longer_holds_is_read_from_the_record_s_mark() -> None:
    mark = Mark("a" * 64, NOW, NOW, "0", "1", "below-threshold", 0.01, flagged=False)
    stored = StoredReport("DiagnosticReport/r1", "Patient/p1", "Media/m1", "amended", "nv", NOW, mark)
    assert as_recorded(stored) == judged(status="amended")
    assert as_recorded(replace(stored, mark=None)) is None


def test_another_weight_is_another_list_of_labels() -> None:
    mine = label(1)
    others = [replace(mine, said=replace(mine.said, **each)) for each in ({"weight": 4.0}, {"sought": False})]
    assert len({sha256_of_labels([each]) for each in (mine, *others)}) == 3


# A simulated site, where flagged lesions are excised and others by the sample alone.


def labels_of(seed: int, sample: Sample | None, n: int = 3_000, otherwise: float = 0.0) -> list[Scored]:
    """The rows of a file of scores; some missed cancers come to light by themselves, with the probability `otherwise`."""
    random = np.random.default_rng(seed)
    cases = site(random, TRUTH, n)
    found, known, scores = [], {}, {}
    for at, (score, malignant) in enumerate(zip(cases.scores.tolist(), cases.malignant.tolist(), strict=True)):
        number = seed * n + at
        said = judged(number, score=score, flagged=score >= THRESHOLD)
        if said.flagged or (sample is not None and sample.draws(said)) or (malignant and random.random() < otherwise):
            found.append(label(number, malignant))
            known[found[-1].reports[0]], scores[found[-1].media] = said, score
    return [replace(each.said, score=scores[each.media]) for each in weighted(found, known, sample)]


def evaluation_of(rows: list[Scored]) -> Evaluation:
    counted = tally(rows)
    return evaluated(counted.cases, flow(counted), replace(ABOUT, source="fhir"), Point(THRESHOLD))


def test_without_a_sample_sensitivity_is_too_high_and_said_to_be_an_upper_bound() -> None:
    found = evaluation_of(labels_of(1, None, otherwise=0.1))
    assert found.at_the_point is not None
    assert found.at_the_point.sensitivity.low > 0.93  # the truth is 0.9
    assert not found.at_the_point.shown
    assert found.reference.verification == "by-score"
    assert "an upper bound, since only pictures of which pathology or a clinician spoke were read" in say.sensitivity(found, ENGLISH)
    assert found.reference.unsought == found.reference.below_labelled > 0
    assert any("nobody knows with which probability: sensitivity is an upper bound" in each for each in open_points(found, ENGLISH))


def test_where_flagged_pictures_alone_have_labels_not_all_were_verified() -> None:
    found = evaluation_of(labels_of(1, None))
    assert (found.reference.verification, found.reference.below) == ("by-score", 0)


def test_with_it_the_truth_is_found_and_what_was_verified_otherwise_is_told_apart() -> None:
    found = evaluation_of(labels_of(1, SAMPLE, otherwise=0.1))
    assert found.at_the_point is not None
    assert found.reference.verification == "weighted"
    assert found.at_the_point.sensitivity.low < 0.9 < found.at_the_point.sensitivity.high
    assert found.at_the_point.sensitivity.high < 1
    assert found.reference.unsought == found.reference.unsought_malignant > 0
    assert any("since the audit sample stands for them too" in each for each in open_points(found, ENGLISH))


def test_over_many_sites_the_weighted_figure_is_right_and_its_interval_holds_the_truth() -> None:
    """60 sites: the mean within three standard errors, 95 % intervals cover in no fewer than 60 * 0.95 less three errors."""
    estimates, held, naive = [], 0, []
    for seed in range(60):
        rows = labels_of(seed, SAMPLE, n=1_500)
        at = evaluation_point(rows)
        estimates.append(at[0])
        held += at[1] <= 0.9 <= at[2]
        naive.append(evaluation_point([replace(each, weight=1.0) for each in rows])[0])
    error = float(np.std(estimates)) / math.sqrt(len(estimates))
    assert abs(float(np.mean(estimates)) - 0.9) < 3 * error
    assert held >= 60 * 0.95 - 3 * math.sqrt(60 * 0.95 * 0.05)
    assert float(np.mean(naive)) > 0.9 + 10 * float(np.std(naive)) / math.sqrt(len(naive))


def evaluation_point(rows: list[Scored]) -> tuple[float, float, float]:
    from tocsin.learning.statistics.accuracy import accuracy

    return accuracy(tally(rows).cases, THRESHOLD).sensitivity[:3]


def test_kinds_of_labels_keep_their_days_and_a_reading_alone_is_told() -> None:
    rows = labels_of(1, SAMPLE)
    read = [replace(each, label_kind="verdict", labelled_on=date(2026, 3, 2), malignant=False) for each in rows if each.weight > 1][:7]
    counted = tally([each for each in rows if each.picture not in {one.picture for one in read}] + read)
    assert counted.days == {"pathology": (date(2026, 3, 12),) * 2, "verdict": (date(2026, 3, 2),) * 2}
    assert counted.read_alone == 7
    found = evaluated(counted.cases, flow(counted), replace(ABOUT, source="fhir"), Point(THRESHOLD))
    assert any("7 pictures of the audit sample were read by a clinician, and neither" in each for each in open_points(found, ENGLISH))
