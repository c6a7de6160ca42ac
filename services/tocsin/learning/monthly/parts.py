"""The parts of a month's report. Its JSON has the same names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from tocsin.learning.parts import Evaluation
from tocsin.learning.watch.types import Look
from tocsin.model_card import ModelCard
from tocsin.report.flag import WITHDRAWN, Flag
from tocsin.review.ledger import Entry
from tocsin.review.types import State


@dataclass(frozen=True, slots=True)
class Volumes:
    """What came in, and what became of it. Of each picture the last report counts that was not withdrawn."""

    pictures: int
    patients: int
    assessed: int
    not_assessable: Mapping[str, int]
    """Reason code -> pictures."""
    bands: Mapping[str, int]
    """Band's code -> pictures; each band of the card is there."""
    flagged: int
    withdrawn: int
    """Pictures whose reports were all withdrawn, which are counted nowhere else."""
    other_versions: Mapping[str, int]
    """Other version of the model -> pictures that it judged; counted nowhere else."""
    announcements: int
    """Times that a report of the month was announced, repeats and changed statuses included."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What clinicians did with the month's reports, by the time the report was made."""

    acts: Mapping[str, int]
    """Act -> how many are in the record or on their way there; of one report each counts."""
    reports: int
    """Reports with an act at least."""


@dataclass(frozen=True, slots=True)
class MonthFound:
    """One month."""

    month: str
    """Like 2026-10, in UTC."""
    made_at: datetime
    """Aware: labels and answers are as they were known then, and alarms as they stood when the month ended."""
    oldest_flag_at: datetime | None
    """When the oldest flag was announced that the bus still held; None: it held none."""
    counted_from: datetime
    """Pictures of the month that were judged earlier are in no figure of labels: the scale or the model was another one."""
    judged_by_others: int
    """Pictures in no figure of labels, since number and band of their flag do not go together by the card and site file in use."""
    volumes: Volumes
    answers: Answers
    looks: tuple[Look, ...]
    origins_known: bool
    """Whether the record could be asked for devices and body sites."""
    evaluation: Evaluation


def volumes(announced: Iterable[Flag], card: ModelCard) -> Volumes:
    """Of the flags that were announced of a month's pictures, in their order."""
    reports, announcements = dict[str, Flag](), 0
    for flag in announced:
        announcements += 1
        reports[flag.id] = flag
    holding = _holding(reports.values())
    here = [each for each in holding if (each.model.name, each.model.version) == (card.name, card.version)]
    others = Counter(f"{each.model.name}/{each.model.version}" for each in holding)
    del others[str(card.model)]
    standing = [each for each in here if each.status not in WITHDRAWN]
    assessed = [each for each in standing if each.outcome == "assessed"]
    bands = Counter(each.band for each in assessed if each.band is not None)
    return Volumes(
        pictures=len(standing),
        patients=len({each.subject for each in standing}),
        assessed=len(assessed),
        not_assessable=dict(sorted(Counter(each.reason or "unknown" for each in standing if each.outcome != "assessed").items())),
        bands={each.code: bands.pop(each.code, 0) for each in card.operating_point.bands} | dict(sorted(bands.items())),
        flagged=sum(each.flagged for each in assessed),
        withdrawn=len(here) - len(standing),
        other_versions=dict(sorted(others.items())),
        announcements=announcements,
    )


def _holding(reports: Iterable[Flag]) -> Collection[Flag]:
    """Each picture's flag that holds: of its last report, and of one that gave way or was withdrawn only where there is no other.

    A report that gives way is announced after the one to which it does.
    """
    return {each.media: each for each in sorted(reports, key=lambda flag: flag.status not in WITHDRAWN)}.values()


def answers(entries: Iterable[Entry], reports: frozenset[str]) -> Answers:
    """Of the acts on these reports."""
    counted = [each.verdict for each in entries if each.verdict.report in reports and each.state in (State.RECORDED, State.WAITING)]
    return Answers(dict(sorted(Counter(str(each.act.value) for each in counted).items())), len({each.report for each in counted}))


def oldest(flags: Iterable[Flag]) -> datetime | None:
    """When the oldest of these was announced; an old report whose flag is told again says nothing of the time in which it was issued."""
    return min((each.announced_at for each in flags), default=None)
