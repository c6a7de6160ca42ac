"""What a clinician made of an AI result, in a sentence of their own: cards and documents say it before what the AI had said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.review.types import Act
from tocsin.words.catalogue import Catalogue, to_say

_SAID: Final[Mapping[str, str]] = {
    Act.ACCEPT: to_say("The clinician agrees with the AI."),
    Act.OVERRIDE: to_say("The clinician disagrees with the AI."),
    Act.CORRECT: to_say("The clinician names another class: {name}."),
    Act.NOT_ASSESSABLE: to_say("The clinician finds that the picture allows no judgement."),
}


def act_said(act: str, name: str, words: Catalogue) -> str:
    """The act (a code of Act), with the class that a correction names; empty for an act that says nothing of the result, and for none."""
    said = _SAID.get(act)
    return "" if said is None else words.say(said, name=name)
