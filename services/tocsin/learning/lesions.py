"""Labels of one lesion that contradict each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tocsin.learning.types import Scored

_NAMED = 5
"""Of so many lesions, and so many of their pictures, the rows are named."""


def called_both(rows: Iterable[tuple[int, Scored]]) -> Iterator[str]:
    """A sentence where pictures of one lesion are called malignant and benign; `rows` with their numbers.

    The lesion may have changed between them, or one of them is a slip.
    """
    lesions: dict[tuple[str | None, str], list[tuple[int, bool]]] = {}
    for row, said in rows:
        if said.lesion is not None and said.malignant is not None:
            lesions.setdefault((said.patient, said.lesion), []).append((row, said.malignant))
    both = [held for held in lesions.values() if len({malignant for _, malignant in held}) > 1]
    if both:
        named = ", ".join(str(row) for held in both[:_NAMED] for row, _ in held[:_NAMED])
        yield f"lesion_id: of {len(both)} lesions some pictures are called malignant and some benign, each counts so: rows {named}"
