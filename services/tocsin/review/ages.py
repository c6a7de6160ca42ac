"""How old something is, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from tocsin.words.catalogue import Catalogue

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def age(words: Catalogue, old: timedelta) -> str:
    """The age to the minute below an hour, to the hour below two days, and to the day beyond, always rounded down."""
    seconds = max(0, int(old.total_seconds()))
    if seconds < _HOUR:
        return words.say_of(seconds // _MINUTE, "{number} minute", "{number} minutes")
    if seconds < 2 * _DAY:
        return words.say_of(seconds // _HOUR, "{number} hour", "{number} hours")
    return words.say_of(seconds // _DAY, "{number} day", "{number} days")
