"""What an evaluation has shown, and what it could not show yet, in plain sentences. Each follows from its figures alone."""

from __future__ import annotations

import math
from typing import Final

from tocsin.learning.parts import AtThePoint, CalibrationFigures, Evaluation, Point, Subgroup
from tocsin.learning.report.names import group_name, unread
from tocsin.learning.report.speech import Speech
from tocsin.learning.types import Interval
from tocsin.words.catalogue import to_say

POINTS: Final = {"card": to_say("the model card"), "site-file": to_say("the site file"), "asked": to_say("whoever asked for this report")}
"""Where an operating point may come from; another word is said as it is."""
NAMED: Final = 4
"""So many groups a sentence names; the table has them all."""


def verdict(found: Evaluation, speech: Speech) -> str:
    """The answer in one line."""
    point, at = found.point, found.at_the_point
    target, confidence = speech.whole_percent(point.target), speech.whole_percent(point.confidence)
    if at is None or not found.reference.malignant:
        return speech.say("Nothing is shown here yet: no assessable picture has a label that says cancer.")
    if at.shown:
        return speech.say(
            "Shown here: sensitivity of at least {target}, with {confidence} confidence.", target=target, confidence=confidence
        )
    return speech.say("Not shown here yet: sensitivity of at least {target}.", target=target)


def answer(found: Evaluation, speech: Speech) -> tuple[str, ...]:
    """What was looked at, whether cancers are found, at what cost, whether scores can be believed, and for whom: one point each."""
    return tuple(each(found, speech) for each in (looked_at, sensitivity, cost, calibration, groups))


def looked_at(found: Evaluation, speech: Speech) -> str:
    """Which model, on what."""
    reference, about = found.reference, found.about
    where = f" {speech.say('at {site}', site=about.site)}" if about.site else ""
    once = speech.say_of(reference.cancers, "of {number} patient or lesion", "of {number} patients or lesions")
    return speech.say_of(
        found.flow.pictures - unread(found.flow),
        "{model} was tried on {number} picture{where}, of which {labelled} were assessable and have a label that speaks of truth: "
        "{malignant} malignant{once} and {benign} benign.",
        "{model} was tried on {number} pictures{where}, of which {labelled} were assessable and have a label that speaks of truth: "
        "{malignant} malignant{once} and {benign} benign.",
        model=about.model,
        where=where,
        labelled=speech.count(found.flow.labelled),
        malignant=speech.count(reference.malignant),
        once=f" ({once})" if reference.repeats else "",
        benign=speech.count(reference.benign),
    )


def sensitivity(found: Evaluation, speech: Speech) -> str:
    """Whether it finds the cancers, or how many more it takes to say so."""
    at, point, say = found.at_the_point, found.point, speech.say
    if at is None or not found.reference.malignant:
        return say("Whether it finds cancers cannot be said: no assessable picture has a label that says cancer.")
    seen = {
        "flagged": speech.count(at.true_positive),
        "malignant": speech.count(found.reference.malignant),
        "share": speech.share(at.sensitivity),
    }
    if found.reference.verification == "weighted":
        seen["share"] = say("{share} where each counts for as many as it stands for", share=seen["share"])
    if found.reference.verification == "by-score":
        return say(
            "It flags {flagged} of {malignant} malignant pictures, {share}: an upper bound, since {unseen}.",
            **seen,
            unseen=_unseen(found, speech),
        )
    seen |= {"confidence": speech.whole_percent(point.confidence), "bound": speech.at_least(at.sensitivity_at_least)}
    if at.shown:
        return say(
            "It flags {flagged} of {malignant} malignant pictures, {share}; with {confidence} confidence it finds at least {bound} of such "
            "cancers.",
            **seen,
        )
    return say(
        "It flags {flagged} of {malignant} malignant pictures, {share}; no more than {bound} is certain with {confidence} confidence; "
        "{more}.",
        **seen,
        more=more(at, point, speech),
    )


