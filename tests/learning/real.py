"""Real scores for trials: files that `scored` wrote of the evaluation pictures, outside the checkout, since neither may enter it."""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tocsin.learning.types import Bools, Floats, Ints

from tests.measurements.data import examples, root
from tests.measurements.model import PRODUCT, Network, reference_wheel, scores

FOLDERS = ("dermoscopy_site", "dermoscopy")


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder's scores."""

    name: str
    scores: Floats
    malignant: Bools
    lesions: Ints

    def split(self, seed: int, labels: int) -> tuple[Bools, Bools]:
        """Masks of about `labels` pictures to calibrate on, whole lesions, and of the rest."""
        order = np.random.default_rng(seed).permutation(np.unique(self.lesions))
        sizes = np.cumsum(np.bincount(self.lesions)[order])
        mine = np.isin(self.lesions, order[: int(np.searchsorted(sizes, labels)) + 1])
        return mine, ~mine


def folder(where: Path, name: str) -> Folder | None:
    """What `scored` wrote; None where it did not."""
    path = where / f"scores_{name}.npz"
    if not path.is_file():
        return None
    with np.load(path) as held:
        lesions = np.unique(held["lesion"], return_inverse=True)[1]
        return Folder(name, held["scores"].astype(np.float64), held["malignant"], lesions)


def scored(where: Path, name: str) -> None:
    """Runs the reference model over a folder's pictures, patient facts given, and writes their scores."""
    data = root()
    labelled = examples(name)
    assert data is not None
    with (data / name / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    lesions: npt.NDArray[np.str_] = np.array([row.get("lesion_id") or row["file"] for row in rows])
    found = scores(Network(reference_wheel(), PRODUCT), labelled, told=True)
    malignant = np.array([example.malignant for example in labelled])
    np.savez(where / f"scores_{name}.npz", scores=found, malignant=malignant, lesion=lesions)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What every trial takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, help="folder of the real scores, as `python -m tests.learning.real FOLDER` writes them")
    return parser


def main() -> None:
    """Scores the evaluation pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("where", type=Path)
    where = parser.parse_args().where
    for name in FOLDERS:
        scored(where, name)


if __name__ == "__main__":
    main()
