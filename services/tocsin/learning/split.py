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

    Of the patients without such a label as large a share goes into `fitted`, so that both files tell who was verified. A lesion counts as
    a patient where none is named, a picture where neither is. The same seed parts the same file alike. Raises ConfigurationError where
    there are no more than `n` labels, a file cannot be read or written, or one of the two is there already.
    """
    labels = _labels(path)
    if labels.total() <= n:
        raise ConfigurationError(f"{path} has {labels.total()} labelled pictures: --split {n} would leave none")
    if there := [str(each) for each in (fitted, rest) if each.exists()]:
        raise ConfigurationError(f"{' and '.join(there)} would be written over: move away what was split before")
    chosen = _drawn(labels, n, seed)
    header, _ = read_scores(path)
    for file, inside in ((fitted, True), (rest, False)):
        _, rows = read_scores(path)
        write_scores(file, header, (row for row in rows if (_whose(row) in chosen) == inside))


def _labels(path: Path) -> Counter[str]:
    """Each patient's labels that speak of what the lesion is; of some it is none."""
    labels = Counter[str]()
    for row in read_scores(path)[1]:
        labels[_whose(row)] += row.score is not None and row.malignant is not None and row.label_kind in ACCURACY
    return labels


def _whose(row: Scored) -> str:
    return f"patient {row.patient}" if row.patient else f"lesion {row.lesion}" if row.lesion else f"picture {row.picture}"


def _drawn(labels: Counter[str], n: int, seed: int) -> frozenset[str]:
    random = np.random.default_rng(seed)
    known, others = (sorted(name for name, count in labels.items() if (count > 0) == has) for has in (True, False))
    order = random.permutation(len(known))
    reached = np.cumsum([labels[known[each]] for each in order])
    taken = order[: int(np.searchsorted(reached, n)) + 1]
    besides = random.permutation(len(others))[: round(len(others) * len(taken) / len(known))]
    return frozenset(known[each] for each in taken) | frozenset(others[each] for each in besides)
