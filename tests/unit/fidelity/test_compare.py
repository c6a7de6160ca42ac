"""By how much answers moved, and whether the card tolerates it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from tocsin.fidelity.compare import flags_allowed, moved, within
from tocsin.inference.types import Findings
from tocsin.model_card import Tolerance, read_card

from tests.support.records import SKLESION
from tests.support.site_files import at_site

CARD = read_card(SKLESION)
assert CARD.arithmetic is not None
TOLERANCE = CARD.arithmetic.tolerance


def answers(*scores: float) -> list[Findings]:
    """An answer of each of these scores of malignancy."""
    none = {each.code: 0.0 for each in CARD.output.classes}
    return [Findings(CARD.model, none | {"mel": each, "nv": 1 - each}) for each in scores]


def test_the_furthest_the_mean_and_what_flipped_are_told() -> None:
    found = moved(answers(0.2, 0.010, 0.6), answers(0.203, 0.012, 0.6), CARD)
    assert (found.count, found.furthest, found.flipped) == (3, 0, (1,))
    assert found.score_max == pytest.approx(0.003)
    assert found.score_mean == pytest.approx(0.005 / 3)


def test_a_flag_flips_at_every_band_of_the_card() -> None:
    assert moved(answers(0.010, 0.499, 0.3), answers(0.011, 0.5, 0.31), CARD).flipped == (0, 1)


def test_at_a_site_flags_flip_where_the_site_flags_and_scores_move_on_the_cards_own_scale() -> None:
    flagging_at = at_site(CARD).site.calibration.probability(0.013)
    local = at_site(CARD, limits=(flagging_at, 0.9))
    known, answered = answers(*[0.0125] * 5, *[0.3] * 95), answers(*[0.0205] * 5, *[0.3] * 95)
    alone, here = moved(known, answered, CARD), moved(known, answered, local)
    assert (alone.flipped, within(alone, TOLERANCE)) == ((), True)
    assert (here.flipped, flags_allowed(here.count, TOLERANCE), within(here, TOLERANCE)) == ((0, 1, 2, 3, 4), 1, False)
    assert (here.score_max, here.score_mean) == (alone.score_max, alone.score_mean)


@pytest.mark.parametrize("nonsense", [math.nan, 1.5, -0.2])
def test_an_answer_that_is_no_probability_is_infinitely_far(nonsense: float) -> None:
    found = moved(answers(0.2, 0.3), [answers(0.2)[0], Findings(CARD.model, {**answers(0.3)[0].probabilities, "mel": nonsense})], CARD)
    assert (found.score_max, found.furthest, found.flipped, within(found, TOLERANCE)) == (math.inf, 1, (1,), False)


MEASURED = {"float32": (3e-6, 0.0, 0, True), "tf32": (0.0054, 0.0004, 0, True), "float16": (0.014, 0.0, 2, False)}
"""On one H100, 512 pictures: furthest score, mean (0.0 where it was not recorded), flags flipped; and whether the card is to allow it."""


@pytest.mark.parametrize("arithmetic", MEASURED)
def test_the_reference_cards_tolerance_lets_pass_what_was_measured_as_harmless_and_nothing_else(arithmetic: str) -> None:
    furthest, mean, flipped, allowed = MEASURED[arithmetic]
    rest = max(0.0, mean * 512 - furthest) / 511
    pairs = [(0.3, 0.3 + furthest), *[(0.3, 0.3 + rest)] * (511 - flipped), *[(0.0109, 0.0111)] * flipped]
    found = moved(answers(*(one for one, _ in pairs)), answers(*(other for _, other in pairs)), CARD)
    assert (len(found.flipped), within(found, TOLERANCE)) == (flipped, allowed)


@pytest.mark.parametrize(("count", "allowed"), [(1, 1), (100, 1), (999, 1), (1000, 2), (2500, 5)])
def test_one_flag_may_always_flip_since_a_picture_can_lie_on_the_limit(count: int, allowed: int) -> None:
    assert flags_allowed(count, TOLERANCE) == allowed


@pytest.mark.parametrize(
    ("scores", "others"),
    [((0.2, 0.2), (0.2, 0.211)), ((0.2,) * 9, (0.2011,) * 9), ((0.0105, 0.0108), (0.0111, 0.0112))],
    ids=["furthest", "mean", "flags"],
)
def test_each_bound_alone_fails_a_server(scores: Sequence[float], others: Sequence[float]) -> None:
    wide = Tolerance(score_max=1, score_mean=1, flags_per_1000=1000)
    found = moved(answers(*scores), answers(*others), CARD)
    assert (within(found, TOLERANCE), within(found, wide)) == (False, True)
