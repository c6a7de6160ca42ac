"""The plots of an evaluation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Final

from tocsin.learning.parts import Benefit, Evaluation, Histogram, Subgroup
from tocsin.learning.report.figures import Axis, Bar, Dot, Figure, Line, Mark
from tocsin.learning.report.numbers import count, decimal, figure, percent, share, threshold, whole_percent
from tocsin.learning.report.sentences import column_name, value_of
from tocsin.learning.types import Interval

SHARES: Final = tuple((step / 5, f"{20 * step}") for step in range(6))
PER_CENT_X: Final = Axis("", 0.0, 1.0, SHARES)
SCORES: Final = tuple((step / 5, f"{step / 5:.1f}") for step in range(6))
HISTOGRAM_SHARE: Final = 0.16
"""Height of the scores' histogram below a calibration curve, in parts of the plot's."""
GROUPS_MAX: Final = 30
"""So many groups a plot holds; the table has them all."""
ROW: Final = 0.042
"""Height of a group's row, in parts of the plot's width."""


def roc(found: Evaluation) -> Figure | None:
    """Sensitivity over false alarms, with the operating point."""
    figures, at = found.discrimination, found.at_the_point
    if figures is None or at is None:
        return None
    x, y = 1 - at.specificity.estimate, at.sensitivity.estimate
    marks: tuple[Mark, ...] = (
        Line(((0, 0), (1, 1)), "quiet", "dotted", "By chance"),
        Line(figures.roc, "model", "whole", f"Model, AUROC {figure(figures.auroc, 3)}"),
        Line(((x, at.sensitivity.low), (x, at.sensitivity.high)), "malignant"),
        Line(((1 - at.specificity.high, y), (1 - at.specificity.low, y)), "malignant"),
        Dot(x, y, "malignant"),
    )
    return Figure(
        name="roc",
        title="Sensitivity against false alarms",
        x=Axis("Flagged of 100 benign pictures", 0, 1, SHARES),
        y=Axis("Flagged of 100 malignant pictures", 0, 1, SHARES),
        marks=marks,
        keys=(("Operating point, with its intervals", "malignant"),),
        caption="The nearer the curve is to the upper left corner, the better the score ranks.",
        instead=(
            f"Curve of sensitivity over the share of benign pictures flagged. Area {figure(figures.auroc, 3)}. At the operating point: "
            f"sensitivity {share(at.sensitivity)}, {percent(x)} of benign pictures flagged."
        ),
    )


def calibration(found: Evaluation) -> Figure | None:
    """What was found over what was said, with the scores' histogram below."""
    figures = found.calibration
    if figures is None:
        return None
    word = "Probability" if found.about.calibrated else "Score"
    line = Line(figures.curve, "model", "whole", "What was found, smoothed")
    return Figure(
        name="calibration",
        title="What was found, against what was said",
        x=Axis(word, 0, 1, SCORES),
        y=Axis("Malignant of 100 such pictures; below: how many pictures", -HISTOGRAM_SHARE, 1, SHARES),
        marks=(*_below(found.scores), Line(((0, 0), (1, 1)), "quiet", "dotted", "Perfect"), line),
        keys=(("Benign pictures", "benign"), ("Malignant pictures", "malignant")),
        caption=(
            "Below the dotted line fewer cancers were found than the number says, above it more. "
            "Bars: how many pictures have which number, each kind to its own scale."
        ),
        instead=(
            f"Curve of the share found malignant over the {word.lower()}. On average it lies {decimal(100 * figures.ici, 1)} percentage "
            "points from the "
            f"diagonal, for nine in ten pictures at most {decimal(100 * figures.e90, 1)}. {_ends(figures.curve)}"
        ),
    )


def _ends(curve: tuple[tuple[float, float], ...]) -> str:
    (low, seen_low), (high, seen_high) = curve[0], curve[-1]
    return f"At {decimal(low)} {percent(seen_low)} were malignant, at {decimal(high)} {percent(seen_high)}."


def _below(scores: Histogram) -> Iterator[Bar]:
    """Bars in the strip below 0, benign in the lower half, malignant in the upper."""
    bins = len(scores.benign)
    for place in range(bins):
        left, right = place / bins + 0.004, (place + 1) / bins - 0.004
        for counts, floor in ((scores.benign, -HISTOGRAM_SHARE), (scores.malignant, -HISTOGRAM_SHARE / 2)):
            if counts[place]:
                tall = counts[place] / max(counts) * (HISTOGRAM_SHARE / 2 - 0.012)
                yield Bar(left, right, floor, floor + max(tall, 0.004), "benign" if counts is scores.benign else "malignant")


