"""The parts of a go-live report that hold figures: at the operating point, by group, calibration and net benefit. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.learning.parts import Evaluation, Subgroup
from tocsin.learning.report import plots, sentences
from tocsin.learning.report.names import column_name, value_name
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import Block, Paragraph, Table
from tocsin.learning.types import Interval


def at_the_point(found: Evaluation, speech: Speech) -> Iterator[Block]:
    """What flagging does at the operating point."""
    at, work, say = found.at_the_point, found.workload, speech.say
    if at is None or work is None:
        return
    yield Paragraph(f"{sentences.point_said(found, speech)}.")
    yield Table(
        say("Pictures, as they were counted"),
        ("", say("Malignant"), say("Benign")),
        (
            (say("Flagged"), speech.count(at.true_positive), speech.count(at.false_positive)),
            (say("Not flagged"), speech.count(at.false_negative), speech.count(at.true_negative)),
        ),
        (0.5, 0.25, 0.25),
    )
    flags, each = work.flags_per_100, work.flags_per_cancer_found
    yield Table(
        say("What flagging does"),
        ("", say("Estimate"), _interval(found, speech)),
        (
            (say("Sensitivity"), *_share(at.sensitivity, speech)),
            (say("Sensitivity, one-sided lower bound"), speech.at_least(at.sensitivity_at_least), ""),
            (say("Specificity"), *_share(at.specificity, speech)),
            (say("Positive predictive value"), *_share(at.ppv, speech)),
            (say("Negative predictive value"), *_share(at.npv, speech)),
            (say("Flags per 100 pictures"), speech.decimal(flags.estimate, 1), speech.span(flags, 1)),
            (say("Flags per cancer found"), speech.decimal(each.estimate), speech.span(each)),
        ),
        (0.5, 0.2, 0.3),
    )
    if found.reference.verification == "weighted":
        yield Paragraph(say("Predictive values and flags hold for the mix of the pictures for which these stand, and for no other."))
        return
    share = speech.percent(found.reference.malignant / max(found.flow.labelled, 1))
    yield Paragraph(
        say(
            "Predictive values and flags hold for the mix of these pictures, of which {share} are malignant, and for no other.", share=share
        )
    )


def _interval(found: Evaluation, speech: Speech) -> str:
    return speech.say("{confidence}\u00a0% interval", confidence=speech.hundredths(found.point.confidence))


def _share(interval: Interval, speech: Speech) -> tuple[str, str]:
    return speech.percent(interval.estimate), speech.shares(interval)


def groups(found: Evaluation, speech: Speech) -> Iterator[Block]:
    """For whom it is shown to work."""
    if not found.subgroups:
        return
    say = speech.say
    meaning = say(
        "Shown to work means: ten or more cancers, and sensitivity of at least {target} shown with {confidence} confidence, allowing for "
        "the number of groups (Holm).",
        target=speech.whole_percent(found.point.target),
        confidence=speech.whole_percent(found.point.confidence),
    )
    source = found.about.skin_tone_source
    yield Paragraph(" ".join([meaning, say("Skin tone: {source}.", source=source)]) if source else meaning)
    if (forest := plots.forest(found, speech)) is not None:
        yield forest
    yield Table(
        say("Sensitivity and specificity in each group"),
        (say("Group"), say("Pictures"), say("Malignant"), say("Sensitivity"), say("Shrunken"), say("Specificity"), say("What may be said")),
        tuple(_group(each, found, speech) for each in found.subgroups),
        (0.16, 0.09, 0.1, 0.14, 0.14, 0.14, 0.23),
    )


def _group(each: Subgroup, found: Evaluation, speech: Speech) -> tuple[str, ...]:
    return (
        f"{column_name(each.column, speech)}: {value_name(each, speech)}",
        speech.count(each.pictures),
        speech.count(each.malignant),
        speech.share(each.sensitivity),
        speech.share(each.shrunken) if each.malignant else speech.unknown,
        speech.share(each.specificity),
        sentences.standing(each, found.point, speech),
    )


def calibration(found: Evaluation, speech: Speech) -> Iterator[Block]:
    """Whether scores may be read as probabilities."""
    yield Paragraph(sentences.calibration(found, speech))
    figures, say = found.calibration, speech.say
    if figures is None:
        return
    if (curve := plots.calibration(found, speech)) is not None:
        yield curve
    yield Table(
        say("Calibration"),
        ("", say("Estimate"), say("Interval"), say("Good")),
        (
            (say("Calibration intercept"), *_number(figures.intercept, speech), "0"),
            (say("Calibration slope"), *_number(figures.slope, speech), "1"),
            (say("Observed over expected"), *_number(figures.observed_over_expected, speech), "1"),
            (say("Integrated calibration index"), speech.decimal(figures.ici, 3), "", "0"),
            (say("Half of the pictures off by at most"), speech.decimal(figures.e50, 3), "", "0"),
            (say("Nine in ten off by at most"), speech.decimal(figures.e90, 3), "", "0"),
            (say("Brier score"), *_number(figures.brier, speech, 3), "0"),
            (say("Scaled Brier score"), *_number(figures.scaled_brier, speech, 3), say("1; 0 is a constant")),
            (say("Expected calibration error, for comparison"), speech.decimal(figures.ece, 3), "", "0"),
        ),
        (0.4, 0.16, 0.24, 0.2),
    )


def _number(interval: Interval, speech: Speech, decimals: int = 2) -> tuple[str, str]:
    return speech.decimal(interval.estimate, decimals), speech.span(interval, decimals)


def net_benefit(found: Evaluation, speech: Speech) -> Iterator[Block]:
    """Whether flagging helps more than flagging all, or none."""
    if found.utility is None or not found.reference.malignant or not found.reference.benign:
        return
    here, say = found.utility.at_the_point, speech.say
    yield Paragraph(
        say(
            "Cancers found, less needless flags at the price that a reader sets who has lesions examined from a cancer probability of {at} "
            "on (NICE NG12 refers at {reference}). In cancers per 100 pictures; flagging none is 0.",
            at=speech.whole_percent(here.at),
            reference=speech.whole_percent(0.03),
        )
    )
    yield Table(
        say("Net benefit per 100 pictures"),
        ("", say("Estimate"), _interval(found, speech)),
        (
            (say("Flagged as the operating point does"), *_per_100(here.model, speech)),
            (say("Every picture flagged"), *_per_100(here.flag_all, speech)),
            (say("What the model adds to flagging every picture"), *_per_100(here.over_flag_all, speech)),
        ),
        (0.5, 0.2, 0.3),
    )
    if (curve := plots.net_benefit(found, speech)) is not None:
        yield curve
    else:
        yield Paragraph(say("Over other probabilities it cannot be drawn: the scores are no probabilities here."))


def _per_100(share_of: Interval, speech: Speech) -> tuple[str, str]:
    return _number(Interval(100 * share_of.estimate, 100 * share_of.low, 100 * share_of.high, share_of.confidence), speech)