def sought(found: Evaluation, speech: Speech) -> str:
    """For which pictures a label was sought, as a part of a sentence."""
    reference = found.reference
    if reference.spoken_of:
        return speech.say(
            "only pictures of which pathology or a clinician spoke were read, {flagged} flagged and {others} others with a label that "
            "speaks of truth",
            flagged=speech.count(reference.flagged_labelled),
            others=speech.count(reference.below_labelled),
        )
    return speech.say(
        "a label was sought for {flagged_labelled} of {flagged} flagged pictures, but for {below_labelled} of {below} others",
        flagged_labelled=speech.count(reference.flagged_labelled),
        flagged=speech.count(reference.flagged),
        below_labelled=speech.count(reference.below_labelled),
        below=speech.count(reference.below),
    )


def _unseen(found: Evaluation, speech: Speech) -> str:
    return speech.say("{sought}, so that cancers it missed may have stayed unseen", sought=sought(found, speech))


def more(at: AtThePoint, point: Point, speech: Speech) -> str:
    """How many more cancers it takes, as a part of a sentence."""
    target = speech.whole_percent(point.target)
    if at.more_cancers is None:
        return speech.say("at this rate of misses no number of further cancers would show the {target} that were asked for", target=target)
    if not at.false_negative:
        return speech.say_of(
            at.fewest_more_cancers,
            "it takes {number} more confirmed cancer, none of them missed, to show the {target} that were asked for",
            "it takes {number} more confirmed cancers, none of them missed, to show the {target} that were asked for",
            target=target,
        )
    return speech.say_of(
        at.fewest_more_cancers,
        "to show the {target} that were asked for takes {number} more confirmed cancer if it misses none of them, and about {likely} if it "
        "misses as many of them as here",
        "to show the {target} that were asked for takes {number} more confirmed cancers if it misses none of them, and about {likely} if "
        "it misses as many of them as here",
        target=target,
        likely=speech.about(at.more_cancers),
    )


def cost(found: Evaluation, speech: Speech) -> str:
    """What the flags ask of the readers, and whether they are worth it."""
    at, work, say = found.at_the_point, found.workload, speech.say
    if at is None or work is None:
        return say("What its flags would ask of readers cannot be said: there is no labelled picture.")
    each = work.flags_per_cancer_found.estimate
    flags = {"flags": speech.decimal(work.flags_per_100.estimate, 1), "interval": speech.span(work.flags_per_100, 1)}
    parts = [
        say("It flags {flags} of 100 such pictures ({interval}), {each} for each cancer found", **flags, each=speech.decimal(each, 1))
        if math.isfinite(each)
        else say("It flags {flags} of 100 such pictures ({interval}), and finds no cancer by them", **flags)
    ]
    if found.reference.benign:
        parts.append(say("it leaves {share} of benign pictures unflagged", share=speech.share(at.specificity)))
    return f"{'; '.join(parts)}.{_worth(found, speech)}"


def _worth(found: Evaluation, speech: Speech) -> str:
    if found.utility is None or not found.reference.malignant or not found.reference.benign:
        return ""
    here = found.utility.at_the_point
    none, every = speech.say(_against_none(here.model)), speech.say(_against_all(here.over_flag_all))
    at = speech.whole_percent(here.at)
    return " " + speech.say("Weighed at a cancer probability of {at}, this is {none}, and {every}.", at=at, none=none, every=every)


def _against_none(gain: Interval) -> str:
    if gain.low > 0:
        return to_say("better than flagging none")
    return to_say("worse than flagging none") if gain.high < 0 else to_say("not shown to be better than flagging none")


def _against_all(gain: Interval) -> str:
    if gain.low > 0:
        return to_say("better than flagging every picture")
    return to_say("worse than flagging every picture") if gain.high < 0 else to_say("not shown to be better than flagging every picture")


