"""What an evaluation has shown, and what it could not show yet, in plain sentences. Each follows from its figures alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from tocsin.learning.parts import AtThePoint, CalibrationFigures, Evaluation, Point, Subgroup
from tocsin.learning.report.numbers import (
    about,
    at_least,
    count,
    counted,
    day,
    decimal,
    figure,
    listed,
    percent,
    share,
    span,
    threshold,
    whole_percent,
)
from tocsin.learning.types import Interval

COLUMNS: Final = {
    "age band": "Age",
    "site": "Body site",
}
"""Columns that are named in other words than the site's."""
POINTS: Final = {"card": "the model card", "site-file": "the site file", "asked": "whoever asked for this report"}
"""Where an operating point may come from; another word is said as it is."""
NAMED: Final = 4
"""So many groups a sentence names; the table has them all."""


def verdict(found: Evaluation) -> str:
    """The answer in one line."""
    point, at = found.point, found.at_the_point
    if at is None or not found.reference.malignant:
        return "Nothing is shown here yet: no assessable picture has a label that says cancer."
    if at.shown:
        return f"Shown here: sensitivity of at least {whole_percent(point.target)}, with {whole_percent(point.confidence)} confidence."
    return f"Not shown here yet: sensitivity of at least {whole_percent(point.target)}."


def answer(found: Evaluation) -> tuple[str, ...]:
    """What was looked at, whether cancers are found, at what cost, whether scores can be believed, and for whom: one sentence each."""
    return (looked_at(found), sensitivity(found), cost(found), calibration(found), groups(found))


def looked_at(found: Evaluation) -> str:
    """Which model, on what."""
    reference, where = found.reference, f" at {found.about.site}" if found.about.site else ""
    once = f" (of {counted(reference.cancers, 'patient or lesion', 'patients or lesions')})" if reference.repeats else ""
    return (
        f"{found.about.model} was tried on {counted(found.flow.pictures, 'picture', 'pictures')}{where}, of which "
        f"{count(found.flow.labelled)} "
        f"were assessable and have a label that speaks of truth: {count(reference.malignant)} malignant{once} and "
        f"{count(reference.benign)} benign."
    )


def sensitivity(found: Evaluation) -> str:
    """Whether it finds the cancers, or how many more it takes to say so."""
    at, point = found.at_the_point, found.point
    if at is None or not found.reference.malignant:
        return "Whether it finds cancers cannot be said: no assessable picture has a label that says cancer."
    seen = f"It flags {count(at.true_positive)} of {count(found.reference.malignant)} malignant pictures, {share(at.sensitivity)}"
    sure = whole_percent(point.confidence)
    if found.reference.verification == "by-score":
        return f"{seen}: an upper bound, since {_unseen(found)}."
    if at.shown:
        return f"{seen}; with {sure} confidence it finds at least {at_least(at.sensitivity_at_least)} of such cancers."
    return f"{seen}; no more than {at_least(at.sensitivity_at_least)} is certain with {sure} confidence; {_more(at, point)}."


def _unseen(found: Evaluation) -> str:
    reference = found.reference
    if reference.spoken_of:
        return (
            f"only pictures of which pathology or a clinician spoke were read, {count(reference.flagged_labelled)} flagged and "
            f"{count(reference.below_labelled)} others with a label that speaks of truth, so that cancers it missed may have stayed unseen"
        )
    return (
        f"a label was sought for {count(reference.flagged_labelled)} of {count(reference.flagged)} flagged pictures, but for "
        f"{count(reference.below_labelled)} of {count(reference.below)} others, so that cancers it missed may have stayed unseen"
    )


def _more(at: AtThePoint, point: Point) -> str:
    asked = whole_percent(point.target)
    if at.more_cancers is None:
        return f"at this rate of misses no number of further cancers would show the {asked} that were asked for"
    fewest = counted(at.fewest_more_cancers, "more confirmed cancer", "more confirmed cancers")
    if not at.false_negative:
        return f"it takes {fewest}, none of them missed, to show the {asked} that were asked for"
    rate = f"about {about(at.more_cancers)} if it misses as many of them as here"
    return f"to show the {asked} that were asked for takes {fewest} if it misses none of them, and {rate}"


def cost(found: Evaluation) -> str:
    """What the flags ask of the readers, and whether they are worth it."""
    at, work = found.at_the_point, found.workload
    if at is None or work is None:
        return "What its flags would ask of readers cannot be said: there is no labelled picture."
    each = work.flags_per_cancer_found.estimate
    found_one = f", {decimal(each, 1)} for each cancer found" if math.isfinite(each) else ", and finds no cancer by them"
    spared = f"; it leaves {share(at.specificity)} of benign pictures unflagged" if found.reference.benign else ""
    per_100 = work.flags_per_100
    return f"It flags {decimal(per_100.estimate, 1)} of 100 such pictures ({span(per_100, 1)}){found_one}{spared}{_worth(found)}."


