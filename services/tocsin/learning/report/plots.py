"""The plots of an evaluation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Final

from tocsin.learning.parts import Benefit, Evaluation, Histogram, Subgroup
from tocsin.learning.report.figures import Axis, Bar, Dot, Figure, Line, Mark
from tocsin.learning.report.names import column_name, value_name
from tocsin.learning.report.speech import Speech
from tocsin.learning.types import Interval

SHARES: Final = tuple((step / 5, f"{20 * step}") for step in range(6))
HISTOGRAM_SHARE: Final = 0.16
"""Height of the scores' histogram below a calibration curve, in parts of the plot's."""
GROUPS_MAX: Final = 30
"""So many groups a plot holds; the table has them all."""
ROW: Final = 0.042
"""Height of a group's row, in parts of the plot's width."""

NAME_MAX: Final = 50
"""Characters of a group's name in a plot; of a longer one the table has the rest."""
CHARACTER: Final = 7.0 / 640
"""Width of a character of a group's name with some to spare, in parts of the plot's width."""


def roc(found: Evaluation, speech: Speech) -> Figure | None:
    """Sensitivity over false alarms, with the operating point."""
    figures, at = found.discrimination, found.at_the_point
    if figures is None or at is None:
        return None
    say, auroc = speech.say, speech.figure(figures.auroc, 3)
    x, y = 1 - at.specificity.estimate, at.sensitivity.estimate
    marks: tuple[Mark, ...] = (
        Line(((0, 0), (1, 1)), "quiet", "dotted", say("By chance")),
        Line(figures.roc, "model", "whole", say("Model, AUROC {auroc}", auroc=auroc)),
        Line(((x, at.sensitivity.low), (x, at.sensitivity.high)), "malignant"),
        Line(((1 - at.specificity.high, y), (1 - at.specificity.low, y)), "malignant"),
        Dot(x, y, "malignant"),
    )
    return Figure(
        name="roc",
        title=say("Sensitivity against false alarms"),
        x=Axis(say("Flagged of 100 benign pictures"), 0, 1, SHARES),
        y=Axis(say("Flagged of 100 malignant pictures"), 0, 1, SHARES),
        marks=marks,
        keys=((say("Operating point, with its intervals"), "malignant"),),
        caption=say("The nearer the curve is to the upper left corner, the better the score ranks."),
        instead=say(
            "Curve of sensitivity over the share of benign pictures flagged. Area {auroc}. At the operating point: sensitivity "
            "{sensitivity}, {flagged} of benign pictures flagged.",
            auroc=auroc,
            sensitivity=speech.share(at.sensitivity),
            flagged=speech.percent(x),
        ),
    )


def calibration(found: Evaluation, speech: Speech) -> Figure | None:
    """What was found over what was said, with the scores' histogram below."""
    figures = found.calibration
    if figures is None:
        return None
    say, word = speech.say, _word(found, speech)
    line = Line(figures.curve, "model", "whole", say("What was found, smoothed"))
    return Figure(
        name="calibration",
        title=say("What was found, against what was said"),
        x=Axis(word, 0, 1, _scores(speech)),
        y=Axis(say("Malignant of 100 such pictures; below: how many pictures"), -HISTOGRAM_SHARE, 1, SHARES),
        marks=(*_below(found.scores), Line(((0, 0), (1, 1)), "quiet", "dotted", say("Perfect")), line),
        keys=((say("Benign pictures"), "benign"), (say("Malignant pictures"), "malignant")),
        caption=say(
            "Below the dotted line fewer cancers were found than the number says, above it more. Bars: how many pictures have which "
            "number, each kind to its own scale."
        ),
        instead=say(
            "Curve of the share found malignant over the {number}. On average it lies {mean} percentage points from the diagonal, for nine "
            "in ten pictures at most {most}. {ends}",
            number=speech.inside(word),
            mean=speech.decimal(100 * figures.ici, 1),
            most=speech.decimal(100 * figures.e90, 1),
            ends=_ends(figures.curve, speech),
        ),
    )


def _word(found: Evaluation, speech: Speech) -> str:
    return speech.say("Probability") if found.about.calibrated else speech.say("Score")


def _scores(speech: Speech) -> tuple[tuple[float, str], ...]:
    return tuple((step / 5, speech.decimal(step / 5, 1)) for step in range(6))


