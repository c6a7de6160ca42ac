"""Misses and overrides by e-processes: alarms that hold however often is looked, overall and for each group. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.fhir.datatypes import Coding, canonical
from tocsin.learning.labels_bus import Meanings, labels
from tocsin.learning.statistics.sequential import Stream, log_evidence, mean_of, named
from tocsin.learning.watch.types import ALL, ANY, Look, Signal, State
from tocsin.model_card import ModelCard
from tocsin.report.flag import WITHDRAWN, Flag
from tocsin.report.told import ToldFlag
from tocsin.review import types as review
from tocsin.review.ledger import Entry
from tocsin.review.outcomes import SETTLED, Outcome
from tocsin.review.types import Act, Verdict
from tocsin.site.file import site_of

ANSWERS: Final = frozenset({Act.ACCEPT, Act.OVERRIDE, Act.CORRECT, Act.NOT_ASSESSABLE})
"""Acts that say whether the clinician agrees; a withdrawal speaks of the wrong patient, lesion or picture."""
OTHER: Final = "other"
"""The group of cancers that are none of the card's classes."""
UNJUDGED: Final = "not-assessable"
SITE: Final = "body-site:"
"""Stands before a group that is a region of the body."""


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to the question whether it went wrong."""

    at: datetime
    group: str
    failed: bool
    media: str = ""


@dataclass(frozen=True, slots=True)
class Misses:
    """Confirmed cancers, and how many could not be looked for among the flags."""

    cases: tuple[Case, ...]
    unknown: int
    """Cancers whose flag the bus no longer has, or that another version judged."""
    not_assessable: int
    """Cancers on pictures that could not be judged: they are no misses, and are told."""


@dataclass(frozen=True, slots=True)
class Sites:
    """The regions of the body by which cases are counted too."""

    regions: tuple[str, ...]
    of: Mapping[str, str] | None
    """Media -> its region, of the cases that were drawn; None: the record could not be asked."""

    @property
    def groups(self) -> dict[str, None]:
        """Their groups, in order."""
        return dict.fromkeys(SITE + each for each in self.regions)


def begun(now: datetime, since: Iterable[datetime | None], epoch_days: int) -> datetime:
    """Since when is counted: the latest of `since`, and a whole number of epochs later. All are aware."""
    first = max((each for each in since if each is not None), default=datetime.fromtimestamp(0, now.tzinfo))
    epoch = timedelta(days=epoch_days)
    return first + max(0, (now - first) // epoch) * epoch


def misses(outcomes: Sequence[Outcome], flags: Mapping[str, Flag], meaning: Meanings, classes: Mapping[Coding, str]) -> Misses:
    """Cancers that pathology confirmed, the first of each patient, in the order in which they were found; failed: not flagged.

    `flags`: Media -> the flag of the version that is watched; `classes`: coding -> the card's malignant class.
    """
    cancers = {each.media for each in labels(outcomes, [], [], meaning) if each.said.malignant}
    firsts: dict[str, Outcome] = {}
    for each in sorted(outcomes, key=lambda one: one.at):
        if each.status in SETTLED and each.media in cancers and _is_malignant(each, meaning):
            firsts.setdefault(each.subject, each)
    judged = [(each, flags.get(each.media)) for each in firsts.values()]
    assessed = [(each, flag) for each, flag in judged if flag is not None and flag.outcome == "assessed"]
    return Misses(
        tuple(Case(each.at, _class_of(each, classes), not flag.flagged, each.media) for each, flag in assessed),
        sum(flag is None for _, flag in judged),
        sum(flag is not None and flag.outcome != "assessed" for _, flag in judged),
    )


def overrides(entries: Iterable[Entry], flags: Mapping[str, Flag]) -> tuple[Case, ...]:
    """The last answer to each report, in the order in which they were decided; failed: the clinician disagrees. `flags`: by Media."""
    acts: dict[str, dict[str, Verdict]] = {}
    for entry in entries:
        if entry.state in (review.State.RECORDED, review.State.WAITING):
            standing = acts.setdefault(entry.verdict.report, {})
            if entry.verdict.undoes is not None:
                standing.pop(entry.verdict.undoes, None)
            else:
                standing[entry.verdict.id] = entry.verdict
    last = [max(each.values(), key=lambda act: act.decided_at) for each in acts.values() if each]
    known = [(act, flags[act.media]) for act in last if act.act in ANSWERS and act.media in flags]
    counted = ((act, flag) for act, flag in known if flag.report == act.report)
    cases = (Case(act.decided_at, flag.band or UNJUDGED, act.act is not Act.ACCEPT, act.media) for act, flag in counted)
    return tuple(sorted(cases, key=lambda case: case.at))


def latest(flags: Iterable[Flag], card: ModelCard, since: datetime) -> dict[str, Flag]:
    """Media -> its flag by the card's version from `since` (aware) on; the last announced holds, and a withdrawn one does not."""
    last = {flag.id: flag for flag in flags}
    here = (each for each in last.values() if each.model.name == card.name and each.model.version == card.version)
    return {each.media: each for each in here if judged_at(each) >= since and each.status not in WITHDRAWN}


