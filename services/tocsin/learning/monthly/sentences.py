"""What a month was like, and what its report cannot show, in plain sentences. Each follows from what was found alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Final

from tocsin.learning.monthly.month import Month
from tocsin.learning.monthly.names import signals_named
from tocsin.learning.monthly.parts import MonthFound
from tocsin.learning.report.open_points import open_points
from tocsin.learning.report.speech import Speech
from tocsin.words.catalogue import to_say

VERDICT: Final = to_say(
    "Monitoring, and no validation for going live: of pictures as they came, by the labels that there are so far. `tocsin evaluate` "
    "makes the report that may carry a decision to go live."
)
BLIND: Final = ("too-few", "unanswered")
"""States of which nothing can be said."""


def cannot_be_shown(found: MonthFound, speech: Speech) -> Iterator[str]:
    """What the report does not say, or not yet."""
    say = speech.say
    yield say(
        "That the model may go live or stay in use: a month of monitoring is no validation. Labels go on coming for weeks, and come more "
        "often for flagged pictures."
    )
    yield from _beginning(found, speech)
    if found.judged_by_others:
        yield speech.say_of(
            found.judged_by_others,
            "Labels, if there are any, of {number} picture whose flag states a number and a band that do not go together by the card and "
            "site file in use: it was judged by others, as before a site file that was promoted had reached every process (set "
            "TOCSIN_WATCH__SINCE to when it had).",
            "Labels, if there are any, of {number} pictures whose flags state a number and a band that do not go together by the card and "
            "site file in use: they were judged by others, as before a site file that was promoted had reached every process (set "
            "TOCSIN_WATCH__SINCE to when it had).",
        )
    blind = [each for each in found.looks if each.state in BLIND]
    if blind:
        yield speech.say_of(
            len(blind),
            "Whether there is nothing to alarm of: {number} alarm could not be looked at ({signals}).",
            "Whether there is nothing to alarm of: {number} alarms could not be looked at ({signals}).",
            signals=signals_named(blind, speech),
        )
    if not any(each.signal == "score-mean" for each in found.looks):
        yield say("Whether what came in is what was evaluated: no baseline is set (TOCSIN_WATCH__BASELINE).")
    if not found.origins_known:
        yield say("Devices and body sites: the record was not asked, or did not answer when this report was made.")
    yield say("Known pictures: their answers are in the metrics alone (tocsin_watch_looks_total).")
    yield from open_points(found.evaluation, speech)


def _beginning(found: MonthFound, speech: Speech) -> Iterator[str]:
    month, oldest, moment = Month.of(found.month), found.oldest_flag_at, speech.catalogue.moment
    if oldest is None:
        yield speech.say(
            "Pictures of the month's beginning, if there were any: the bus holds no flag of that time at all (retention of the topic of "
            "flags)."
        )
    elif oldest > month.start:
        yield speech.say(
            "Pictures of the month's beginning, if there were any: the bus holds no flag from before {moment} (retention of the topic of "
            "flags).",
            moment=moment(oldest, UTC),
        )
    if found.counted_from > month.start:
        yield speech.say(
            "Labels of pictures that were judged before {moment}: scores then had another scale, since a site file was promoted later, or "
            "counting was set to begin anew.",
            moment=moment(found.counted_from, UTC),
        )


def came_in(found: MonthFound, speech: Speech) -> str:
    """How many pictures, and what became of them."""
    volumes = found.volumes
    return speech.say_of(
        volumes.pictures,
        "{number} picture {patients} was judged: {flagged} flagged, {others} not flagged, and {refused} not assessable.",
        "{number} pictures {patients} were judged: {flagged} flagged, {others} not flagged, and {refused} not assessable.",
        patients=patients(found, speech),
        flagged=speech.count(volumes.flagged),
        others=speech.count(volumes.assessed - volumes.flagged),
        refused=speech.count(sum(volumes.not_assessable.values())),
    )


def patients(found: MonthFound, speech: Speech) -> str:
    """Of how many patients the pictures are, as a part of a sentence."""
    return speech.say_of(found.volumes.patients, "of {number} patient", "of {number} patients")


def alarms(found: MonthFound, speech: Speech) -> str:
    """How the alarms stood when the month ended."""
    loud = [each for each in found.looks if each.state == "alarm"]
    blind = sum(each.state in BLIND for each in found.looks)
    seen = len(found.looks) - blind
    if loud:
        return speech.say("When the month ended there was an alarm: {signals}.", signals=signals_named(loud, speech))
    if not seen:
        return speech.say_of(
            blind,
            "When the month ended nothing could be said by {number} alarm, which is no all-clear.",
            "When the month ended nothing could be said by any of {number} alarms, which is no all-clear.",
        )
    others = speech.say_of(blind, "by {number} other nothing could be said", "by {number} others nothing could be said")
    others = speech.say_of(blind, "by {number} other nothing could be said", "by {number} others nothing could be said")
    return speech.say_of(
        seen,
        "When the month ended {number} alarm that could be looked at had not sounded{rest}.",
        "When the month ended none of {number} alarms that could be looked at had sounded{rest}.",
        rest=f"; {others}" if blind else "",
    )


def labels(found: MonthFound, speech: Speech) -> str:
    """How many labels there are so far, and to which day they are mature."""
    flow, reference = found.evaluation.flow, found.evaluation.reference
    day = reference.labelled_to
    return speech.say_of(
        flow.labelled,
        "So far {number} assessable picture has a label that speaks of truth, {malignant} of them malignant, and {unlabelled} have none, "
        "which is never benign{mature}.",
        "So far {number} assessable pictures have a label that speaks of truth, {malignant} of them malignant, and {unlabelled} have none, "
        "which is never benign{mature}.",
        malignant=speech.count(reference.malignant),
        unlabelled=speech.count(flow.unlabelled),
        mature=f"; {speech.say('labels are mature to {day}', day=speech.day(day))}" if day else "",
    )


def answers(found: MonthFound, speech: Speech) -> str:
    """How many reports have an answer, and what an answer is."""
    return speech.say_of(
        found.answers.reports,
        "Of the month's reports, {number} has an answer so far. An answer is a clinician's word on a flag they saw: agreement, and no "
        "truth.",
        "Of the month's reports, {number} have an answer so far. An answer is a clinician's word on a flag they saw: agreement, and no "
        "truth.",
    )
