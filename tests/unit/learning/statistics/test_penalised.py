"""The penalised fit is scikit-learn's, whatever the columns' scales, and weighs both answers alike."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tocsin.learning.statistics.penalised import fitted

DRAWN = np.random.default_rng(5)
ROWS = DRAWN.normal(size=(400, 6)) * [1, 10, 0.1, 1, 5, 1] + [0, 100, 0, -3, 0, 1]
YES = DRAWN.random(400) < 1 / (1 + np.exp(-(ROWS[:, 0] - (ROWS[:, 1] - 100) / 10 - 1.5)))


@pytest.mark.parametrize("penalty", [0.001, 0.1, 1.0])
def test_the_fit_is_that_of_scikit_learn_on_standardised_columns(penalty: float) -> None:
    standard = (ROWS - ROWS.mean(axis=0)) / ROWS.std(axis=0)
    weights = np.where(YES, 0.5 / YES.sum(), 0.5 / (~YES).sum())
    theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000).fit(standard, YES, sample_weight=weights)
    np.testing.assert_allclose(fitted(ROWS, YES, penalty).log_odds(ROWS), theirs.decision_function(standard), atol=2e-3)


def test_a_column_that_never_changes_gets_no_weight() -> None:
    rows = np.column_stack([ROWS, np.full(len(ROWS), 7.0)])
    assert fitted(rows, YES, 0.1).weights[-1] == 0


def test_answers_count_alike_however_often_they_are_given() -> None:
    rows, yes = np.concatenate([ROWS, ROWS[YES], ROWS[YES]]), np.concatenate([YES, YES[YES], YES[YES]])
    np.testing.assert_allclose(fitted(rows, yes, 1e-6).log_odds(ROWS), fitted(ROWS, YES, 1e-6).log_odds(ROWS), atol=0.05)


@pytest.mark.parametrize("yes", [np.ones(400, np.bool_), np.zeros(400, np.bool_)], ids=["always", "never"])
def test_an_answer_that_is_never_given_is_refused(yes: np.ndarray) -> None:  # type: ignore[type-arg] # of whichever type
    with pytest.raises(ValueError, match="both answers"):
        fitted(ROWS, yes, 0.1)
