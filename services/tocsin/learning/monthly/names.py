"""What a month's report calls what its JSON names by a code: signals, how they stand, of whom they speak, and clinicians' acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.learning.report.names import VALUES
from tocsin.learning.report.speech import Speech
from tocsin.learning.watch.origins import ELSEWHERE
from tocsin.learning.watch.performance import OTHER, SITE, UNJUDGED
from tocsin.learning.watch.types import ALL, ANY, Look, Signal, State
from tocsin.model_card import ModelCard
from tocsin.review.types import Act
from tocsin.words.catalogue import to_say

SIGNALS: Final[Mapping[Signal, str]] = {
    "score-histogram": to_say("Histogram of scores"),
    "score-mean": to_say("Mean of scores"),
    "reasons": to_say("Reasons why not assessable"),
    "not-assessable": to_say("Share not assessable"),
    "device-mix": to_say("Devices"),
    "body-site-mix": to_say("Body sites"),
    "misses": to_say("Cancers missed"),
    "overrides": to_say("Answers that disagree"),
    "known-pictures": to_say("Known pictures"),
}
STATES: Final[Mapping[State, str]] = {
    "alarm": to_say("alarm"),
    "quiet": to_say("no alarm"),
    "too-few": to_say("cannot be said: too few"),
    "unanswered": to_say("cannot be said: not answered"),
}
GROUPS: Final[Mapping[str, str]] = {
    ALL: to_say("all"),
    ANY: to_say("any group"),
    UNJUDGED: to_say("not assessable"),
    OTHER: to_say("another class"),
}
"""Groups besides those that the card names and the body's regions."""
ACTS: Final[Mapping[str, str]] = {
    Act.ACCEPT: to_say("Accepted"),
    Act.OVERRIDE: to_say("Overridden"),
    Act.CORRECT: to_say("Corrected"),
    Act.NOT_ASSESSABLE: to_say("Judged not assessable"),
    Act.WITHDRAW: to_say("Withdrawn"),
    Act.UNDO: to_say("Taken back"),
}


def signals_named(looks: list[Look], speech: Speech) -> str:
    """The signals of these looks, each once, as a sentence lists them."""
    return speech.listed([speech.inside(speech.say(SIGNALS[each])) for each in dict.fromkeys(look.signal for look in looks)])


def names_of(card: ModelCard, speech: Speech) -> Mapping[str, str]:
    """Code of a band or a class of the card -> what the card calls it."""
    bands = {each.code: each.display for each in card.operating_point.bands}
    classes = {each.code: each.display for each in card.output.classes}
    return {code: card.say(display, speech.language) for code, display in (classes | bands).items()}


def group_name(look: Look, names: Mapping[str, str], speech: Speech) -> str:
    """Of whom the look speaks; `names` are those of the card."""
    if look.group.startswith(SITE):
        region = look.group.removeprefix(SITE)
        name = to_say("other or not known") if region == ELSEWHERE else VALUES.get(region)
        return speech.say("body site {site}", site=speech.say(name) if name else region)
    name = GROUPS.get(look.group)
    return speech.say(name) if name else names.get(look.group, look.group)
