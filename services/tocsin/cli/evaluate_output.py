"""Tells the main figures of an evaluation, and where its files are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from tocsin.learning.about import counted
from tocsin.learning.labels_csv import NOT_READ
from tocsin.learning.parts import Evaluation
from tocsin.learning.scores import Tally
from tocsin.learning.types import Interval
from tocsin.paper.go_live import Written
from tocsin.terminal import console, print_columns, print_line

UNKNOWN: Final = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An evaluation that was made."""

    found: Tally
    evaluation: Evaluation
    files: Written
    scores: Path


def tell(outcome: Outcome, *, as_json: bool) -> None:
    """Print the main figures: one JSON object, or a table and the files' places."""
    counts, figures, files = counts_of(outcome.found), figures_of(outcome.evaluation), outcome.files
    if as_json:
        intervals = {f"{name}_interval": (_known(each.low), _known(each.high)) for name, each in figures.items() if _has_ends(each)}
        values = {name: _known(each.estimate) for name, each in figures.items()}
        places = {"report": str(files.html.resolve()), "scores": str(outcome.scores.resolve())}
        print(orjson.dumps({**counts, **values, **intervals, **places}).decode(), flush=True)
        return
    out = console()
    rows = [(name.replace("_", " "), str(count), "") for name, count in counts.items()]
    rows += [(name, _written(each.estimate), _between(each)) for name, each in figures.items()]
    print_columns(out, ("FIGURE", "VALUE", "INTERVAL"), rows, [""] * len(rows))
    for file in (files.html, files.pdf, files.json, outcome.scores):
        print_line(out, str(file.resolve()))


def counts_of(found: Tally) -> dict[str, int]:
    """How many pictures were read, scored, and not; rows whose picture was never looked at are counted apart."""
    unread = counted(found.refused, NOT_READ)
    return {
        "n": found.pictures - unread,
        "n_scored": len(found.cases),
        "malignant": int(found.cases.malignant.sum()),
        "verdicts": len(found.agreement),
        "unlabelled": len(found.unlabelled),
        "not_assessable": sum(found.refused.values()) - unread,
        "refused_rows": unread,
    }


def figures_of(evaluation: Evaluation) -> dict[str, Interval]:
    """The main figures with their intervals; NaN where the pictures do not tell."""
    discrimination, calibration, at = evaluation.discrimination, evaluation.calibration, evaluation.at_the_point
    return {
        "auroc": UNKNOWN if discrimination is None else discrimination.auroc,
        "ece": UNKNOWN if calibration is None else UNKNOWN._replace(estimate=calibration.ece),
        "ici": UNKNOWN if calibration is None else UNKNOWN._replace(estimate=calibration.ici),
        "sensitivity": UNKNOWN if at is None else at.sensitivity,
        "specificity": UNKNOWN if at is None else at.specificity,
    }


def _has_ends(interval: Interval) -> bool:
    return math.isfinite(interval.low) and math.isfinite(interval.high)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _written(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "not known"


def _between(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}" if _has_ends(interval) else ""
