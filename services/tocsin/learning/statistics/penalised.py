"""Logistic regression with a penalty on the squares of its weights."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from tocsin.learning.types import Bools, Floats

Matrix = npt.NDArray[np.floating[Any]]
STEPS_MAX: Final = 500


class Linear(NamedTuple):
    """Log-odds = bias + weights * x."""

    weights: Floats
    bias: float

    def log_odds(self, rows: Matrix) -> Floats:
        """Of each row."""
        odds: Floats = rows @ self.weights + self.bias
        return odds


def fitted(rows: Matrix, yes: Bools, penalty: float) -> Linear:
    """The maximum of the penalised likelihood, in which both answers count alike however often they are given.

    Columns are standardised first, so that the penalty means the same for each; one that never changes gets no weight. What is returned
    is for columns as they came. `penalty` is on half the sum of squares, beside a mean loss; the bias has none.
    Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd ed., 4.4 and 3.4.1; L-BFGS by SciPy.
    Raises ValueError where an answer is never given, or the search does not end.
    """
    if yes.all() or not yes.any():
        raise ValueError("both answers must be given")
    mean, deviation = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    standard = ((rows - mean) * scale).astype(np.float64)
    share = np.where(yes, 0.5 / yes.sum(), 0.5 / (~yes).sum())
    answer = yes.astype(np.float64)

    def loss(point: Floats) -> tuple[float, Floats]:
        weights, odds = point[:-1], standard @ point[:-1] + point[-1]
        off = share * (special.expit(odds) - answer)
        whole = share @ (np.logaddexp(0.0, odds) - answer * odds) + penalty / 2 * (weights @ weights)
        return float(whole), np.append(standard.T @ off + penalty * weights, off.sum())

    found = optimize.minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": STEPS_MAX})
    if not found.success:
        raise ValueError(f"no maximum was found: {found.message}")
    weights: Floats = found.x[:-1] * scale
    return Linear(weights, float(found.x[-1] - mean @ weights))