def _worth(found: Evaluation) -> str:
    if found.utility is None or not found.reference.malignant or not found.reference.benign:
        return ""
    here = found.utility.at_the_point
    over = _compared(here.over_flag_all, "flagging every picture")
    none = _compared(here.model, "flagging none")
    return f". Weighed at a cancer probability of {whole_percent(here.at)}, this is {none}, and {over}"


def _compared(gain: Interval, other: str) -> str:
    if gain.low > 0:
        return f"better than {other}"
    return f"worse than {other}" if gain.high < 0 else f"not shown to be better than {other}"


def calibration(found: Evaluation) -> str:
    """Whether its numbers may be read as probabilities."""
    figures = found.calibration
    if figures is None:
        return "Whether its scores are probabilities cannot be said: that takes malignant and benign pictures."
    off = f"{decimal(100 * figures.ici, 1)} percentage points"
    how = f"observed over expected cancers {figure(figures.observed_over_expected)}, slope {figure(figures.slope)}"
    if not found.about.calibrated:
        return f"Its scores are not to be read as probabilities: as such they would be off by {off} on average; {how}."
    return f"Its probabilities are off by {off} on average, {_miscalibration(figures)}; {how}."


def _miscalibration(figures: CalibrationFigures) -> str:
    ratio, slope = figures.observed_over_expected, figures.slope
    if any(math.isnan(each) for each in (ratio.low, ratio.high, slope.low, slope.high)):
        return "and whether that is more than chance cannot be said"
    faults = [word for word, is_so in _faults(ratio, slope) if is_so]
    return f"more than by chance: {listed(faults)}" if faults else "no more than chance may do"


def _faults(ratio: Interval, slope: Interval) -> tuple[tuple[str, bool], ...]:
    return (
        ("they are too low", ratio.low > 1),
        ("they are too high", ratio.high < 1),
        ("they are too far apart", slope.high < 1),
        ("they are too near together", slope.low > 1),
    )


def groups(found: Evaluation) -> str:
    """For whom it is shown to work, and for whom it is not."""
    all_groups = found.subgroups
    if not all_groups:
        return "For which patients it works cannot be said: the labels tell no groups apart."
    shown = [each for each in all_groups if each.shown]
    others = [each for each in all_groups if not each.shown]
    some = count(len(shown)) if shown else "none"
    said = f"To the same bound it is shown to work in {some} of {counted(len(all_groups), 'group', 'groups')} of patients and pictures"
    if others:
        said += f"; not in {_named(sorted(others, key=_of_weight))}"
    worse = [each for each in all_groups if _is_worse(each, found.point)]
    if worse:
        said += f", and it finds fewer cancers than elsewhere in {_named(worse)}"
    return said + "."


def _of_weight(group: Subgroup) -> tuple[bool, bool, float, int]:
    """Order in which groups are named: known ones that have cancers enough, the worst first; then those that have most."""
    few = group.why == "too-few-cancers"
    return not group.value, few, 0.0 if few else group.sensitivity_at_least, -group.cancers


def _named(some: list[Subgroup]) -> str:
    names = [name_of(each) for each in some[:NAMED]]
    rest = len(some) - NAMED
    return listed([*names, counted(rest, "other", "others")] if rest > 0 else names)


def _is_worse(group: Subgroup, point: Point) -> bool:
    return group.worse_p < 1 - point.confidence


def name_of(group: Subgroup) -> str:
    """A group's column and value, as a sentence names it."""
    return f"{column_name(group.column).lower()} {value_of(group)}"


def value_of(group: Subgroup) -> str:
    """The value, or that it is not known."""
    return group.value or "not known"


def column_name(column: str) -> str:
    """The column, in words."""
    words = _words(column)
    return COLUMNS.get(words, words[:1].upper() + words[1:])


def _words(column: str) -> str:
    return " ".join(column.replace("_", " ").split())


def standing(group: Subgroup, point: Point) -> str:
    """What may be said of a group: shown, or why not; a group with few cancers is never called fine."""
    worse = " Fewer cancers found than elsewhere." if _is_worse(group, point) else ""
    if group.shown:
        return f"Shown.{worse}"
    match group.why:
        case "too-few-cancers":
            reason = f"too few cancers ({group.cancers})"
        case "below-the-bound":
            reason = f"no more than {at_least(group.sensitivity_at_least)} is certain"
        case "not-after-comparisons":
            reason = "not after allowing for the number of groups"
        case None:
            reason = "cancers it missed may have stayed unseen"
    return f"Not shown to work: {reason}.{_takes(group)}{worse}"


def _takes(group: Subgroup) -> str:
    if group.more_cancers is None:
        return " At this rate of misses no further cancers would show it."
    return f" It takes about {about(group.more_cancers)} more." if group.more_cancers else ""


