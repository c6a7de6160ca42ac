"""Parts a file of scores in two by patient: labels to fit to, and the rest to look at what was fitted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from tocsin.errors import ConfigurationError
from tocsin.learning.labelled import ACCURACY
from tocsin.learning.scores import read_scores, write_scores
from tocsin.learning.types import Scored


def split(path: Path, n: int, seed: int, fitted: Path, rest: Path) -> None:
    """Write files of scores: `fitted` with the first patients by chance that have `n` labelled pictures, all other rows into `rest`.

    A lesion counts as a patient where none is named, a picture where neither is. The same seed parts the same file alike. Raises
    ConfigurationError where there are no more than `n` labels, a file cannot be read or written, or one of the two is there already.
    """
    _, rows = read_scores(path)
    labels = Counter(_whose(row) for row in rows if row.score is not None and row.malignant is not None and row.label_kind in ACCURACY)
    if labels.total() <= n:
        raise ConfigurationError(f"{path} has {labels.total()} labelled pictures: --split {n} would leave none")
    if there := [str(each) for each in (fitted, rest) if each.exists()]:
        raise ConfigurationError(f"{' and '.join(there)} would be written over: move away what was split before")
    chosen = _drawn(labels, n, seed)
    header, _ = read_scores(path)
    for file, inside in ((fitted, True), (rest, False)):
        _, rows = read_scores(path)
        write_scores(file, header, (row for row in rows if (_whose(row) in chosen) == inside))


def _whose(row: Scored) -> str:
    return f"patient {row.patient}" if row.patient else f"lesion {row.lesion}" if row.lesion else f"picture {row.picture}"


def _drawn(labels: Counter[str], n: int, seed: int) -> frozenset[str]:
    names = sorted(labels)
    order = np.random.default_rng(seed).permutation(len(names))
    reached = np.cumsum([labels[names[each]] for each in order])
    return frozenset(names[each] for each in order[: int(np.searchsorted(reached, n)) + 1])
