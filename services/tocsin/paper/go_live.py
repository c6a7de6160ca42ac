"""An evaluation as files for people and programs: HTML that prints, PDF/A-2b and JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tocsin.errors import ConfigurationError
from tocsin.image.printed import Photograph
from tocsin.learning.parts import Evaluation
from tocsin.learning.report.as_json import as_json
from tocsin.learning.report.compose import composed
from tocsin.learning.report.page import Shown, html
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import GoLive
from tocsin.paper.go_live_pdf import to_pdf
from tocsin.whole_file import together

HTML: Final = "report.html"
PDF: Final = "report.pdf"
JSON: Final = "evaluation.json"


class Written(NamedTuple):
    """Where the files of a report are."""

    html: Path
    pdf: Path
    json: Path
    json_sha256: str
    """Of the JSON, by which a site file names the evaluation that carried it."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A malignant picture that was not flagged, to be shown to whoever may see it."""

    picture: str
    """Its name in the file of scores."""
    score: float
    photograph: Photograph


def written(evaluation: Evaluation, folder: Path, language: str, *, missed: Sequence[Missed] = ()) -> Written:
    """Write `report.html`, `report.pdf` and `evaluation.json` into the folder, which is made where it is missing.

    Pages are in that language, one of the catalogue's; the JSON has codes and numbers, and is the same in each.
    Patients' pictures get into the HTML only where `missed` names them, and then it warns of them; into the others never.
    They are written aside and get their names at the end, so that none is of another evaluation than the others. Raises
    ConfigurationError where they cannot be written.
    """
    speech = Speech.of(language)
    page, paper = pages(composed(evaluation, speech), speech, missed)
    content = as_json(evaluation)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        together({folder / HTML: page, folder / PDF: paper, folder / JSON: content}, 0o666)
    except OSError as error:
        raise ConfigurationError(f"the report cannot be written to {folder} ({error.strerror}): choose another folder") from None
    return Written(folder / HTML, folder / PDF, folder / JSON, hashlib.sha256(content).hexdigest())


def pages(report: GoLive, speech: Speech, missed: Sequence[Missed] = ()) -> tuple[bytes, bytes]:
    """The report as HTML in UTF-8, with the patients' pictures that `missed` names, and as PDF, which has none."""
    return html(report, [_shown(each, speech) for each in missed]).encode(), to_pdf(report)


def _shown(missed: Missed, speech: Speech) -> Shown:
    photograph = missed.photograph
    said = speech.say("{picture}, score {score}", picture=missed.picture, score=speech.threshold(round(missed.score, 4)))
    return Shown(photograph.jpeg, photograph.width_px, photograph.height_px, said)