def calibration(found: Evaluation, speech: Speech) -> str:
    """Whether its numbers may be read as probabilities."""
    figures = found.calibration
    if figures is None:
        return speech.say("Whether its scores are probabilities cannot be said: that takes malignant and benign pictures.")
    values = {
        "off": speech.decimal(100 * figures.ici, 1),
        "ratio": speech.figure(figures.observed_over_expected),
        "slope": speech.figure(figures.slope),
    }
    if not found.about.calibrated:
        return speech.say(
            "Its scores are not to be read as probabilities: as such they would be off by {off} percentage points on average; observed "
            "over expected cancers {ratio}, slope {slope}.",
            **values,
        )
    return speech.say(
        "Its probabilities are off by {off} percentage points on average, {faults}; observed over expected cancers {ratio}, slope {slope}.",
        **values,
        faults=_miscalibration(figures, speech),
    )


def _miscalibration(figures: CalibrationFigures, speech: Speech) -> str:
    ratio, slope = figures.observed_over_expected, figures.slope
    faults = [speech.say(words) for words, is_so in _faults(ratio, slope) if is_so]
    if faults:
        return speech.say("more than by chance: {faults}", faults=speech.listed(faults))
    if any(math.isnan(each) for each in (ratio.low, ratio.high, slope.low, slope.high)):
        return speech.say("and whether that is more than chance cannot be said")
    return speech.say("no more than chance may do")


def _faults(ratio: Interval, slope: Interval) -> tuple[tuple[str, bool], ...]:
    return (
        (to_say("they are too low"), ratio.low > 1),
        (to_say("they are too high"), ratio.high < 1),
        (to_say("they are too far apart"), slope.high < 1),
        (to_say("they are too near together"), slope.low > 1),
    )


def groups(found: Evaluation, speech: Speech) -> str:
    """For whom it is shown to work, and for whom it is not."""
    all_groups = found.subgroups
    if not all_groups:
        return speech.say("For which patients it works cannot be said: the labels tell no groups apart.")
    shown = sum(1 for each in all_groups if each.shown)
    said = speech.say_of(
        len(all_groups),
        "To the same bound it is shown to work in {shown} of {number} group of patients and pictures",
        "To the same bound it is shown to work in {shown} of {number} groups of patients and pictures",
        shown=speech.count(shown) if shown else speech.say("none"),
    )
    if others := [each for each in all_groups if not each.shown]:
        said = speech.say("{said}; not in {groups}", said=said, groups=_named(sorted(others, key=_of_weight), speech))
    if worse := [each for each in all_groups if _is_worse(each, found.point)]:
        said = speech.say("{said}, and it finds fewer cancers than elsewhere in {groups}", said=said, groups=_named(worse, speech))
    return said + "."


def _of_weight(group: Subgroup) -> tuple[bool, bool, float, int]:
    """Order in which groups are named: known ones that have cancers enough, the worst first; then those that have most."""
    few = group.why == "too-few-cancers"
    return not group.value, few, 0.0 if few else group.sensitivity_at_least, -group.cancers


def _named(some: list[Subgroup], speech: Speech) -> str:
    names = [group_name(each, speech) for each in some[:NAMED]]
    rest = len(some) - NAMED
    return speech.listed([*names, speech.say_of(rest, "{number} other", "{number} others")] if rest > 0 else names)


def _is_worse(group: Subgroup, point: Point) -> bool:
    return group.worse_p < 1 - point.confidence


def standing(group: Subgroup, point: Point, speech: Speech) -> str:
    """What may be said of a group: shown, or why not; a group with few cancers is never called fine."""
    worse = [speech.say("Fewer cancers found than elsewhere.")] if _is_worse(group, point) else []
    if group.shown:
        return " ".join([speech.say("Shown."), *worse])
    return " ".join([speech.say("Not shown to work: {reason}.", reason=_why(group, speech)), *_takes(group, speech), *worse])


