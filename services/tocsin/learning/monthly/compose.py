"""A month -> its report: what came in, how the alarms stood and what labels say so far, beside what cannot be shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tocsin.learning.monthly import sentences
from tocsin.learning.monthly.month import Month
from tocsin.learning.monthly.names import ACTS, SIGNALS, STATES, group_name, names_of
from tocsin.learning.monthly.parts import MonthFound
from tocsin.learning.report import compose
from tocsin.learning.report import headings as heading
from tocsin.learning.report.as_json import dumped, plain
from tocsin.learning.report.names import refusal_name
from tocsin.learning.report.sentences import sensitivity
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import Block, Facts, GoLive, Lines, Number, Paragraph, Section, Table
from tocsin.learning.watch.types import Look
from tocsin.model_card import ModelCard

VERSION: Final = 1
LEFT_OUT: Final = frozenset({heading.OPEN, heading.CHECKLIST, heading.FLOW})
"""Sections of an evaluation that say the same as this report's own, or that a validation alone answers."""


def composed(found: MonthFound, card: ModelCard, speech: Speech) -> GoLive:
    """The report of a month, in one language; the card says what its bands and classes are called."""
    about, say, month = found.evaluation.about, speech.say, Month.of(found.month)
    where = f" {say('at {site}', site=about.site)}" if about.site else ""
    return GoLive(
        language=speech.language,
        title=say("Monitoring of {model}{where}: {month}", model=about.model, where=where, month=speech.catalogue.month(month.start)),
        subtitle=say("{title}. Made on {day}; days are in UTC.", title=about.title, day=speech.day(found.made_at.date())),
        verdict=say(sentences.VERDICT),
        shown=False,
        answer=(
            sentences.came_in(found, speech),
            sentences.alarms(found, speech),
            sentences.labels(found, speech),
            sensitivity(found.evaluation, speech),
        ),
        numbers=tuple(_numbers(found, speech)),
        sections=(*_own(found, names_of(card, speech), speech), *_of_labels(found, speech)),
        made_at=found.made_at,
        key=f"{found.month} {compose.key(found.evaluation)}",
    )


def as_json(found: MonthFound) -> bytes:
    """The month as UTF-8; equal months are equal bytes."""
    return dumped({"tocsin_month": VERSION} | plain(found))


def _own(found: MonthFound, names: Mapping[str, str], speech: Speech) -> Iterator[Section]:
    """The parts that an evaluation does not have."""
    say = speech.say
    yield Section(say("What cannot be shown"), (Lines(tuple(sentences.cannot_be_shown(found, speech))),))
    yield Section(say("What came in"), tuple(_volumes(found, names, speech)))
    yield Section(say("How alarms stood"), tuple(_looks(found, names, speech)))
    yield Section(say("Answers of clinicians"), tuple(_answers(found, speech)))
    yield Section(say("Labels so far"), (_so_far(found, speech),))


def _of_labels(found: MonthFound, speech: Speech) -> Iterator[Section]:
    """The parts that are made as those of an evaluation."""
    for name, blocks in compose.parts(found.evaluation, speech):
        if name not in LEFT_OUT:
            said = speech.say(name)
            yield Section(said if name == heading.METHODS else speech.say("{heading} (labels so far)", heading=said), blocks)


def _numbers(found: MonthFound, speech: Speech) -> Iterator[Number]:
    volumes, say, count = found.volumes, speech.say, speech.count
    assessed, judged, refused = volumes.assessed, volumes.pictures, sum(volumes.not_assessable.values())
    yield Number(say("Pictures judged"), count(judged), sentences.patients(found, speech))
    of_assessed = say("none assessed")
    if assessed:
        of_assessed = say("{share} of {number} assessed", share=speech.percent(volumes.flagged / assessed), number=count(assessed))
    yield Number(say("Flagged"), count(volumes.flagged), of_assessed)
    of_judged = say("none judged")
    if judged:
        of_judged = say("{share} of {number} judged", share=speech.percent(refused / judged), number=count(judged))
    yield Number(say("Not assessable"), count(refused), of_judged)


def _volumes(found: MonthFound, names: Mapping[str, str], speech: Speech) -> Iterator[Block]:
    volumes, say, count = found.volumes, speech.say, speech.count
    rows = [
        (say("Judged, by the last report that was not withdrawn"), count(volumes.pictures)),
        (say("Assessed"), count(volumes.assessed)),
        *((f"— {names.get(band, band)}", count(number)) for band, number in volumes.bands.items()),
        (say("Not assessable"), count(sum(volumes.not_assessable.values()))),
        *((f"— {refusal_name(reason, speech)}", count(number)) for reason, number in volumes.not_assessable.items()),
        (say("Report withdrawn, counted nowhere else"), count(volumes.withdrawn)),
        *(
            (say("Judged last by {version}, counted nowhere else", version=version), count(number))
            for version, number in volumes.other_versions.items()
        ),
    ]
    yield Table(say("Pictures judged in the month"), ("", say("Pictures")), tuple(rows), (0.75, 0.25))
    yield Facts(((say("Announcements of these reports, repeats included"), count(volumes.announcements)),))


def _looks(found: MonthFound, names: Mapping[str, str], speech: Speech) -> Iterator[Block]:
    say = speech.say
    yield Paragraph(
        say(
            "As they stood when the month ended, by what the bus holds of that time. Each alarm's rate of false ones is stated in the "
            "settings TOCSIN_WATCH__FALSE_ALARM_DAYS and TOCSIN_WATCH__FALSE_ALARM_CHANCE. What could not be said is no all-clear."
        )
    )
    yield Table(
        say("Signals"),
        (say("Signal"), say("Of whom"), say("State"), say("Rests on"), say("In units of its limit")),
        tuple(_look(each, names, speech) for each in found.looks),
        (0.3, 0.22, 0.24, 0.1, 0.14),
    )


def _look(look: Look, names: Mapping[str, str], speech: Speech) -> tuple[str, ...]:
    figure = "" if look.figure is None else speech.decimal(look.figure)
    return speech.say(SIGNALS[look.signal]), group_name(look, names, speech), speech.say(STATES[look.state]), speech.count(look.of), figure


def _answers(found: MonthFound, speech: Speech) -> Iterator[Block]:
    say, answers = speech.say, found.answers
    yield Paragraph(sentences.answers(found, speech))
    if answers.acts:
        rows = tuple((say(ACTS[act]), speech.count(number)) for act, number in answers.acts.items())
        yield Table(say("Acts on them"), (say("Act"), say("Times")), rows, (0.75, 0.25))


def _so_far(found: MonthFound, speech: Speech) -> Paragraph:
    meaning = speech.say(
        "The sections below are made as those of `tocsin evaluate` are, of these labels alone; where only flagged lesions are biopsied, "
        "sensitivity is an upper bound."
    )
    return Paragraph(f"{sentences.labels(found, speech)} {meaning}")
