"""What reporting guidelines ask of an evaluation, by their own numbers: where this report answers it, and what a person must still write.

Topics are in our own words, shortened; the guidelines' texts hold. CLAIM 2024 (Tejani, Radiol Artif Intell 6:e240300), TRIPOD+AI (Collins,
BMJ 385:e078378), STARD-AI (Sounderajah, Nat Med 31:3283), DECIDE-AI (Vasey, BMJ 377:e070904). Items on building a model are its maker's:
TRIPOD+AI marks them D, of STARD-AI it is 15b, of CLAIM 19, 22 to 27, 31 and 32. TRIPOD+AI 13 speaks of methods that are not used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.learning.parts import Evaluation
from tocsin.learning.report import headings as heading
from tocsin.words.catalogue import to_say


@dataclass(frozen=True, slots=True)
class Item:
    """One item; `where` is empty where a person must write."""

    guideline: str
    number: str
    topic: str
    where: str


class _Asked(NamedTuple):
    topic: str
    claim: str
    tripod: str
    stard: str
    decide: str
    answered: Callable[[Evaluation], str]


def _open(_: Evaluation) -> str:
    return ""


def _always(section: str) -> Callable[[Evaluation], str]:
    return lambda _: section


def _if(section: str, holds: Callable[[Evaluation], object]) -> Callable[[Evaluation], str]:
    return lambda found: section if holds(found) else ""


ASKED: Final = (
    _Asked(to_say("Summary of design, methods, results, conclusions"), "2", "2", "2", "I", _always(heading.FIRST)),
    _Asked(to_say("Title that names design, AI, patients and outcome"), "1", "1", "1", "1", _open),
    _Asked(to_say("Medical background, and why this evaluation"), "3", "3a", "3", "", _open),
    _Asked(to_say("Intended use, users and place in care"), "3", "3b", "3", "2", _if(heading.ABOUT, lambda e: e.about.intended_use)),
    _Asked(to_say("Known health inequalities"), "", "3c", "", "", _open),
    _Asked(to_say("Aims"), "4, 6", "4", "4", "II", _open),
    _Asked(to_say("Prospective or retrospective"), "5", "", "5", "", _open),
    _Asked(to_say("Sources of data"), "7", "5a", "11", "", _if(heading.ABOUT, lambda e: e.about.source)),
    _Asked(to_say("Dates"), "", "5b", "9", "", _if(heading.ABOUT, lambda e: e.about.taken_from and e.about.taken_to)),
    _Asked(to_say("Setting and centres"), "", "6a", "9", "5", _if(heading.ABOUT, lambda e: e.about.site)),
    _Asked(to_say("Who was eligible, and how they were found"), "8", "6b", "7, 8", "3", _open),
    _Asked(to_say("Consecutive, random or convenience series"), "", "", "10", "", _if(heading.ABOUT, lambda e: e.about.how_chosen)),
    _Asked(to_say("Selection of a part of the data"), "10", "", "", "", _open),
    _Asked(to_say("De-identification"), "11", "", "", "", _open),
    _Asked(to_say("Missing data and results without a judgement"), "12", "11", "19, 20", "9", _always(heading.FLOW)),
    _Asked(to_say("How pictures are taken, devices"), "13", "", "13, 14", "", _open),
    _Asked(to_say("Preparation and quality checks of the input"), "9", "7", "14", "", _always(heading.FLOW)),
    _Asked(to_say("What the model knew besides the picture"), "", "9b, 9c", "17a", "", _open),
    _Asked(to_say("Reference standard"), "14", "8a", "16a", "", _if(heading.REFERENCE, lambda e: set(e.reference.kinds) - {"stated"})),
    _Asked(to_say("Why this reference standard"), "15", "8a", "16b", "", _open),
    _Asked(to_say("Which diagnoses count as malignant"), "", "", "16c", "", _open),
    _Asked(to_say("Who established the labels, and what they knew"), "16, 17", "8b, 8c", "12, 17b", "", _open),
    _Asked(to_say("Agreement of those who labelled"), "18", "", "", "", _open),
    _Asked(to_say("How many pictures were aimed at, and why"), "21", "10", "22", "3", _open),
    _Asked(to_say("Whether patients are others than those the model was built on"), "20", "", "", "", _open),
    _Asked(to_say("Model and version"), "", "", "15a", "4", _always(heading.ABOUT)),
    _Asked(to_say("How scores were made"), "", "12g", "15a", "4", _always(heading.ABOUT)),
    _Asked(to_say("Threshold and why"), "", "", "15c", "", _if(heading.POINT, lambda e: e.about.point_source)),
    _Asked(to_say("Measures, their uncertainty and plots"), "28, 29", "12e", "18", "IV, V", _always(heading.METHODS)),
    _Asked(to_say("Robustness: other settings, other choices"), "30", "", "", "", _open),
    _Asked(to_say("Differences between clinics or devices"), "", "12d, 23b", "21", "", _if(heading.GROUPS, lambda e: e.subgroups)),
    _Asked(to_say("Recalibration"), "", "12f, 24", "", "", _if(heading.ABOUT, lambda e: e.about.site_file)),
    _Asked(to_say("Fairness: how it was looked for"), "", "14", "23", "8", _if(heading.GROUPS, lambda e: e.subgroups)),
    _Asked(to_say("Difference from the model's own data"), "33", "16, 20c", "29", "", _open),
    _Asked(to_say("Ethics approval and consent"), "", "17", "6", "III", _open),
    _Asked(to_say("Protocol and registration"), "34, 42", "18c, 18d", "36, 37", "III", _open),
    _Asked(to_say("Patients' involvement"), "", "19", "", "VI", _open),
    _Asked(to_say("How many were read, and left out"), "35", "20a", "24", "9", _always(heading.FLOW)),
    _Asked(to_say("Characteristics of patients"), "36", "20b", "25", "9", _if(heading.GROUPS, lambda e: e.subgroups)),
    _Asked(to_say("Numbers in each analysis"), "", "21", "", "", _always(heading.REFERENCE)),
    _Asked(to_say("Whether the mix is that of the intended use"), "", "", "28", "", _open),
    _Asked(to_say("Severity of disease, other diagnoses"), "", "", "26a, 26b", "", _open),
    _Asked(to_say("Time and treatment between picture and label"), "", "6c", "27", "", _open),
    _Asked(to_say("Table of scores by label"), "", "", "30", "", _if(heading.POINT, lambda e: e.at_the_point)),
    _Asked(to_say("Performance with intervals"), "37, 38", "23a", "31", "VII", _if(heading.POINT, lambda e: e.at_the_point)),
    _Asked(to_say("Performance in groups"), "37", "23a", "21", "VIII", _if(heading.GROUPS, lambda e: e.subgroups)),
    _Asked(to_say("Analysis of failures"), "39", "", "23", "13", _open),
    _Asked(to_say("Agreement of users with the model"), "", "", "", "12", _if(heading.AGREEMENT, lambda e: e.agreement)),
    _Asked(to_say("Use in practice, and changes to the workflow"), "", "", "", "10", _open),
    _Asked(to_say("Changes to the model during the study"), "", "", "", "11", _open),
    _Asked(to_say("Human factors, expertise, learning curve"), "", "", "15d", "7, 14", _open),
    _Asked(to_say("Harm and adverse events"), "", "", "32", "6, 13, 16", _open),
    _Asked(to_say("Limitations"), "40", "26", "33", "IX", _always(heading.OPEN)),
    _Asked(to_say("What it means for practice"), "41", "25, 27c", "34, 35", "15", _open),
    _Asked(to_say("Access to software, model and data"), "43", "18e, 18f", "40a", "17", _open),
    _Asked(
        to_say("Whether the model's answers are kept for audit"), "", "", "40b", "", _if(heading.ABOUT, lambda e: e.about.scores_sha256)
    ),
    _Asked(to_say("Funding and conflicts of interest"), "44", "18a, 18b", "38, 39", "X", _open),
)
GUIDELINES: Final = ("CLAIM 2024", "TRIPOD+AI", "STARD-AI", "DECIDE-AI")


def rows(found: Evaluation) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Topic, the item's number in each guideline, and the part where it is answered; empty: a person must write it."""
    for asked in ASKED:
        yield asked.topic, asked.claim, asked.tripod, asked.stard, asked.decide, asked.answered(found)


def items(found: Evaluation) -> Iterator[Item]:
    """Each item of each guideline by itself."""
    for asked in ASKED:
        numbers = (asked.claim, asked.tripod, asked.stard, asked.decide)
        for guideline, listed in zip(GUIDELINES, numbers, strict=True):
            for number in filter(None, listed.split(", ")):
                yield Item(guideline, number, asked.topic, asked.answered(found))
