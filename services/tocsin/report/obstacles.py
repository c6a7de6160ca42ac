"""Why a picture may be not assessable: each reason's name, as readers of the record see it beside its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.words.catalogue import to_say

DISPLAYS: Final[Mapping[str, str]] = {
    "modality-unknown": to_say("Kind of image unknown"),
    "modality-not-accepted": to_say("Kind of image not accepted"),
    "too-small": to_say("Image too small"),
    "wrong-shape": to_say("Image of unusual shape"),
    "too-dark": to_say("Image too dark"),
    "too-bright": to_say("Image too bright"),
    "empty": to_say("Image empty"),
    "blurred": to_say("Image blurred"),
    "age-not-certain": to_say("Patient's age not certain"),
    "outside-intended-ages": to_say("Patient outside the intended ages"),
    "wrong-kind-of-picture": to_say("Image looks like another kind"),
    "model-gave-no-answer": to_say("Model gave no usable answer"),
    "self-check": to_say("Tocsin's own check"),
}
"""ObstacleCode -> name."""
