"""Evaluations of simulated sites whose truth is known."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import astuple, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import numpy as np
from tocsin.learning.evaluation import evaluated
from tocsin.learning.parts import About, Evaluation, Flow, Point
from tocsin.learning.report.compose import figures_of
from tocsin.learning.report.figures import Figure, Line
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import Facts, GoLive, Lines, Paragraph, Table
from tocsin.learning.types import Cases
from tocsin.words.catalogue import LANGUAGES

ABOUT = About(
    model="lesions/3",
    title="Dermoscopy of single lesions",
    manufacturer="A maker",
    intended_use="Flags dermoscopy pictures for a reader; it decides nothing.",
    card_sha256="a" * 64,
    modality="DMS",
    source="folder",
    made_at=datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
    calibrated=True,
    site="North clinic",
    scores_sha256="b" * 64,
    taken_from=date(2026, 1, 5),
    taken_to=date(2026, 6, 30),
    how_chosen="consecutive patients whose lesion was excised",
    skin_tone_source="a dermatologist, Monk scale",
    point_source="the card",
)
POINT = Point(0.1)
ENGLISH, GERMAN = (Speech.of(language) for language in LANGUAGES)
HIGH, LOW = 0.6, 0.02
"""A score above the operating point, and one below."""


def columns(malignant: int, missed: int, benign: int, flagged: int, **groups: list[str]) -> Cases:
    """So many malignant pictures of which so many are missed, then so many benign ones of which so many are flagged."""
    scores = [LOW] * missed + [HIGH] * (malignant - missed) + [HIGH] * flagged + [LOW] * (benign - flagged)
    n = malignant + benign
    named = {name: np.array(values) for name, values in groups.items()}
    return Cases(np.array(scores), np.arange(n) < malignant, np.arange(n), np.ones(n), named)


def evaluation(cases: Cases, *, point: Point = POINT, agreement: Cases | None = None, about: About = ABOUT, **flow: Any) -> Evaluation:
    """Of these cases; what is not said of the flow is that all were read, assessable and labelled by pathology."""
    known: dict[str, Any] = {
        "pictures": len(cases),
        "kinds": {"pathology": len(cases)},
        "labelled_from": date(2026, 2, 1),
        "labelled_to": date(2026, 9, 1),
    }
    return evaluated(cases, Flow(**(known | flow)), about, point, agreement=agreement)


def simulated(n: int = 1200, seed: int = 7, *, prevalence: float = 0.3, overconfident: float = 1.0) -> Cases:
    """A site where a score is the true chance of cancer (`overconfident` 1), or its log-odds times that.

    Patients have one to some pictures.

    Tone 1 is rare.
    """
    random = np.random.default_rng(seed)
    spread = 2.2
    base = np.log(prevalence / (1 - prevalence)) - 0.6
    odds = random.normal(base, spread, n)
    device = np.where(random.random(n) < 0.3, "B", "A")
    malignant = random.random(n) < 1 / (1 + np.exp(-odds))
    scores = 1 / (1 + np.exp(-overconfident * odds))
    groups = {
        "age_band": random.choice(np.array(["under 40", "40 to 59", "60 and over"]), n, p=[0.15, 0.35, 0.5]),
        "sex": random.choice(np.array(["female", "male"]), n),
        "site": random.choice(np.array(["arm", "head-or-neck", "leg-or-genital", "trunk", ""]), n, p=[0.2, 0.25, 0.2, 0.3, 0.05]),
        "skin_tone": random.choice(np.array(["1", "2", "3", "4", "5"]), n, p=[0.02, 0.08, 0.3, 0.4, 0.2]),
        "device": device,
    }
    return Cases(scores, malignant, np.sort(random.integers(0, int(n / 1.6), n)), np.ones(n), groups)


@cache
def evaluations() -> dict[str, Evaluation]:
    """One of each kind: all there is to say, nothing shown, no probabilities, and not one label."""
    cases = simulated(600)
    verdicts = Cases(np.array([HIGH] * 45 + [LOW] * 55), np.array([True] * 50 + [False] * 50), np.arange(100), np.ones(100))
    refused = {"image-truncated": 12, "not-an-image": 10}
    tones = ["1"] * 20 + ["3"] * 380
    nothing = Cases(np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64), np.zeros(0))
    return {
        "whole": evaluation(
            cases, point=Point(0.02), agreement=verdicts, pictures=742, unlabelled=np.full(20, HIGH), not_assessable=refused
        ),
        "shown": evaluation(columns(100, 0, 300, 60, skin_tone=tones)),
        "scores": evaluation(cases, about=replace(ABOUT, calibrated=False, site="", how_chosen="", taken_from=None, point_source="")),
        "nothing": evaluation(nothing, pictures=3, not_assessable={"not-an-image": 3}, kinds={}),
    }


def said_in(report: GoLive) -> list[str]:
    """Every sentence, name and number of a report, besides what stands inside plots."""
    found = [report.title, report.subtitle, report.verdict, *report.answer, *(part for each in report.numbers for part in astuple(each))]
    for section in report.sections:
        found.append(section.heading)
        for block in section.blocks:
            match block:
                case Paragraph(text):
                    found.append(text)
                case Lines(items):
                    found += items
                case Facts(rows):
                    found += [cell for row in rows for cell in row]
                case Table():
                    found += [block.caption, *block.heading, *(cell for row in block.rows for cell in row)]
                case Figure():
                    found += [f"{block.title}.", block.caption]
    return found


def plain(text: str) -> str:
    """The text with spaces alone."""
    return text.replace("\u00a0", " ")


def texts_of(report: GoLive) -> list[str]:
    """Everything that a report says, inside plots and instead of them, too."""
    inside = [
        text
        for figure in figures_of(report)
        for text in (
            figure.instead,
            figure.x.title,
            figure.y.title,
            *(word for _, word in (*figure.x.ticks, *figure.y.ticks)),
            *(mark.label for mark in figure.marks if isinstance(mark, Line)),
            *(word for word, _ in figure.keys),
        )
    ]
    return [plain(each) for each in (*said_in(report), *inside)]


def numbers(text: str, groups: str, point: str) -> Counter[str]:
    """The numbers of a text, each as a program writes it."""
    pattern = rf"\d+(?:{re.escape(groups)}\d{{3}})*(?:{re.escape(point)}\d+)?"
    return Counter(each.replace(groups, "").replace(point, ".") for each in re.findall(pattern, text))


def at(evaluation_of: Evaluation, **changed: Any) -> Evaluation:
    """The evaluation, other in what it is about."""
    return replace(evaluation_of, about=replace(evaluation_of.about, **changed))
