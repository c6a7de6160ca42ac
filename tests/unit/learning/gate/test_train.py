"""A gate keeps what it was asked for on lesions that it has not seen, and is refused where nothing can be shown."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from tocsin.errors import ConfigurationError
from tocsin.learning.gate.train import (
    RIGHT,
    Seen,
    boundary,
    folds,
    named,
    refusals,
    refusals_by_others,
    scores_by_others,
    shown_by,
    threshold_for,
    trained,
)

from tests.support.gates import FEATURES, card_with_features

NOW = datetime(2026, 5, 1, tzinfo=UTC)
CARD = card_with_features()


def simulated(right: int = 600, wrong: int = 120, *, apart: float = 4.0, a_lesion: int = 1, seed: int = 2) -> Seen:
    """Pictures of a known truth: the other kind's first feature lies `apart` higher; `a_lesion` pictures of one kind show the same."""
    drawn = np.random.default_rng(seed)
    kinds = [RIGHT] * right + ["close-ups"] * wrong
    features = drawn.normal(size=(right + wrong, FEATURES))
    features[right:, 0] += apart
    lesions = [f"{kind}{at // a_lesion}" for kind, at in zip(kinds, range(right + wrong), strict=True)]
    tones = ["dark" if at % 3 == 0 else "light" for at in range(right + wrong)]
    return named(features.astype(np.float32), kinds, lesions, tones)


def test_of_other_lesions_the_share_that_was_asked_for_is_refused_and_most_of_another_kind() -> None:
    gate, fresh = boundary(simulated(), 0.02), simulated(20_000, 5_000, seed=3)
    refused = gate.refused(fresh.features)
    assert refused[~fresh.wrong].mean() == pytest.approx(0.02, abs=0.02)
    assert refused[fresh.wrong].mean() > 0.95


def test_what_is_shown_of_a_gate_holds_for_other_lesions() -> None:
    shown = trained(simulated(), CARD, NOW).shown
    assert shown.refusals.low < 0.974 < shown.refusals.high  # normal: P(x + 4 > 2.05), of a threshold that 2 % exceed
    assert shown.false_refusals.low < 0.02 < shown.false_refusals.high
    assert (shown.kinds, shown.lesions) == ({"close-ups": shown.refusals}, 720)
    assert sum(fold.right_refused for fold in shown.folds) == shown.false_refusals.refused
    assert sum(fold.wrong for fold in shown.folds) == 120
    assert {tone: each.of for tone, each in shown.skin_tones.items()} == {"dark": 200, "light": 400}


def test_features_that_tell_nothing_refuse_no_more_of_another_kind_than_of_the_right_one() -> None:
    seen = simulated(apart=0)
    shown = shown_by(seen, refusals_by_others(seen))
    assert shown.refusals.refused / shown.refusals.of < 0.1


def test_pictures_of_one_lesion_are_never_on_both_sides() -> None:
    seen = simulated(a_lesion=4)
    held = list(folds(seen))
    assert (np.sum(held, axis=0) == 1).all()
    assert all(set(seen.lesions[each]).isdisjoint(seen.lesions[~each]) for each in held)
    assert all((each & seen.wrong).any() and (each & ~seen.wrong).any() for each in held)


def test_a_gate_that_knew_lesions_by_heart_is_found_out() -> None:
    drawn = np.random.default_rng(4)
    of_lesion = drawn.normal(size=(240, 40))
    features = np.repeat(of_lesion, 3, axis=0).astype(np.float32)
    seen = named(features, [RIGHT] * 600 + ["other"] * 120, [str(at // 3) for at in range(720)], [""] * 720)
    scores = scores_by_others(seen)
    assert (scores[seen.wrong] > threshold_for(scores[~seen.wrong], 0.02)).mean() < 0.3


@pytest.mark.parametrize(("target", "refused"), [(0.02, 2), (0.019, 1), (0.005, 0)])
def test_no_more_pictures_than_asked_for_lie_above_the_threshold(target: float, refused: int) -> None:
    scores = np.random.default_rng(1).permutation(np.arange(100.0))
    assert (scores > threshold_for(scores, target)).sum() == refused


def test_the_same_pictures_make_the_same_gate() -> None:
    assert boundary(simulated(200, 50)).threshold == boundary(simulated(200, 50)).threshold


def test_a_gate_judges_in_single_precision_as_it_was_trained() -> None:
    seen = simulated(200, 50)
    gate, made = trained(seen, CARD, NOW), boundary(seen)
    assert [gate.refuses(each) for each in seen.features] == made.refused(seen.features).tolist()
    assert (gate.model, gate.served_sha256) == ("reader/3", "1" * 64)


@pytest.mark.parametrize(
    ("right", "wrong", "a_lesion", "why"),
    [
        (199, 60, 1, "own kind show 199 lesions, and a gate needs 200"),
        (600, 49, 1, "another kind show 49 lesions, and a gate needs 50"),
        (600, 120, 4, "own kind show 150 lesions"),
    ],
)
def test_too_few_lesions_make_no_gate(right: int, wrong: int, a_lesion: int, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        trained(simulated(right, wrong, a_lesion=a_lesion), CARD, NOW)


def test_an_interval_holds_its_share_at_the_ends() -> None:
    none, all_ = refusals(np.zeros(50, np.bool_)), refusals(np.ones(50, np.bool_))
    assert (none.low, all_.high) == (0, 1)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 50))
