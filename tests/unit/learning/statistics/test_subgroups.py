"""Group by group: never fine, shown or not shown; Holm; what groups lend each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from tocsin.learning.statistics.proportions import exact_lower
from tocsin.learning.statistics.shrinkage import shrunken
from tocsin.learning.statistics.subgroups import Group, holm, subgroups
from tocsin.learning.types import Cases


def made(**groups: tuple[int, int]) -> Cases:
    """Each group's found and missed cancers, and ten benign pictures that are not flagged."""
    names, scores, malignant = list[str](), list[float](), list[bool]()
    for name, (found, missed) in groups.items():
        names += [name] * (found + missed + 10)
        scores += [0.9] * found + [0.1] * (missed + 10)
        malignant += [True] * (found + missed) + [False] * 10
    n = len(names)
    return Cases(np.array(scores), np.array(malignant), np.arange(n), np.ones(n), {"device": np.array(names)})


def found(cases: Cases, bound: float = 0.9, confidence: float = 0.95) -> dict[str, Group]:
    return {each.value: each for each in subgroups(cases, 0.5, bound, confidence)}


def test_a_group_that_found_enough_is_shown() -> None:
    group = found(made(a=(60, 0)))["a"]
    assert (group.status, group.why) == ("shown", None)
    assert (group.column, group.n, group.events, group.cancers) == ("device", 70, 60, 60)
    assert group.lower == pytest.approx(exact_lower(60, 60))
    assert group.sensitivity.raw.estimate == group.specificity.raw.estimate == 1.0


def test_fewer_than_ten_cancers_show_nothing_however_good() -> None:
    group = found(made(a=(9, 0)), bound=0.5)["a"]
    assert group.lower > 0.5
    assert (group.status, group.why) == ("not-shown", "too-few-cancers")
    assert found(made(a=(10, 0)), bound=0.5)["a"].status == "shown"


def test_pictures_of_one_patients_cancer_are_one_cancer() -> None:
    cases = made(a=(60, 0))
    repeated = Cases(cases.scores, cases.malignant, np.arange(70) // 10, cases.weights, cases.groups)
    group = found(repeated, bound=0.5)["a"]
    assert (group.events, group.cancers, group.why) == (60, 6, "too-few-cancers")


def test_a_lower_bound_below_the_bound_set_shows_nothing() -> None:
    group = found(made(a=(28, 0)))["a"]
    assert (group.status, group.why) == ("not-shown", "below-the-bound")
    assert found(made(a=(29, 0)))["a"].status == "shown"


def test_many_groups_must_be_shown_more_clearly() -> None:
    groups = found(made(a=(29, 0), b=(29, 0), c=(200, 0)))
    assert [groups[name].why for name in "abc"] == ["not-after-comparisons", "not-after-comparisons", None]
    few = found(made(a=(29, 0), b=(3, 0), c=(2, 1)))  # groups that are too small to be shown cost nothing
    assert few["a"].status == "shown"


def test_a_group_that_is_worse_than_the_others_is_named() -> None:
    groups = found(made(light=(190, 10), dark=(14, 6)))
    assert groups["dark"].worse_p < 0.01
    assert groups["light"].worse_p > 0.99
    assert math.isnan(found(made(a=(20, 0)))["a"].worse_p)


def test_no_group_is_ever_called_fine() -> None:
    groups = found(made(a=(0, 0), b=(40, 40), c=(100, 0)))
    assert {name: each.status for name, each in groups.items()} == {"a": "not-shown", "b": "not-shown", "c": "shown"}
    assert math.isnan(groups["a"].sensitivity.raw.estimate)
    assert math.isnan(groups["a"].sensitivity.shrunken.estimate)
    assert math.isnan(groups["a"].auroc.estimate)


def test_columns_can_be_chosen_and_the_unknown_is_a_group() -> None:
    cases = made(**{"": (12, 0), "x": (12, 0)})
    assert {each.value for each in subgroups(cases, 0.5, 0.5, columns=["device"])} == {"", "x"}
    assert subgroups(cases, 0.5, 0.5, columns=[]) == ()


def test_a_group_whose_misses_are_sought_by_a_sample_is_not_shown_by_finding_none() -> None:
    cases = made(a=(60, 0))
    weighted = Cases(cases.scores, cases.malignant, cases.clusters, np.where(cases.scores > 0.5, 1.0, 20.0), cases.groups)
    assert found(weighted)["a"].why == "below-the-bound"


@pytest.mark.parametrize("score", [0.9, 0.1])
@pytest.mark.parametrize("malignant", [True, False])
def test_a_small_group_on_one_side_of_the_threshold_shows_nothing_beside_an_audit_sample(score: float, malignant: bool) -> None:
    cases = made(a=(60, 2))
    weights = np.append(np.where(cases.scores > 0.5, 1.0, 20.0), 1.0)
    scores, labels = np.append(cases.scores, score), np.append(cases.malignant, malignant)
    more = Cases(scores, labels, np.arange(73), weights, {"device": np.append(cases.groups["device"], "b")})
    groups = found(more)
    assert groups["b"].status == "not-shown"
    figure = (groups["b"].sensitivity if malignant else groups["b"].specificity).raw
    assert figure.high - figure.low > 0.95
    alone = Cases(cases.scores, cases.malignant, cases.clusters, weights[:-1], cases.groups)
    assert groups["a"].lower == found(alone)["a"].lower


@pytest.mark.parametrize("p_values", [[], [0.03], [0.01, 0.04, 0.03], [0.5, 0.9, 0.001, 0.02, 0.02]])
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(expected)


def test_holm_passes_over_what_is_not_known_and_refuses_what_is_no_chance() -> None:
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(adjusted[1])
    with pytest.raises(ValueError, match="p-value"):
        holm([1.2])


def test_small_groups_lean_on_the_others_and_large_ones_stand() -> None:
    small, large, *_ = shrunken([3, 900, 90, 88, 91], [5, 1000, 100, 100, 100])
    assert 0.6 < small.estimate < 0.9
    assert small.low < 0.6 + 0.2
    assert large.estimate == pytest.approx(0.9, abs=0.005)


def test_groups_that_are_unlike_keep_their_own() -> None:
    low, high = shrunken([20, 195], [200, 200])
    assert low.estimate == pytest.approx(0.1, abs=0.02)
    assert high.estimate == pytest.approx(0.975, abs=0.02)


def test_groups_of_nothing_borrow_nothing() -> None:
    first, second = shrunken([0, 9], [0, 10])
    assert math.isnan(first.estimate)
    assert first[1:3] == (0.0, 1.0)
    assert second.low < 0.9 < second.high
    assert shrunken([], []) == ()
    assert math.isnan(shrunken([0], [0])[0].estimate)


def test_all_found_is_not_a_certainty() -> None:
    assert all(each.low < 0.97 and each.high <= 1 for each in shrunken([10, 20], [10, 20]))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="hits lie between"):
        shrunken([3], [2])
    for bound in (0.0, 1.0, 95.0):
        with pytest.raises(ValueError, match="bound"):
            subgroups(made(a=(3, 3)), 0.5, bound)
    with pytest.raises(ValueError, match=r"0\.5"):
        subgroups(made(a=(3, 3)), 0.5, 0.9, confidence=0.4)
