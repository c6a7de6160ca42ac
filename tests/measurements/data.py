"""Labelled pictures for evaluation. They are licensed for that alone and lie beside the checkout, never in it."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

VARIABLE: Final = "TOCSIN_TEST_DATA"
SEXES: Final = ("female", "male", "unknown")
LOCATIONS: Final = ("arm", "head-or-neck", "leg-or-genital", "trunk", "unknown")
AGE_MAX, AGE_WHEN_MISSING = 90, 51.90180033732224

LOCATION_OF_SITE: Final[Mapping[str, str]] = {
    "": "unknown",
    "foot": "leg-or-genital",
    "genital": "leg-or-genital",
    "hand": "arm",
    "head_neck_face": "head-or-neck",
    "lower_extremity": "leg-or-genital",
    "trunk": "trunk",
    "upper_extremity": "arm",
}
"""MILK10k's body sites in the model's words; that hands are arms and feet are legs is our reading."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the model is told of the patient; None and "unknown" where nothing is."""

    sex: str = "unknown"
    location: str = "unknown"
    age: float | None = None

    def vector(self) -> Floats:
        """float32 [10] in the order of the model's contract."""
        sex = [float(self.sex == word) for word in SEXES]
        location = [float(self.location == word) for word in LOCATIONS]
        age = AGE_WHEN_MISSING if self.age is None else self.age
        return np.array([*sex, *location, age / AGE_MAX, self.age is None], dtype=np.float32)


UNKNOWN: Final = Facts()


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled picture."""

    path: Path
    dx: str
    malignant: bool
    facts: Facts
    site: str
    skin_tone: str
    """0 very dark .. 5 very light; not Fitzpatrick. Empty where not stated."""
    lesion: str = ""
    """Which pictures are of one lesion. Empty where not stated."""


def root() -> Path | None:
    """The folder of the data: $TOCSIN_TEST_DATA, or `../shared/data` beside the checkout; None where there is none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get(VARIABLE, beside))
    return folder if folder.is_dir() else None


def examples(name: str, limit: int | None = None) -> list[Example]:
    """The labelled pictures of one folder (`dermoscopy`, `dermoscopy_site`, `dermoscopy_dark`, `close_up`), the first `limit` of them."""
    data = root()
    if data is None:
        raise SystemExit(f"the evaluation pictures are not here: set {VARIABLE} to their folder")
    folder = data / name
    with (folder / "labels.csv").open(newline="") as lines:
        return [_example(folder, row) for row in csv.DictReader(lines)][:limit]


def _example(folder: Path, row: Mapping[str, str]) -> Example:
    age, site = row.get("age", ""), row.get("site", "")
    facts = Facts(row.get("sex") or "unknown", LOCATION_OF_SITE[site], float(age) if age else None)
    return Example(
        folder / row["file"], row["dx"], row["malignant"] == "1", facts, site, row.get("skin_tone", ""), row.get("lesion_id", "")
    )