def histogram(found: Evaluation) -> Figure | None:
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
    at = found.point.threshold
    marks.append(Line(((at, 0), (at, top)), "ink", "dashed", f"Operating point, {threshold(at)}"))
    lowest, highest = scores.benign[0] + scores.malignant[0], scores.benign[-1] + scores.malignant[-1]
    return Figure(
        name="scores",
        title="Scores of benign and of malignant pictures",
        x=Axis("Probability" if found.about.calibrated else "Score", 0, 1, SCORES),
        y=Axis("Pictures", 0, top, tuple((top * step / 4, f"{top * step / 4:g}") for step in range(5))),
        marks=tuple(marks),
        keys=(("Benign", "benign"), ("Malignant", "malignant")),
        caption="What lies left of the operating point is not flagged.",
        instead=(
            f"Histogram of {count(total)} scores in {bins} bins: {count(lowest)} pictures lie in the lowest, {count(highest)} in the "
            "highest. "
            f"The operating point is {threshold(at)}."
        ),
        height=0.45,
    )


def net_benefit(found: Evaluation) -> Figure | None:
    """Net benefit over threshold probabilities; only where scores are probabilities."""
    curve = found.utility.curve if found.utility else ()
    if not curve:
        return None
    top = _nice(max(max(each.model.estimate, each.flag_all.estimate) for each in curve))
    lines = (
        Line(_above(tuple((each.at, each.flag_all.estimate) for each in curve), -top / 4), "other", "dashed", "Flag every picture"),
        Line(((0, 0), (curve[-1].at, 0)), "quiet", "dotted", "Flag none"),
        Line(tuple((each.at, max(each.model.estimate, -top / 4)) for each in curve), "model", "whole", "Flag by the model"),
    )
    end = curve[-1].at
    return Figure(
        name="benefit",
        title="Net benefit",
        x=Axis(
            "Cancer probability from which an examination is worth it (per cent)",
            0,
            end,
            tuple((x / 100, f"{x}") for x in range(0, 51, 10)),
        ),
        y=Axis("Cancers found per 100 pictures, less needless flags at their price", -top / 4, top, _hundreds(top)),
        marks=lines,
        keys=(),
        caption="The highest line is best at that probability; flagging by the model where its probability reaches the one on the axis.",
        instead=" ".join(_benefit_said(each) for each in curve if round(100 * each.at) in (3, 10, 20)),
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


def _benefit_said(each: Benefit) -> str:
    return (
        f"At {whole_percent(each.at)}: {decimal(100 * each.model.estimate, 1)} cancers per 100 pictures by the model, "
        f"{decimal(100 * each.flag_all.estimate, 1)} by flagging every picture, 0 by flagging none."
    )


def _hundreds(top: float) -> tuple[tuple[float, str], ...]:
    return tuple((top * step / 4, f"{100 * top * step / 4:.3g}") for step in range(5))


def forest(found: Evaluation) -> Figure | None:
    """Sensitivity in each group with its interval, all pictures first."""
    at = found.at_the_point
    with_cancer = [each for each in found.subgroups if each.malignant]
    if at is None or not found.reference.malignant or not with_cancer:
        return None
    some = with_cancer[:GROUPS_MAX]
    rows = len(some) + 1
    marks: list[Mark] = [Line(((found.point.target, 0.4), (found.point.target, rows + 0.6)), "ink", "dashed", _asked(found))]
    ticks = [(float(rows), f"All pictures ({count(found.reference.malignant)})")]
    marks += _row(at.sensitivity, rows, hollow=not at.shown)
    for place, each in enumerate(some):
        y = rows - 1 - place
        ticks.append((float(y), f"{column_name(each.column)}: {value_of(each)} ({count(each.malignant)})"))
        marks += _row(each.sensitivity, y, hollow=not each.shown)
    return Figure(
        name="groups",
        title="Sensitivity in each group",
        x=Axis("Flagged of 100 malignant pictures", 0, 1, SHARES),
        y=Axis("Group (malignant pictures)", 0.4, rows + 0.6, tuple(ticks)),
        marks=tuple(marks),
        keys=(),
        caption="Filled dots: shown to work. Hollow dots: not shown. Lines: intervals. The table below has the numbers.",
        instead=" ".join([f"All pictures: {share(at.sensitivity)}.", *(_group_said(each) for each in some)]),
        height=max(0.12, ROW * (rows + 1)),
        names_room=0.36,
    )


def _asked(found: Evaluation) -> str:
    return f"Asked for: {whole_percent(found.point.target)}"


def _row(interval: Interval, y: int, *, hollow: bool) -> list[Mark]:
    return [Line(((interval.low, y), (interval.high, y)), "model"), Dot(interval.estimate, y, "model", hollow)]


def _group_said(group: Subgroup) -> str:
    shown = "shown to work" if group.shown else "not shown to work"
    return f"{column_name(group.column)} {value_of(group)}: {share(group.sensitivity)}, {shown}."


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
