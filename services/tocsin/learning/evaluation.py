"""Labelled scores -> every figure of a go-live report. Pure."""

from __future__ import annotations

from tocsin.learning.parts import About, Evaluation, Flow, Point
from tocsin.learning.types import Cases


def evaluated(cases: Cases, flow: Flow, about: About, point: Point, *, agreement: Cases | None = None) -> Evaluation:
    """The evaluation of `cases`: assessable pictures whose labels speak of truth (pathology, follow-up, stated), and no verdicts.

    `agreement`: the assessable pictures whose label is a clinician's verdict alone. They are told apart, and in no other figure.
    `flow` counts all that were read, and brings the scores of those without any label. Raises ValueError for columns that are none.
    """
    raise NotImplementedError
