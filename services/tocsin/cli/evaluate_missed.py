"""The pictures of missed cancers, for the report of whoever may see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tocsin.errors import Refused
from tocsin.image.printed import for_print
from tocsin.learning.labels_csv import paths_below
from tocsin.learning.missed import missed
from tocsin.learning.types import Scored
from tocsin.paper.go_live import Missed

MOST: Final = 60
SIDE_PX_MAX: Final = 320


def photographed(rows: Iterable[Scored], threshold: float, roots: Sequence[Path], pixels_max: int) -> list[Missed]:
    """At most MOST missed cancers of files below these folders; one that cannot be shown any more is left out."""
    return list(_photographed(missed(rows, threshold, MOST), roots, pixels_max))


def _photographed(rows: Iterable[Scored], roots: Sequence[Path], pixels_max: int) -> Iterator[Missed]:
    for row in rows:
        file = next((path for path in paths_below(roots, row.picture) if path.is_file()), None)
        if file is None or row.score is None:
            continue
        try:
            content = file.read_bytes()
            photograph = for_print(content, side_px_max=SIDE_PX_MAX, pixels_max=pixels_max, reference="a missed picture")
        except (OSError, Refused):
            continue
        yield Missed(row.picture, row.score, photograph)