def _ends(curve: tuple[tuple[float, float], ...], speech: Speech) -> str:
    (low, seen_low), (high, seen_high) = curve[0], curve[-1]
    return speech.say(
        "At {low} {seen_low} were malignant, at {high} {seen_high}.",
        low=speech.decimal(low),
        seen_low=speech.percent(seen_low),
        high=speech.decimal(high),
        seen_high=speech.percent(seen_high),
    )


def _below(scores: Histogram) -> Iterator[Bar]:
    """Bars in the strip below 0, benign in the lower half, malignant in the upper."""
    bins = len(scores.benign)
    for place in range(bins):
        left, right = place / bins + 0.004, (place + 1) / bins - 0.004
        for counts, floor in ((scores.benign, -HISTOGRAM_SHARE), (scores.malignant, -HISTOGRAM_SHARE / 2)):
            if counts[place]:
                tall = counts[place] / max(counts) * (HISTOGRAM_SHARE / 2 - 0.012)
                yield Bar(left, right, floor, floor + max(tall, 0.004), "benign" if counts is scores.benign else "malignant")


def histogram(found: Evaluation, speech: Speech) -> Figure | None:
    """How the scores of malignant and benign pictures lie, with the operating point."""
    scores = found.scores
    total = sum(scores.benign) + sum(scores.malignant)
    if not total:
        return None
    top = _round_up(max(*scores.benign, *scores.malignant))
    marks: list[Mark] = []
    bins = len(scores.benign)
    for place, (benign, malignant) in enumerate(zip(scores.benign, scores.malignant, strict=True)):
        left, middle, right = ((place + part) / bins for part in (0.06, 0.5, 0.94))
        marks += [Bar(left, middle, 0, benign, "benign")] if benign else []
        marks += [Bar(middle, right, 0, malignant, "malignant")] if malignant else []
    at, say, point = found.point.threshold, speech.say, speech.threshold(found.point.threshold)
    marks.append(Line(((at, 0), (at, top)), "ink", "dashed", say("Operating point, {threshold}", threshold=point)))
    lowest, highest = scores.benign[0] + scores.malignant[0], scores.benign[-1] + scores.malignant[-1]
    return Figure(
        name="scores",
        title=say("Scores of benign and of malignant pictures"),
        x=Axis(_word(found, speech), 0, 1, _scores(speech)),
        y=Axis(say("Pictures"), 0, top, tuple((top * step / 4, speech.tick(top * step / 4)) for step in range(5))),
        marks=tuple(marks),
        keys=((say("Benign"), "benign"), (say("Malignant"), "malignant")),
        caption=say("What lies left of the operating point is not flagged."),
        instead=say(
            "Histogram of {total} scores in {bins} bins: {lowest} pictures lie in the lowest, {highest} in the highest. The operating "
            "point is {threshold}.",
            total=speech.count(total),
            bins=speech.count(bins),
            lowest=speech.count(lowest),
            highest=speech.count(highest),
            threshold=point,
        ),
        height=0.45,
    )


def net_benefit(found: Evaluation, speech: Speech) -> Figure | None:
    """Net benefit over threshold probabilities; only where scores are probabilities."""
    curve = found.utility.curve if found.utility else ()
    if not curve:
        return None
    say = speech.say
    top = _nice(max(max(each.model.estimate, each.flag_all.estimate) for each in curve))
    lines = (
        Line(_above(tuple((each.at, each.flag_all.estimate) for each in curve), -top / 4), "other", "dashed", say("Flag every picture")),
        Line(((0, 0), (curve[-1].at, 0)), "quiet", "dotted", say("Flag none")),
        Line(tuple((each.at, max(each.model.estimate, -top / 4)) for each in curve), "model", "whole", say("Flag by the model")),
    )
    end = curve[-1].at
    return Figure(
        name="benefit",
        title=say("Net benefit"),
        x=Axis(
            say("Cancer probability from which an examination is worth it (per cent)"),
            0,
            end,
            tuple((x / 100, f"{x}") for x in range(0, 51, 10)),
        ),
        y=Axis(say("Cancers found per 100 pictures, less needless flags at their price"), -top / 4, top, _hundreds(top, speech)),
        marks=lines,
        keys=(),
        caption=say(
            "The highest line is best at that probability; flagging by the model where its probability reaches the one on the axis."
        ),
        instead=" ".join(_benefit_said(each, speech) for each in curve if round(100 * each.at) in (3, 10, 20)),
        height=0.6,
    )


