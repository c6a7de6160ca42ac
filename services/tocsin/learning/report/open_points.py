"""What an evaluation could not show yet, or does not know: the part of its report that is read first after the answer."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.learning.parts import Evaluation
from tocsin.learning.report import sentences
from tocsin.learning.report.names import words_of
from tocsin.learning.report.speech import Speech


def open_points(found: Evaluation, speech: Speech) -> Iterator[str]:
    """What could not be shown yet, or is not known."""
    yield from _of_sensitivity(found, speech)
    yield from _audit(found, speech)
    yield from _of_labels(found, speech)
    yield from _unsaid(found, speech)


def _of_sensitivity(found: Evaluation, speech: Speech) -> Iterator[str]:
    reference, at = found.reference, found.at_the_point
    if reference.verification == "by-score":
        yield sentences.upper_bound(found, speech)
    elif at is not None and reference.malignant and not at.shown:
        yield speech.say("Sensitivity: {more}.", more=sentences.more(at, found.point, speech))


def _audit(found: Evaluation, speech: Speech) -> Iterator[str]:
    """What is not known of pictures below threshold, by the audit sample or without one."""
    reference, weighted = found.reference, found.reference.verification == "weighted"
    if reference.unsought:
        which = speech.say_of(
            reference.unsought,
            "{number} picture that was not flagged was verified, {malignant} of them malignant, and nobody knows with which probability",
            "{number} pictures that were not flagged were verified, {malignant} of them malignant, and nobody knows with which probability",
            malignant=speech.count(reference.unsought_malignant),
        )
        yield (
            speech.say("{which}: they are in no figure, since the audit sample stands for them too.", which=which)
            if weighted
            else speech.say("{which}: sensitivity is an upper bound.", which=which)
        )
    if weighted and reference.read_alone:
        yield speech.say_of(
            reference.read_alone,
            "{number} picture of the audit sample was read by a clinician, and neither pathology nor follow-up has spoken: a cancer "
            "among them is not counted, and specificity is of the others alone.",
            "{number} pictures of the audit sample were read by a clinician, and neither pathology nor follow-up has spoken: a cancer "
            "among them is not counted, and specificity is of the others alone.",
        )


def _of_labels(found: Evaluation, speech: Speech) -> Iterator[str]:
    reference = found.reference
    if found.flow.not_assessable_malignant:
        yield speech.say_of(
            found.flow.not_assessable_malignant,
            "{number} picture of a cancer was not assessable, and is in no figure: an ordinary reading must find what the model is not "
            "shown.",
            "{number} pictures of cancers were not assessable, and are in no figure: an ordinary reading must find what the model is not "
            "shown.",
        )
    if found.about.source == "bus":
        yield (
            speech.say("Age and sex are not known: Tocsin's flags hold neither, so that no group can be told apart by them.")
            if found.subgroups
            else speech.say(
                "Age, sex and body site are not known: Tocsin's flags hold none of them, so that no group of patients can be told apart."
            )
        )
    if reference.verification == "alike":
        yield speech.say_of(
            reference.flagged + reference.below - reference.flagged_labelled - reference.below_labelled,
            "{number} assessable picture has no label that speaks of truth, and counts as nothing here. By their scores they are like the "
            "others; what else they differ in is not known.",
            "{number} assessable pictures have no label that speaks of truth, and count as nothing here. By their scores they are like the "
            "others; what else they differ in is not known.",
        )
    if reference.verification == "all":
        yield speech.say("Every picture that was read has a label. If others were left out before, sensitivity may be lower than it looks.")
    if stated := reference.kinds.get("stated"):
        yield speech.say_of(
            stated,
            "By what {number} label was established (specimen, follow-up) was not said.",
            "By what {number} labels were established (specimen, follow-up) was not said.",
        )
    few = sum(1 for each in found.subgroups if each.why == "too-few-cancers")
    if few:
        yield speech.say_of(
            few,
            "{number} group has too few cancers to say anything of: not shown to work there.",
            "{number} groups have too few cancers to say anything of: not shown to work there.",
        )


def _unsaid(found: Evaluation, speech: Speech) -> Iterator[str]:
    about = found.about
    if not about.calibrated and found.calibration is not None:
        yield speech.say("Probabilities: the scores went through no calibration made on this site's labels.")
    if not about.how_chosen:
        yield speech.say("How the pictures were chosen was not said: whether they are like those to come is not known.")
    if any(words_of(each.column) == "skin tone" for each in found.subgroups) and not about.skin_tone_source:
        yield speech.say("Who or what told skin tone, and on which scale, was not said.")
    if found.reference.labelled_to is None:
        yield speech.say(
            "When the labels were established was not said: cancers may be found later among pictures that count as benign here."
        )
