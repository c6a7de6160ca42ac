"""What comes in is told to be other than what was evaluated when it is, and seldom when it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from tocsin.learning.types import Scored
from tocsin.learning.watch.inputs import ASSESSED, Baseline, Judged, Rules, baseline_of, looks
from tocsin.learning.watch.types import Look

from tests.learning.watching import RULES, baseline, flow

TODAY = date(2026, 3, 3)


def by_signal(judged: list[Judged], before: Baseline, rules: Rules = RULES, today: date = TODAY) -> dict[str, Look]:
    return {each.signal: each for each in looks(judged, before, rules, today)}


def alarms(judged: list[Judged], before: Baseline) -> set[str]:
    return {name for name, each in by_signal(judged, before).items() if each.state == "alarm"}


def test_what_comes_in_as_before_is_quiet_and_says_how_near_an_alarm_is() -> None:
    chance = np.random.default_rng(12)
    found = by_signal(flow(chance, TODAY, 28, 60), baseline(chance, 2_000))
    assert {each.state for each in found.values()} == {"quiet"}
    assert all(each.figure is not None and 0 <= each.figure < 1 for each in found.values())
    assert found["score-mean"].of + found["not-assessable"].of > 28 * 100


def test_alarms_are_seldom_false() -> None:
    chance = np.random.default_rng(2)
    tries = [alarms(flow(chance, TODAY, 28, 60), baseline(chance, 2_000)) for _ in range(40)]
    assert sum(map(bool, tries)) <= 5


def test_scores_that_rise_are_found_by_their_mean_and_their_histogram() -> None:
    chance = np.random.default_rng(3)
    assert {"score-mean", "score-histogram"} <= alarms(flow(chance, TODAY, 28, 60, shift=0.08), baseline(chance, 2_000))


def test_pictures_that_cannot_be_assessed_are_found_by_their_share_and_by_their_reasons() -> None:
    chance = np.random.default_rng(4)
    assert alarms(flow(chance, TODAY, 28, 60, refused=0.15), baseline(chance, 2_000)) == {"not-assessable", "reasons"}


def test_another_reason_at_the_same_share_is_found_by_reasons_alone() -> None:
    chance = np.random.default_rng(5)
    assert alarms(flow(chance, TODAY, 28, 60, reason="too-dark"), baseline(chance, 2_000)) == {"reasons"}


def test_a_day_of_few_pictures_says_nothing_and_neither_does_today() -> None:
    chance = np.random.default_rng(6)
    few = flow(chance, TODAY, 28, RULES.batch_min // 2, shift=0.5)
    found = by_signal(few, baseline(chance, 2_000))
    assert (found["score-mean"].state, found["not-assessable"].state) == ("too-few", "too-few")
    today = [Judged(TODAY, 0.99)] * 500
    assert {each.state for each in by_signal(today, baseline(chance, 2_000)).values()} == {"too-few"}


def test_a_number_of_another_scale_is_compared_with_nothing_and_its_picture_was_assessed() -> None:
    chance = np.random.default_rng(8)
    before, judged = baseline(chance, 2_000), flow(chance, TODAY, 28, 60)
    others = [replace(each, score=None) if chance.random() < 0.5 else each for each in judged]
    all_own, some = by_signal(judged, before), by_signal(others, before)
    assert [some[name] == all_own[name] for name in ("not-assessable", "reasons")] == [True, True]
    assert 0.4 < some["score-mean"].of / all_own["score-mean"].of < 0.6


def test_histograms_are_of_whole_weeks_on_one_grid() -> None:
    chance = np.random.default_rng(7)
    before, judged = baseline(chance, 2_000), flow(chance, TODAY, 28, 60)
    found = {by_signal(judged, before, today=TODAY - timedelta(days=back))["score-histogram"].figure for back in range(7)}
    assert len(found) == 2


def test_where_every_picture_was_and_is_assessed_reasons_are_quiet() -> None:
    chance = np.random.default_rng(8)
    before = baseline(chance, 2_000, refused=0)
    assert by_signal(flow(chance, TODAY, 28, 60, refused=0), before)["reasons"].figure == 0


def test_a_baseline_is_on_the_scale_that_is_reported_and_leaves_out_what_got_no_report() -> None:
    rows = [Scored(str(number), number / 200) for number in range(200)]
    rows += [Scored("dark", None, "too-dark"), Scored("torn", None, "content-unusable")]
    found = baseline_of(rows, lambda score: score / 2, {"too-dark"})
    assert found is not None
    assert found.reasons == {ASSESSED: 200, "too-dark": 1}
    assert found.mean == pytest.approx(0.24875)
    assert found.scores.tolist() == [20] * 10


@pytest.mark.parametrize("rows", [[Scored(str(number), number / 99) for number in range(99)], [Scored(str(n), 0.5) for n in range(500)]])
def test_few_pictures_or_one_score_are_no_baseline(rows: list[Scored]) -> None:
    assert baseline_of(rows, lambda score: score, ()) is None