def _above(points: tuple[tuple[float, float], ...], floor: float) -> tuple[tuple[float, float], ...]:
    """The part of a falling curve above the floor, cut where it meets it."""
    kept = [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y1 < floor:
            return (*kept, (x0 + (x1 - x0) * (y0 - floor) / (y0 - y1), floor)) if y0 > floor else tuple(kept)
        kept.append((x1, y1))
    return tuple(kept)


def _benefit_said(each: Benefit, speech: Speech) -> str:
    return speech.say(
        "At {at}: {model} cancers per 100 pictures by the model, {every} by flagging every picture, 0 by flagging none.",
        at=speech.whole_percent(each.at),
        model=speech.decimal(100 * each.model.estimate, 1),
        every=speech.decimal(100 * each.flag_all.estimate, 1),
    )


def _hundreds(top: float, speech: Speech) -> tuple[tuple[float, str], ...]:
    return tuple((top * step / 4, speech.tick(100 * top * step / 4)) for step in range(5))


def forest(found: Evaluation, speech: Speech) -> Figure | None:
    """Sensitivity in each group with its interval, all pictures first."""
    at = found.at_the_point
    with_cancer = [each for each in found.subgroups if each.malignant]
    if at is None or not found.reference.malignant or not with_cancer:
        return None
    say, some = speech.say, with_cancer[:GROUPS_MAX]
    asked = say("Asked for: {target}", target=speech.whole_percent(found.point.target))
    rows = len(some) + 1
    marks: list[Mark] = [Line(((found.point.target, 0.4), (found.point.target, rows + 0.6)), "ink", "dashed", asked)]
    ticks = [(float(rows), f"{say('All pictures')} ({speech.count(found.reference.malignant)})")]
    marks += _row(at.sensitivity, rows, hollow=not at.shown)
    for place, each in enumerate(some):
        y = rows - 1 - place
        ticks.append((float(y), f"{_short(column_name(each.column, speech), value_name(each, speech))} ({speech.count(each.malignant)})"))
        marks += _row(each.sensitivity, y, hollow=not each.shown)
    return Figure(
        name="groups",
        title=say("Sensitivity in each group"),
        x=Axis(say("Flagged of 100 malignant pictures"), 0, 1, SHARES),
        y=Axis(say("Group (malignant pictures)"), 0.4, rows + 0.6, tuple(ticks)),
        marks=tuple(marks),
        keys=(),
        caption=say("Filled dots: shown to work. Hollow dots: not shown. Lines: intervals. The table below has the numbers."),
        instead=" ".join(
            [say("All pictures: {share}.", share=speech.share(at.sensitivity)), *(_group_said(each, speech) for each in some)]
        ),
        height=max(0.12, ROW * (rows + 1)),
        names_room=0.02 + CHARACTER * max(len(word) for _, word in ticks),
    )


def _short(column: str, value: str) -> str:
    name = f"{column}: {value}"
    return name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 1].rstrip()}…"


def _row(interval: Interval, y: int, *, hollow: bool) -> list[Mark]:
    return [Line(((interval.low, y), (interval.high, y)), "model"), Dot(interval.estimate, y, "model", hollow)]


def _group_said(group: Subgroup, speech: Speech) -> str:
    name = f"{column_name(group.column, speech)} {value_name(group, speech)}"
    shown = speech.say("shown to work") if group.shown else speech.say("not shown to work")
    return f"{name}: {speech.share(group.sensitivity)}, {shown}."


def _round_up(number: int) -> int:
    """The next number of which four equal parts are whole and easily read."""
    steps = sorted(step * ten for step in (4, 8, 12, 20, 28) for ten in (1, 10, 100, 1_000, 10_000, 100_000))
    return next((step for step in steps if step >= number), 4 * math.ceil(number / 4))


def _nice(number: float) -> float:
    """A top of an axis a little above the number."""
    if number <= 0:
        return 0.01
    power = 10.0 ** math.floor(math.log10(number))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= number)
