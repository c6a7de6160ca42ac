"""Which cancers were not flagged: what a reader wants to see first."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest

from tocsin.learning.types import Scored


def missed(rows: Iterable[Scored], threshold: float, most: int) -> list[Scored]:
    """The malignant pictures with a score below the threshold, at most `most` of them, the lowest scores first; verdicts are no truth."""
    found = ((row.score, row.picture, row) for row in rows if row.malignant and row.label_kind != "verdict" and row.score is not None)
    return [row for _, _, row in nsmallest(most, (each for each in found if each[0] < threshold))]
