"""An evaluation as files for people and programs: HTML that prints, PDF/A-2b and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tocsin.image.printed import Photograph
from tocsin.learning.parts import Evaluation


class Written(NamedTuple):
    """Where the files of a report are."""

    html: Path
    pdf: Path
    json: Path


@dataclass(frozen=True, slots=True)
class Missed:
    """A malignant picture that was not flagged, to be shown to whoever may see it."""

    picture: str
    """Its name in the file of scores."""
    score: float
    photograph: Photograph


def written(evaluation: Evaluation, folder: Path, *, missed: Sequence[Missed] = ()) -> Written:
    """Write `report.html`, `report.pdf` and `evaluation.json` into the folder, which is made where it is missing.

    Patients' pictures get into the HTML only where `missed` names them, and then it warns of them; into the others never.
    Raises ConfigurationError where they cannot be written.
    """
    raise NotImplementedError