def open_points(found: Evaluation) -> Iterator[str]:
    """What could not be shown yet, or is not known."""
    reference, of, at = found.reference, found.about, found.at_the_point
    if at is not None and reference.malignant and not at.shown and reference.verification != "by-score":
        yield f"Sensitivity: {_more(at, found.point)}."
    if reference.verification == "by-score":
        yield (
            f"Sensitivity is an upper bound, and specificity is uncertain: {_unseen(found)}. An audit sample of pictures that were not "
            "flagged, "
            "read as any other, with a known probability of being drawn, is what shows it."
        )
    yield from _audit(found)
    if found.flow.not_assessable_malignant:
        some = counted(found.flow.not_assessable_malignant, "picture of a cancer was", "pictures of cancers were")
        yield f"{some} not assessable, and in no figure: an ordinary reading must find what the model is not shown."
    if of.source == "bus":
        yield "Age, sex and body site are not known: Tocsin's flags hold none of them, so that no group of patients can be told apart."
    if reference.verification == "alike":
        yield f"{_without(found)} By their scores they are like the others; what else they differ in is not known."
    if reference.verification == "all":
        yield "Every picture that was read has a label. If others were left out before, sensitivity may be lower than it looks."
    if reference.kinds.get("stated"):
        yield f"By what {counted(reference.kinds['stated'], 'label was', 'labels were')} established (specimen, follow-up) was not said."
    few = sum(1 for each in found.subgroups if each.why == "too-few-cancers")
    if few:
        yield f"{counted(few, 'group has', 'groups have')} too few cancers to say anything of: not shown to work there."
    if not of.calibrated and found.calibration is not None:
        yield "Probabilities: the scores went through no calibration made on this site's labels."
    if not of.how_chosen:
        yield "How the pictures were chosen was not said: whether they are like those to come is not known."
    if any(_words(each.column) == "skin tone" for each in found.subgroups) and not of.skin_tone_source:
        yield "Who or what told skin tone, and on which scale, was not said."
    if reference.labelled_to is None:
        yield "When the labels were established was not said: cancers may be found later among pictures that count as benign here."


def _audit(found: Evaluation) -> Iterator[str]:
    """What is not known of pictures below threshold, by the audit sample or without one."""
    reference, weighted = found.reference, found.reference.verification == "weighted"
    if reference.unsought:
        some = counted(reference.unsought, "picture that was not flagged was verified", "pictures that were not flagged were verified")
        which = f"{some}, {count(reference.unsought_malignant)} of them malignant, and nobody knows with which probability"
        yield (
            f"{which}: they are in no figure, since the audit sample stands for them too."
            if weighted
            else f"{which}: sensitivity is an upper bound."
        )
    if weighted and reference.read_alone:
        some = counted(reference.read_alone, "picture of the audit sample was", "pictures of the audit sample were")
        yield (
            f"{some} read by a clinician, and neither pathology nor follow-up has spoken: a cancer among them is not counted, and "
            "specificity is of the others alone."
        )


def _without(found: Evaluation) -> str:
    reference = found.reference
    rest = reference.flagged + reference.below - reference.flagged_labelled - reference.below_labelled
    return (
        f"{counted(rest, 'assessable picture has', 'assessable pictures have')} no label that speaks of truth, and count as nothing here."
    )


def verification(found: Evaluation) -> str:
    """Who was verified."""
    reference = found.reference
    match reference.verification:
        case "all":
            return "Of the assessable pictures that were read, all have a label."
        case "weighted":
            return (
                "Labels were sought with known probabilities, and each picture counts for as many as it stands for: "
                f"{_unseen(found).partition(', so that')[0]}."
            )
        case "alike":
            return f"A part was verified, flagged or not: {_unseen(found).partition(', so that')[0]}."
        case "by-score":
            return f"Verification went by the score: {_unseen(found)}."


def agreement(found: Evaluation) -> str:
    """Against clinicians' acts, as agreement."""
    with_verdict = found.agreement
    if with_verdict is None:
        return ""
    return (
        f"Clinicians called {count(with_verdict.called_malignant)} of "
        f"{counted(with_verdict.pictures, 'other picture', 'other pictures')} malignant. "
        f"The model had flagged {share(with_verdict.flagged_of_called_malignant)} of these, and left "
        f"{share(with_verdict.not_flagged_of_called_benign)} "
        "of the rest unflagged. They may have seen the flag before: this is agreement and no accuracy, and is in no other figure."
    )


def maturity(found: Evaluation) -> str:
    """To which day labels are mature."""
    reference = found.reference
    if reference.labelled_to is None:
        return "not known"
    return f"{day(reference.labelled_from)} to {day(reference.labelled_to)}; mature to {day(reference.labelled_to)}"


def point_said(found: Evaluation) -> str:
    """The operating point."""
    named = POINTS.get(found.about.point_source, found.about.point_source)
    source = f", from {named}" if named else ""
    return f"scores of {threshold(found.point.threshold)} and above are flagged{source}"


def discrimination(found: Evaluation) -> str:
    """How well the score ranks."""
    figures = found.discrimination
    if figures is None:
        return "How well the score parts malignant from benign cannot be said: that takes pictures of both kinds."
    drawn = f"; by draws of whole patients {span(figures.bootstrap, 3)}" if figures.bootstrap is not None else ""
    return (
        f"A malignant picture scores above a benign one in {percent(figures.auroc.estimate)} of pairs: AUROC {figure(figures.auroc, 3)} "
        f"by DeLong{drawn}. "
        "It says nothing of an operating point, and is no reason to go live by itself."
    )
