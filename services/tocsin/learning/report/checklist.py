"""What reporting guidelines ask of an evaluation, by their own numbers: where this report answers it, and what a person must still write.

Topics are in our own words, shortened; the guidelines' texts hold. CLAIM 2024 (Tejani, Radiol Artif Intell 6:e240300), TRIPOD+AI (Collins,
BMJ 385:e078378), STARD-AI (Sounderajah, Nat Med 2025), DECIDE-AI (Vasey, Nat Med 28:924). Items on building a model are its maker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.learning.parts import Evaluation


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
    _Asked("Summary of design, methods, results, conclusions", "2", "2", "2", "I", _always("First page")),
    _Asked("Intended use, users and place in care", "3", "3b", "3", "2", _if("What was evaluated", lambda e: e.about.intended_use)),
    _Asked("Known health inequalities", "", "3c", "", "", _open),
    _Asked("Aims", "4", "4", "4", "II", _open),
    _Asked("Prospective or retrospective", "5", "", "5", "", _open),
    _Asked("Sources of data", "7", "5a", "11", "", _if("What was evaluated", lambda e: e.about.source)),
    _Asked("Dates", "", "5b", "9", "", _if("What was evaluated", lambda e: e.about.taken_from and e.about.taken_to)),
    _Asked("Setting and centres", "", "6a", "9", "5", _if("What was evaluated", lambda e: e.about.site)),
    _Asked("Who was eligible", "8", "6b", "7", "3", _open),
    _Asked("Consecutive, random or convenience series", "10", "", "10", "", _if("What was evaluated", lambda e: e.about.how_chosen)),
    _Asked("De-identification", "11", "", "", "", _open),
    _Asked("Missing data and results without a judgement", "12", "11", "19, 20", "9", _always("What became of the pictures")),
    _Asked("How pictures are taken, devices", "13", "", "13, 14", "", _open),
    _Asked("Quality checks of the input", "9", "7, 27a", "14", "", _always("What became of the pictures")),
    _Asked("Reference standard", "14", "8a", "16a", "", _if("Reference standard", lambda e: set(e.reference.kinds) - {"stated"})),
    _Asked("Why this reference standard", "15", "", "16b", "", _open),
    _Asked("Who established the labels, and what they knew", "16, 17", "8b, 8c", "12, 17b", "", _open),
    _Asked("Agreement of those who labelled", "18", "", "", "", _open),
    _Asked("How many pictures were aimed at, and why", "21", "10", "22", "3", _open),
    _Asked("Model and version", "22", "12c, 22", "15a", "4", _always("What was evaluated")),
    _Asked("How scores were made", "23", "12g", "15a", "4", _always("What was evaluated")),
    _Asked("Threshold and why", "", "15", "15c", "", _if("At the operating point", lambda e: e.about.point_source)),
    _Asked("Measures, their uncertainty and plots", "28, 29", "12e", "18", "IV", _always("How it was computed")),
    _Asked("Repeats of a patient", "20", "12d", "", "", _always("How it was computed")),
    _Asked("Recalibration", "", "12f, 24", "", "", _if("What was evaluated", lambda e: e.about.site_file)),
    _Asked("Fairness: how it was looked for", "", "14", "23", "8", _if("Groups", lambda e: e.subgroups)),
    _Asked("Difference from the model's own data", "33", "16, 20c", "29", "", _open),
    _Asked("Ethics approval and consent", "", "17", "6", "III", _open),
    _Asked("Protocol and registration", "34, 42", "18c, 18d", "36, 37", "III", _open),
    _Asked("Patients' involvement", "", "19", "", "VI", _open),
    _Asked("How many were read, and left out", "35", "20a", "24", "9", _always("What became of the pictures")),
    _Asked("Characteristics of patients", "36", "20b", "25", "9", _if("Groups", lambda e: e.subgroups)),
    _Asked("Numbers in each analysis", "", "21", "", "", _always("Reference standard")),
    _Asked("Whether the mix is that of the intended use", "", "", "28", "", _open),
    _Asked("Severity of disease, other diagnoses", "", "", "26a, 26b", "", _open),
    _Asked("Time and treatment between picture and label", "", "6c", "27", "", _open),
    _Asked("Table of scores by label", "", "", "30", "", _if("At the operating point", lambda e: e.at_the_point)),
    _Asked("Performance with intervals", "37, 38", "23a", "31", "VII", _if("At the operating point", lambda e: e.at_the_point)),
    _Asked("Performance in groups", "", "23a", "21", "VIII", _if("Groups", lambda e: e.subgroups)),
    _Asked("Analysis of failures", "39", "", "23", "13", _open),
    _Asked("Agreement of users with the model", "", "", "", "12", _if("Agreement with clinicians", lambda e: e.agreement)),
    _Asked("Human factors, learning curve", "", "27b", "15d", "7, 14", _open),
    _Asked("Harm and adverse events", "", "", "32", "6, 16", _open),
    _Asked("Limitations", "40", "26", "33", "IX", _always("What could not be shown yet")),
    _Asked("What it means for practice", "41", "25, 27c", "34, 35", "15", _open),
    _Asked("Access to software, model and data", "43", "18e, 18f", "40a", "17", _open),
    _Asked("Funding and conflicts of interest", "44", "18a, 18b", "38, 39", "X", _open),
)
GUIDELINES: Final = ("CLAIM 2024", "TRIPOD+AI", "STARD-AI", "DECIDE-AI")


def rows(found: Evaluation) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Topic, the item's number in each guideline, and where it is answered; empty: a person must write it."""
    for asked in ASKED:
        yield asked.topic, asked.claim, asked.tripod, asked.stard, asked.decide, asked.answered(found)


def items(found: Evaluation) -> Iterator[Item]:
    """Each item of each guideline by itself."""
    for asked in ASKED:
        numbers = (asked.claim, asked.tripod, asked.stard, asked.decide)
        for guideline, listed in zip(GUIDELINES, numbers, strict=True):
            for number in filter(None, listed.split(", ")):
                yield Item(guideline, number, asked.topic, asked.answered(found))