def _why(group: Subgroup, speech: Speech) -> str:
    match group.why:
        case "too-few-cancers":
            return speech.say("too few cancers ({number})", number=speech.count(group.cancers))
        case "below-the-bound":
            return speech.say("no more than {bound} is certain", bound=speech.at_least(group.sensitivity_at_least))
        case "not-after-comparisons":
            return speech.say("not after allowing for the number of groups")
        case None:
            return speech.say("cancers it missed may have stayed unseen")


def _takes(group: Subgroup, speech: Speech) -> list[str]:
    if group.more_cancers is None:
        return [speech.say("At this rate of misses no further cancers would show it.")]
    return [speech.say("It takes about {number} more.", number=speech.about(group.more_cancers))] if group.more_cancers else []


def verification(found: Evaluation, speech: Speech) -> str:
    """Who was verified."""
    match found.reference.verification:
        case "all":
            return speech.say("Of the assessable pictures that were read, all have a label.")
        case "weighted":
            return speech.say(
                "Labels were sought with known probabilities, and each picture counts for as many as it stands for: {sought}.",
                sought=sought(found, speech),
            )
        case "alike":
            return speech.say("A part was verified, flagged or not: {sought}.", sought=sought(found, speech))
        case "by-score":
            return speech.say("Verification went by the score: {unseen}.", unseen=_unseen(found, speech))


def upper_bound(found: Evaluation, speech: Speech) -> str:
    """That sensitivity is an upper bound, and what would mend it."""
    return speech.say(
        "Sensitivity is an upper bound, and specificity is uncertain: {unseen}. An audit sample of pictures that were not flagged, read as "
        "any other, with a known probability of being drawn, is what shows it.",
        unseen=_unseen(found, speech),
    )


def agreement(found: Evaluation, speech: Speech) -> str:
    """Against clinicians' acts, as agreement."""
    with_verdict = found.agreement
    if with_verdict is None:
        return ""
    return speech.say_of(
        with_verdict.pictures,
        "Clinicians called {called} of {number} other picture malignant. The model had flagged {flagged} of these, and left {left} of the "
        "rest unflagged. They may have seen the flag before: this is agreement and no accuracy, and is in no other figure.",
        "Clinicians called {called} of {number} other pictures malignant. The model had flagged {flagged} of these, and left {left} of the "
        "rest unflagged. They may have seen the flag before: this is agreement and no accuracy, and is in no other figure.",
        called=speech.count(with_verdict.called_malignant),
        flagged=speech.share(with_verdict.flagged_of_called_malignant),
        left=speech.share(with_verdict.not_flagged_of_called_benign),
    )


def maturity(found: Evaluation, speech: Speech) -> str:
    """To which day labels that speak of truth are mature."""
    first, last = found.reference.labelled_from, found.reference.labelled_to
    if last is None:
        return speech.unknown
    return speech.say("{first} to {last}; mature to {last}", first=speech.day(first), last=speech.day(last))


def point_said(found: Evaluation, speech: Speech) -> str:
    """The operating point."""
    source, at = found.about.point_source, speech.threshold(found.point.threshold)
    named = speech.say(POINTS[source]) if source in POINTS else source
    if not named:
        return speech.say("Scores of {threshold} and above are flagged", threshold=at)
    return speech.say("Scores of {threshold} and above are flagged, from {source}", threshold=at, source=named)


def discrimination(found: Evaluation, speech: Speech) -> str:
    """How well the score ranks."""
    figures = found.discrimination
    if figures is None:
        return speech.say("How well the score parts malignant from benign cannot be said: that takes pictures of both kinds.")
    drawn = figures.bootstrap
    return speech.say(
        "A malignant picture scores above a benign one in {pairs} of pairs: AUROC {auroc} by DeLong{drawn}. It says nothing of an "
        "operating point, and is no reason to go live by itself.",
        pairs=speech.percent(figures.auroc.estimate),
        auroc=speech.figure(figures.auroc, 3),
        drawn="" if drawn is None else f"; {speech.say('by draws of whole patients {interval}', interval=speech.span(drawn, 3))}",
    )
