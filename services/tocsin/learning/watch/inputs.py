"""What comes in against the pictures of the last evaluation: scores and reasons by PSI, their means by CUSUM. Pure.

A window that slides makes no more false alarms than are stated: a sum that begins later is never above one that began before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np

from tocsin.learning.statistics.drift import Cusum, cusum_limit, psi, psi_limit
from tocsin.learning.types import Floats, Ints, Scored
from tocsin.learning.watch.origins import Columns, Mix
from tocsin.learning.watch.types import ALL, Look, Signal

BINS: Final = 10
ASSESSED: Final = ""
"""Stands among the reasons for a picture that was assessed."""
BASELINE_MIN: Final = 100
"""Fewer assessable pictures are no baseline: their own chance would be taken for the pictures' nature."""
RUN_MIN: Final = 3.0
"""Batches; see `cusum_limit`."""
SLACK: Final = 0.5
"""Of the sums, in standard errors of a day's mean: half the shift that is looked for."""
UNSURE: Final = 2.0
"""Standard errors by which the baseline's own mean may be off without making false alarms more frequent than stated."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture that was judged."""

    day: date
    """In UTC."""
    score: float | None
    """As it is reported; None where the picture is not assessable, or the number is on another scale than those of the baseline."""
    reason: str = ASSESSED


@dataclass(frozen=True, slots=True)
class Baseline:
    """The pictures of an evaluation, as far as they are compared with."""

    edges: Floats
    """Between the bins, of which each holds as many scores as the others where scores differ."""
    scores: Ints
    """How many in each bin."""
    mean: float
    deviation: float
    reasons: Mapping[str, int]
    """Why not assessable, ASSESSED included -> how many."""
    mixes: Mapping[Signal, Mix] = field(default_factory=dict)
    """Of devices and body sites, where the evaluation tells them in the record's words."""

    @property
    def not_assessable(self) -> float:
        """Their share, half a picture more, so that it is neither 0 nor 1."""
        pictures, assessed = sum(self.reasons.values()), self.reasons.get(ASSESSED, 0)
        return (pictures - assessed + 0.5) / (pictures + 1)


@dataclass(frozen=True, slots=True)
class Rules:
    """How is compared."""

    window_days: int
    histogram_days: int
    batch_min: int
    """Pictures below which a day says nothing."""
    false_alarm_days: float
    """Between two false alarms of one signal, on average."""


def baseline_of(
    rows: Iterable[Scored], here: Callable[[float], float], reasons: Collection[str], regions: Sequence[str] = ()
) -> Baseline | None:
    """The baseline of a file of scores; None where it holds fewer assessable pictures than BASELINE_MIN, or all with one score.

    `here`: the model's own score -> the number that is reported. What was refused for another reason than `reasons` never got a report, and
    is left out. `regions`: the card's regions of the body.
    """
    found, refused, columns = [], Counter[str](), Columns()
    for row in rows:
        if row.score is not None:
            found.append(here(row.score))
        elif row.refusal in reasons:
            refused[row.refusal or ASSESSED] += 1
        else:
            continue
        columns.take(row)
    scores = np.asarray(found, dtype=np.float64)
    if len(scores) < BASELINE_MIN or not float(np.ptp(scores)) > 0:
        return None
    edges = np.unique(np.quantile(scores, np.arange(1, BINS) / BINS))
    counted = {ASSESSED: len(scores), **refused}
    return Baseline(edges, _binned(scores, edges), float(scores.mean()), float(scores.std()), counted, columns.mixes(regions))


def looks(judged: Sequence[Judged], baseline: Baseline, rules: Rules, today: date) -> list[Look]:
    """How the four signals stand by the whole days before `today`, in UTC."""
    first = today - timedelta(days=rules.window_days)
    days: dict[date, list[Judged]] = {}
    for each in judged:
        if first <= each.day < today:
            days.setdefault(each.day, []).append(each)
    scored = {day: [each.score for each in those if each.score is not None] for day, those in days.items()}
    rate = baseline.not_assessable
    assessed = {day: [float(each.reason != ASSESSED) for each in those] for day, those in days.items()}
    return [
        *_histograms([each for day in whole_days(rules, today) for each in days.get(day, ())], baseline, rules),
        _means("score-mean", scored, (baseline.mean, baseline.deviation), int(baseline.scores.sum()), rules),
        _means("not-assessable", assessed, (rate, math.sqrt(rate * (1 - rate))), sum(baseline.reasons.values()), rules),
    ]


def whole_days(rules: Rules, today: date) -> list[date]:
    """The days of the last histogram that is over; each begins where the one before ended, whenever is looked."""
    end = today.toordinal() // rules.histogram_days * rules.histogram_days
    return [date.fromordinal(day) for day in range(end - rules.histogram_days, end)]


def _histograms(judged: Sequence[Judged], baseline: Baseline, rules: Rules) -> list[Look]:
    scores = np.asarray([each.score for each in judged if each.score is not None], dtype=np.float64)
    said = Counter(each.reason for each in judged)
    names = sorted({*baseline.reasons, *said, ASSESSED})
    before, now = ([counts.get(name, 0) for name in names] for counts in (baseline.reasons, said))
    return [
        compared("score-histogram", baseline.scores, _binned(scores, baseline.edges), rules),
        compared("reasons", np.asarray(before), np.asarray(now), rules),
    ]


def compared(signal: Signal, before: Ints, now: Ints, rules: Rules) -> Look:
    """How two histograms stand that are looked at once in so many days."""
    of = int(now.sum())
    if of < rules.batch_min:
        return Look(signal, ALL, "too-few", of)
    if len(now) < 2:  # every picture was assessed, then and now
        return Look(signal, ALL, "quiet", of, 0.0)
    figure = psi(before, now) / psi_limit(before, of, rules.histogram_days / rules.false_alarm_days)
    return Look(signal, ALL, "alarm" if figure > 1 else "quiet", of, figure)


def _means(signal: Signal, days: Mapping[date, Sequence[float]], usual: tuple[float, float], pictures: int, rules: Rules) -> Look:
    """By the sum as it stands after the last day; a day of few pictures is none.

    What the baseline's mean may be off would add up day by day: so much more slack, at a limit that does without, takes it up.
    """
    batches = [days[day] for day in sorted(days) if len(days[day]) >= rules.batch_min]
    of = sum(map(len, batches))
    if not batches:
        return Look(signal, ALL, "too-few", of)
    run = max(RUN_MIN, rules.false_alarm_days * len(batches) / rules.window_days)
    unsure = UNSURE * math.sqrt(of / len(batches) / pictures)
    cusum = Cusum(*usual, limit=cusum_limit(run, SLACK), slack=SLACK + unsure)
    for batch in batches:
        cusum = cusum.after(float(np.mean(batch)), len(batch))
    return Look(signal, ALL, "alarm" if cusum.alarms else "quiet", of, max(cusum.up, cusum.down) / cusum.limit)


def _binned(scores: Floats, edges: Floats) -> Ints:
    counts: Ints = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1).astype(np.int64)
    return counts
