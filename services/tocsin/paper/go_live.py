"""An evaluation as files for people and programs: HTML that prints, PDF/A-2b and JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tocsin.errors import ConfigurationError, TocsinError
from tocsin.image.printed import Photograph, for_print
from tocsin.learning.parts import Evaluation
from tocsin.learning.report.as_json import as_json
from tocsin.learning.report.compose import composed
from tocsin.learning.report.page import Shown, html
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import GoLive
from tocsin.learning.types import Scored
from tocsin.paper.go_live_pdf import to_pdf

HTML: Final = "report.html"
PDF: Final = "report.pdf"
JSON: Final = "evaluation.json"
MISSED_MAX: Final = 60
"""So many pictures a report shows at most."""
MISSED_PX: Final = 320
"""Their longer side."""
PIXELS_MAX: Final = 100_000_000


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
    Raises ConfigurationError where they cannot be written.
    """
    speech = Speech.of(language)
    page, paper = pages(composed(evaluation, speech), speech, missed)
    content = as_json(evaluation)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JSON).write_bytes(content)
        (folder / HTML).write_bytes(page)
        (folder / PDF).write_bytes(paper)
    except OSError as error:
        raise ConfigurationError(f"the report cannot be written to {folder} ({error.strerror}): choose another folder") from None
    return Written(folder / HTML, folder / PDF, folder / JSON, hashlib.sha256(content).hexdigest())


def pages(report: GoLive, speech: Speech, missed: Sequence[Missed] = ()) -> tuple[bytes, bytes]:
    """The report as HTML in UTF-8, with the patients' pictures that `missed` names, and as PDF, which has none."""
    return html(report, [_shown(each, speech) for each in missed]).encode(), to_pdf(report)


def missed_in(rows: Iterable[Scored], threshold_of_flags: float, folder: Path, *, at_most: int = MISSED_MAX) -> Iterator[Missed]:
    """The malignant pictures of these rows that were not flagged, lowest score first, read from the folder and made small.

    Verdicts are no truth, and left out. A picture that is not there, or cannot be read any more, is left out as well.
    """
    low = ((row.score, row.picture) for row in rows if row.malignant and row.label_kind != "verdict" and row.score is not None)
    for score, name in sorted(each for each in low if each[0] < threshold_of_flags)[:at_most]:
        photograph = _photograph(folder, name)
        if photograph is not None:
            yield Missed(name, score, photograph)


def _photograph(folder: Path, name: str) -> Photograph | None:
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        return None
    with suppress(OSError, TocsinError):
        return for_print(file.read_bytes(), side_px_max=MISSED_PX, pixels_max=PIXELS_MAX, reference=name)
    return None


def _shown(missed: Missed, speech: Speech) -> Shown:
    photograph = missed.photograph
    said = speech.say("{picture}, score {score}", picture=missed.picture, score=speech.threshold(round(missed.score, 4)))
    return Shown(photograph.jpeg, photograph.width_px, photograph.height_px, said)
