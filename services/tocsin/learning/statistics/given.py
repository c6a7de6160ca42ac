"""What a statistic is given, looked at before it is used: one length, finite, no weight below zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tocsin.learning.types import Bools, Cases, Floats, Ints


def numbers(values: npt.ArrayLike, name: str) -> Floats:
    """A column of finite numbers. Raises ValueError that names the column."""
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1:
        raise ValueError(f"{name}: a column of numbers is needed, not {given.ndim} dimensions")
    if not np.isfinite(given).all():
        raise ValueError(f"{name}: {int((~np.isfinite(given)).sum())} of {len(given)} are no finite numbers")
    return given


def yes_or_no(values: npt.ArrayLike, name: str) -> Bools:
    """A column of booleans, or of 0 and 1. Raises ValueError for anything else, NaN included: no label is not benign."""
    given = np.asarray(values)
    if given.dtype == np.bool_ and given.ndim == 1:
        return given
    as_numbers = numbers(values, name)
    if not np.isin(as_numbers, (0.0, 1.0)).all():
        raise ValueError(f"{name}: only 0 and 1, or true and false, are labels")
    labels: Bools = as_numbers == 1.0
    return labels


def weights_of(values: npt.ArrayLike | None, n: int) -> Floats:
    """The weights, 1 each where none are given. Raises ValueError for another length, and for weights below zero."""
    if values is None:
        return np.ones(n)
    given = numbers(values, "weights")
    if len(given) != n:
        raise ValueError(f"weights: {len(given)} for {n} pictures")
    if (given < 0).any():
        raise ValueError("weights: none may be below zero")
    return given


def clusters_of(values: npt.ArrayLike | None, n: int) -> Ints:
    """Numbers 0..k-1 of the clusters, each picture its own where none are given. Raises ValueError for another length."""
    if values is None:
        return np.arange(n)
    given = np.asarray(values)
    if given.shape != (n,):
        raise ValueError(f"clusters: shape {given.shape} for {n} pictures")
    numbered: Ints = np.unique(given, return_inverse=True)[1]
    return numbered


def scored(scores: npt.ArrayLike, malignant: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> tuple[Floats, Bools, Floats]:
    """Scores, labels and weights of one length. Raises ValueError."""
    known, labels = numbers(scores, "scores"), yes_or_no(malignant, "malignant")
    if len(known) != len(labels):
        raise ValueError(f"malignant: {len(labels)} for {len(known)} scores")
    return known, labels, weights_of(weights, len(known))


def sound(cases: Cases) -> Cases:
    """The cases that count: looked at, without those of weight 0, clusters numbered 0..k-1. Raises ValueError."""
    known, labels, weights = scored(cases.scores, cases.malignant, cases.weights)
    for name, values in cases.groups.items():
        if len(values) != len(known):
            raise ValueError(f"group {name}: {len(values)} for {len(known)} pictures")
    clusters = clusters_of(cases.clusters, len(known))
    whole = Cases(known, labels, clusters, weights, cases.groups)
    if (weights > 0).all():
        return whole
    counting = whole.where(weights > 0)
    return Cases(counting.scores, counting.malignant, clusters_of(counting.clusters, len(counting)), counting.weights, counting.groups)


def confident(confidence: float) -> float:
    """Raises ValueError where it is no confidence between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} does not lie between 0 and 1")
    return confidence
