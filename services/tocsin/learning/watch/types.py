"""What a look finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Signal = Literal[
    "score-histogram", "score-mean", "reasons", "not-assessable", "device-mix", "body-site-mix", "misses", "overrides", "known-pictures"
]
"""What is watched."""
State = Literal["quiet", "alarm", "too-few", "unanswered"]
"""too-few: nothing that could be seen would be an alarm; unanswered: whoever was to be asked was away."""

ALL = "all"
"""The group of everything; a band or a class of the card may not be called so."""
ANY = "any"
"""The alarm that some group is not as it should be, whichever."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one signal stood when it was looked at."""

    signal: Signal
    group: str
    state: State
    of: int
    """Pictures or answers that it rests on."""
    figure: float | None = None
    """How near the alarm is, in units of its limit: from about 1 on it sounds. None where there is nothing to say."""