def used_here(told: Iterable[ToldFlag], card: ModelCard) -> Iterator[Flag]:
    """The flags but those that name another site file than the one by which the card is used: after a roll-back theirs is another scale."""
    return (each.flag for each in told if not is_of_another(each, card))


def is_of_another(told: ToldFlag, card: ModelCard) -> bool:
    """Whether the flag names another site file than the one by which the card is used; one from before flags named theirs does not."""
    site = site_of(card)
    return told.site_file not in (None, None if site is None else str(site))


def judged_at(flag: Flag) -> datetime:
    """When the picture was judged, as far as the flag says; aware."""
    return flag.issued or flag.announced_at


def classes_of(card: ModelCard) -> dict[Coding, str]:
    """Coding -> code of the card's malignant class."""
    malignant = (each for each in card.output.classes if each.malignant)
    return {canonical(Coding(each.system, each.code)): known.code for known in malignant for each in known.codings}


def looks(
    signal: Signal, cases: Sequence[Case], groups: Sequence[str], limit: float, alpha: float, sites: Sites | None = None
) -> list[Look]:
    """How the signal stands overall, by each group and body site, and as the alarm that any of them is above its limit.

    `cases` in their order. A group that nothing was heard of is there all the same. Half of `alpha` goes to the whole, and the rest is
    shared evenly between the two ways to divide it, and within each between its groups: what may be named does not cost the whole much.
    Sites that could not be asked for count as no evidence, which keeps the chance; what is no alarm without them is unanswered.
    """
    of_site = {} if sites is None else sites.groups
    weights = _weights(groups, tuple(of_site))
    streams = {name: Stream(limit, "") for name in weights}
    logs, highest = dict.fromkeys(weights, 0.0), 0.0
    for case in cases:
        at = None if sites is None or sites.of is None else sites.of.get(case.media)
        for name in {ALL, case.group, *(() if at is None else (SITE + at,))} & streams.keys():
            streams[name] = streams[name].after(case.failed)
            logs[name] = streams[name].log_evidence
        highest = max(highest, mean_of(logs, weights))
    by_name, whole, asked = named(streams, alpha, weights), streams[ALL].seen, -math.log(alpha)
    unknown = frozenset(of_site) if sites is not None and sites.of is None else frozenset[str]()
    state = _state(highest >= asked, _enough(whole, limit, asked - math.log(weights[ALL])))
    found = [Look(signal, ANY, "unanswered" if unknown and state != "alarm" else state, whole, highest / asked)]
    for name, each in streams.items():
        wanted = asked - math.log(weights[name])
        if name in unknown:
            found.append(Look(signal, name, "unanswered", 0))
        else:
            state = _state(name in by_name, _enough(each.seen, limit, wanted))
            found.append(Look(signal, name, state, each.seen, max(0.0, each.highest) / wanted))
    return found


def _weights(groups: Sequence[str], sites: Sequence[str]) -> dict[str, float]:
    """Which share of the chance each stream has; they sum up to 1."""
    ways = [way for way in (tuple(dict.fromkeys(groups)), sites) if way]
    return {ALL: 0.5 if ways else 1.0} | {name: 0.5 / len(ways) / len(way) for way in ways for name in way}


def _state(alarms: bool, enough: bool) -> State:
    return "alarm" if alarms else "quiet" if enough else "too-few"


def _enough(seen: int, limit: float, wanted: float) -> bool:
    """Whether it could have been an alarm: were all of them failures, it would be one."""
    return log_evidence(seen, seen, limit) >= wanted


def _is_malignant(outcome: Outcome, meaning: Meanings) -> bool:
    return any(meaning.findings.get(canonical(Coding(each.system, each.code))) for each in outcome.findings)


def _class_of(outcome: Outcome, classes: Mapping[Coding, str]) -> str:
    found = (classes.get(canonical(Coding(each.system, each.code))) for each in outcome.findings)
    return next((each for each in found if each is not None), OTHER)
