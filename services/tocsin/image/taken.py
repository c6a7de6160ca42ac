"""When a picture was taken, as exactly as its Media says it, and its patient's age then.

FHIR R4, dateTime, date and Period.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from tocsin.fhir.datatypes import DateTime, date_time, instant

YEARS_MAX: Final = 125
"""Oldest age in years that is possible: nobody was ever older."""

_STATED: Final = ("createdDateTime", "_createdDateTime", "createdPeriod", "_createdPeriod")


@dataclass(frozen=True, slots=True)
class Days:
    """A span of days, both ends included; None where it is open how early, or how late."""

    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class Taken:
    """When a picture was taken."""

    days: Days
    """The days on which it may have been taken, by the calendar of its place."""
    effective: Mapping[str, object] = field(default_factory=dict)
    """The time as stated, for the report's effective[x] or occurrence[x].

    {"DateTime": ...} or {"Period": ...}; empty where nobody knows.
    """
    by_the_media: bool = True
    """Whether the Media states the time, however inexactly; where it does not, the event may."""


def taken(media: Mapping[str, Any], *, announced: datetime | None, stored: datetime) -> Taken:
    """When the picture was taken, by Media.created[x] where the Media states it in any form; else by the event.

    `announced` is when a live event says that the picture was taken, None where its announcer cannot know; `stored` is when this version of
    the Media was stored: no picture is taken later.
    """
    by_the_media = any(media.get(name) is not None for name in _STATED)
    if not by_the_media and announced is not None:
        return Taken(Days(announced.date(), announced.date()), {"DateTime": announced.isoformat()}, by_the_media=False)
    latest = stored.date() + timedelta(days=1)  # some time zone is a day ahead
    moment, period = date_time(media.get("createdDateTime")), media.get("createdPeriod")
    if moment is not None:
        return Taken(_days(moment), {"DateTime": moment.text})
    if isinstance(period, dict):
        return _within(date_time(period.get("start")), date_time(period.get("end")), latest)
    return Taken(Days(None, latest), by_the_media=by_the_media)


def birth(stated: object) -> Days | None:
    """The days on which a patient may be born by a FHIR date, any where it cannot be read; None where none is stated."""
    if stated is None:
        return None
    moment = date_time(stated)
    return Days(None, None) if moment is None else _days(moment)


def ages(born: Days | None, when: Days) -> tuple[int, int] | None:
    """Youngest and oldest whole years that the patient may have had at the picture; None where no birthday is stated.

    Where the dates contradict each other one of them is wrong, and so every age is possible.
    """
    if born is None:
        return None
    youngest = 0 if when.first is None or born.last is None else _years(born.last, when.first)
    oldest = YEARS_MAX if when.last is None or born.first is None else _years(born.first, when.last)
    if oldest < 0 or youngest > YEARS_MAX or oldest < youngest:
        return 0, YEARS_MAX
    return max(0, youngest), min(YEARS_MAX, oldest)


def _days(stated: DateTime) -> Days:
    return Days(stated.first, stated.last)


def _within(start: DateTime | None, end: DateTime | None, latest: date) -> Taken:
    first = start.first if start else None
    last = end.last if end else latest
    if first and last and last < first:
        return Taken(Days(None, latest))
    return Taken(Days(first, last), {"Period": _period(start, end)} if start or end else {})


def _period(start: DateTime | None, end: DateTime | None) -> dict[str, str]:
    """The Period as stated, unless R4's rule per-1, that it starts before it ends, cannot be seen to hold.

    Then both ends are cut to the same precision, a day at most.
    """
    if start is None or end is None:
        return {name: moment.text for name, moment in (("start", start), ("end", end)) if moment is not None}
    first, last = start.text, end.text
    if not _in_order(first, last):
        common = min(len(first), len(last), len("2019-05-02"))
        first, last = first[:common], last[:common]
    return {"start": first, "end": last}


def _in_order(first: str, last: str) -> bool:
    """Whether two stated times, whose days are in order, are in order themselves.

    False also where one is less exact than the other, and they do not differ before that.
    """
    if "T" in first and "T" in last:
        begins, ends = instant(first), instant(last)
        return begins is not None and ends is not None and begins <= ends
    common = min(len(first), len(last))
    return len(first) == len(last) or first[:common] != last[:common]


def _years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
